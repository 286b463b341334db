// The allocator's benchmark: the works of the peer's test (see bench/ipam-table), and those that only we have targets
// for. One JSON line per work. Arguments name groups; none: all.

#include <cstdio>
#include <map>
#include <string>

#include "bench/ipam/works.h"

int main(int argc, char** argv) {
  using namespace berth::bench;
  const std::map<std::string, void (*)()> groups{
      {"alloc_free", alloc_free}, {"churn", churn},   {"statics", statics},   {"subnets", subnets},
      {"rebuild", rebuild},       {"memory", memory}, {"flatness", flatness}, {"snapshots", snapshots}};
  if (argc == 1) {
    for (const auto& [name, run] : groups) run();
  }
  for (int i = 1; i < argc; ++i) {
    const auto group = groups.find(argv[i]);
    if (group == groups.end()) {
      std::fprintf(stderr, "no such group: %s\n", argv[i]);
      return 2;
    }
    group->second();
  }
}
