#include "dev/demo/plays.h"

namespace berth::dev {

using namespace std::chrono_literals;

std::vector<Play> demo_plays() {
  const Release whole;
  const Release expecting{.subnets = true, .vpc = true, .expects_subnet = "any"};
  const Release expecting_no_subnets{.subnets = false, .vpc = true, .expects_subnet = "any"};
  const Release no_subnets_no_vpc{.subnets = false, .vpc = false, .expects_subnet = {}};
  const Release no_vpc{.subnets = true, .vpc = false, .expects_subnet = {}};
  return {
      {"one release, the Subnets behind the pods as Helm sends them", {{0s, whole, "the whole chart"}}},
      {"the Subnets 20 s after the pods, and the Namespaces say that they expect some",
       {{0s, expecting_no_subnets, "the chart without its Subnets"}, {20s, expecting, "the Subnets follow"}}},
      {"the Subnets 2 s after the pods, their Vpc 15 s after them, and nobody says anything",
       {{0s, no_subnets_no_vpc, "the chart without Subnets and Vpc"},
        {2s, no_vpc, "the Subnets follow"},
        {15s, whole, "the Vpc follows"}}},
  };
}

}  // namespace berth::dev
