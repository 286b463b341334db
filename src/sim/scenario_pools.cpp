#include "sim/scenario_pools.h"

#include <fmt/core.h>

#include <boost/json.hpp>

namespace berth::sim {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

class PoolBuilder {
 public:
  PoolBuilder(Random random, const Stage& stage, Scenario& out) : random_(random), stage_(stage), out_(out) {}

  void build() {
    (void)random_();  // the first of these dice was somebody else's too
    if (one_in(2)) pools();
    if (one_in(2)) vips();
  }

 private:
  std::uint64_t below(std::uint64_t n) { return (random_() >> 7) % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  Duration sometime() {
    return Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>(stage_.spread.count()) + 1)));
  }
  Duration late() { return out_.length / 2 + sometime(); }

  void create(Duration at, const char* group, const char* plural, std::string ns, object body) {
    std::string what = fmt::format("create {} {} {}", plural, boost::json::serialize(body.at("metadata").at("name")),
                                   boost::json::serialize(body.at("spec")));
    out_.steps.push_back({at, std::move(what), [=, body = std::move(body)](ApiStore& store) {
                            (void)store.create(*store.types().find(group, "v1", plural), ns, body);
                          }});
  }
  void remove(Duration at, const char* group, const char* plural, std::string ns, std::string name) {
    out_.steps.push_back({at, fmt::format("delete {} {}", plural, name), [=](ApiStore& store) {
                            (void)store.remove(*store.types().find(group, "v1", plural), ns, name);
                          }});
  }
  void edit(Duration at, const char* plural, std::string name, object spec) {
    const value body{{"spec", std::move(spec)}};
    out_.steps.push_back(
        {at, fmt::format("patch {} {} {}", plural, name, boost::json::serialize(body)), [=](ApiStore& store) {
           (void)store.patch(*store.types().find("kubeovn.io", "v1", plural), "", name, PatchType::merge, body);
         }});
  }

  void pod(Duration at, const std::string& name, const std::string& key, const std::string& said) {
    const std::size_t n = below(stage_.namespaces.size());
    const std::string& ns = stage_.namespaces[n];
    object body{
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"name", name}, {"namespace", ns}, {"annotations", {{"ovn.kubernetes.io/" + key, said}}}}},
        {"spec", {{"containers", array{object{{"name", "c"}, {"image", "c"}}}}}}};
    at = std::max(at, stage_.namespace_at[n] + Duration(std::chrono::milliseconds(1)));
    create(at, "", "pods", ns, body);
    if (!one_in(3)) return;
    const Duration again = at + sometime() / 2 + std::chrono::milliseconds(100);
    remove(again, "", "pods", ns, name);
    if (one_in(2)) create(again + std::chrono::milliseconds(2500), "", "pods", ns, std::move(body));
  }

  // Low addresses, which a draw would take first.
  array entries() {
    switch (below(6)) {
      case 0:
        return {"10.50.0.2..10.50.0.4"};
      case 1:
        return {"10.50.0.3", "10.50.0.4/31"};
      case 2:
        return {"10.50.0.4..10.50.0.9"};  // beyond a /29
      case 3:
        return {"10.50.0.2", "10.99.0.1"};
      case 4:
        return {"10.50.0.2", "10.50.0.zz"};
      default:
        return {"10.50.0.2..10.50.0.3"};
    }
  }

  object pool(const std::string& name, bool listed) {
    array namespaces;
    if (listed) namespaces.emplace_back(stage_.namespaces.front());
    return {{"apiVersion", "kubeovn.io/v1"},
            {"kind", "IPPool"},
            {"metadata", {{"name", name}}},
            {"spec",
             {{"subnet", "s0"},
              {"ips", entries()},
              {"namespaces", std::move(namespaces)},
              {"enableAddressSet", one_in(2)}}}};
  }

  void pools() {
    const std::uint64_t count = 1 + below(3);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string name = fmt::format("pool-{}", i);
      const bool listed = one_in(4);
      if (listed) {  // its pods have nothing but this pool then
        std::erase_if(out_.must_be_wired,
                      [&](const std::string& key) { return key.starts_with(stage_.namespaces.front() + "/"); });
      }
      const Duration at = sometime();
      create(at, "kubeovn.io", "ippools", "", pool(name, listed));
      if (one_in(2)) edit(late(), "ippools", name, {{"ips", entries()}});
      if (one_in(3)) {
        const Duration gone = late();
        remove(gone, "kubeovn.io", "ippools", "", name);
        if (one_in(2)) {
          for (int k = 1; k <= 4; ++k)
            create(gone + std::chrono::milliseconds(700 * k * k), "kubeovn.io", "ippools", "", pool(name, listed));
        }
      }
      const std::uint64_t pods = 1 + below(4);
      for (std::uint64_t p = 0; p < pods; ++p) pod(sometime(), fmt::format("q{}-{}", i, p), "ip_pool", name);
    }
    // Who draws without naming a pool, while there is one.
    const std::uint64_t others = 1 + below(4);
    for (std::uint64_t p = 0; p < others; ++p)
      pod(late(), fmt::format("o{}", p), one_in(2) ? "logical_switch" : "ip_pool", one_in(3) ? "pool-0" : "s0");
  }

  void vips() {
    static constexpr const char* kTypes[] = {"", "", "switch_lb_vip", "kube_host_vm_vip"};
    const std::uint64_t count = 1 + below(2);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string name = fmt::format("vip-{}", i);
      object spec{{"subnet", "s0"}, {"namespace", stage_.namespaces.front()}, {"type", kTypes[below(4)]}};
      if (one_in(3)) spec["v4ip"] = fmt::format("10.50.0.{}", 2 + below(6));
      if (one_in(2)) spec["selector"] = array{"team:none"};
      object body{
          {"apiVersion", "kubeovn.io/v1"}, {"kind", "Vip"}, {"metadata", {{"name", name}}}, {"spec", std::move(spec)}};
      create(sometime(), "kubeovn.io", "vips", "", body);
      if (one_in(4)) edit(late(), "vips", name, {{"v4ip", "10.50.0.6"}});
      if (one_in(3)) {
        const Duration gone = late();
        remove(gone, "kubeovn.io", "vips", "", name);
        if (one_in(2)) create(gone + std::chrono::seconds(2), "kubeovn.io", "vips", "", body);
      }
      const std::uint64_t pods = below(4);
      for (std::uint64_t p = 0; p < pods; ++p) pod(sometime(), fmt::format("v{}-{}", i, p), "vip", name);
      if (one_in(2)) pod(sometime(), fmt::format("a{}", i), "aaps", name);
    }
  }

  Random random_;
  const Stage& stage_;
  Scenario& out_;
};

}  // namespace

void add_pools_and_vips(Random random, const Stage& stage, Scenario& scenario) {
  PoolBuilder(random, stage, scenario).build();
}

}  // namespace berth::sim
