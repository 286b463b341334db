#include "dev/demo/plays.h"

namespace berth::dev {

using namespace std::chrono_literals;

std::vector<Play> demo_plays() {
  const Duration settled_soon = 4s;  // of the 5 s that pods of a new Namespace wait, whatever comes
  const Release whole;
  const Release expecting{.subnets = true, .vpc = true, .expects_subnet = "any"};
  const Release expecting_no_subnets{.subnets = false, .vpc = true, .expects_subnet = "any"};
  const Release no_subnets_no_vpc{.subnets = false, .vpc = false, .expects_subnet = {}};
  const Release no_vpc{.subnets = true, .vpc = false, .expects_subnet = {}};
  return {
      {"one release, the Subnets behind the pods as Helm sends them", {{0s, whole, "the whole chart", 0s}}},
      {"the Subnets 20 s after the pods, and the Namespaces say that they expect some",
       {{0s, expecting_no_subnets, "the chart without its Subnets", 0s}, {20s, expecting, "the Subnets follow", 0s}}},
      {"the Subnets 2 s after the pods, their Vpc 15 s after them, and nobody says anything",
       {{0s, no_subnets_no_vpc, "the chart without Subnets and Vpc", 0s},
        {2s, no_vpc, "the Subnets follow", settled_soon},
        {15s, whole, "the Vpc follows", 0s}}},
  };
}

}  // namespace berth::dev
