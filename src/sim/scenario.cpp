#include "sim/scenario.h"

#include <fmt/core.h>

#include <algorithm>

#include "api/annotations.h"
#include "sim/scenario_corners.h"
#include "sim/scenario_pools.h"

namespace berth::sim {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

struct SubnetDraft {
  std::string name;
  std::string cidr;
  std::string vpc;
  std::vector<std::string> namespaces;
  bool by_label = false;
  bool small = false;
  object network;  // fields that end in further rows of OVN
};

class Builder {
 public:
  explicit Builder(Random& random) : random_(random) {}

  Scenario build() {
    out_.length = std::chrono::seconds(10 + below(30));
    // All at once; within the time that a Namespace takes to settle, as a chart does; or over a long time.
    const Duration spreads[] = {std::chrono::milliseconds(50), std::chrono::milliseconds(3500), out_.length / 2};
    spread_ = spreads[below(3)];
    namespaces();
    vpc();
    subnets();
    pods();
    mishaps();
    nodes();
    add_pools_and_vips(random_, {names_, ns_at_, drafts_.front().cidr, spread_}, out_);
    add_corners(random_, out_);
    return std::move(out_);
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  Duration sometime() {
    return Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>(spread_.count()) + 1)));
  }

  void step(Duration at, std::string what, std::function<void(ApiStore&)> act) {
    out_.steps.push_back({at, std::move(what), std::move(act)});
  }

  void create(Duration at, const char* group, const char* version, const char* plural, std::string ns, object body) {
    std::string what = fmt::format("create {} {}", plural, boost::json::serialize(body.at("metadata").at("name")));
    step(at, std::move(what), [=, body = std::move(body)](ApiStore& store) {
      (void)store.create(*store.types().find(group, version, plural), ns, body);
    });
  }

  void remove(Duration at, const char* group, const char* plural, std::string ns, std::string name) {
    step(at, fmt::format("delete {} {}", plural, name),
         [=](ApiStore& store) { (void)store.remove(*store.types().find(group, "v1", plural), ns, name); });
  }

  void patch(Duration at, const char* group, const char* plural, std::string name, value body) {
    step(at, fmt::format("patch {} {} {}", plural, name, boost::json::serialize(body)), [=](ApiStore& store) {
      (void)store.patch(*store.types().find(group, "v1", plural), "", name, PatchType::merge, body);
    });
  }

  void nodes() {
    for (int i = 1; i <= 3; ++i) {
      create({}, "", "v1", "nodes", "",
             {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", fmt::format("node-{}", i)}}}});
    }
  }

  void namespaces() {
    const std::uint64_t count = 1 + below(3);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string name = fmt::format("ns{}", i);
      object metadata{{"name", name}, {"labels", {{"team", name}}}};
      if (one_in(3)) {
        const char* choice = one_in(2) ? "any" : "s0,s1";
        metadata["annotations"] = {{std::string(api::kExpectsSubnetAnnotation), choice}};
        if (std::string_view(choice) != "any") names_its_own_.insert(name);
      }
      ns_at_.push_back(one_in(2) ? Duration{} : sometime() / 2);
      create(ns_at_.back(), "", "v1", "namespaces", "",
             {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", std::move(metadata)}});
      names_.push_back(name);
    }
  }

  void vpc() {
    if (!one_in(2)) return;
    vpc_ = "tenant";
    array listed;
    if (one_in(2)) {
      listed_ = names_[below(names_.size())];
      listed.emplace_back(listed_);
    }
    create(sometime(), "kubeovn.io", "v1", "vpcs", "",
           {{"apiVersion", "kubeovn.io/v1"},
            {"kind", "Vpc"},
            {"metadata", {{"name", vpc_}}},
            {"spec", {{"namespaces", std::move(listed)}}}});
  }

  [[nodiscard]] object manifest(const SubnetDraft& draft) const {
    object spec{{"cidrBlock", draft.cidr}, {"protocol", "IPv4"}};
    if (!draft.vpc.empty()) spec["vpc"] = draft.vpc;
    array claimed;
    for (const std::string& ns : draft.namespaces) claimed.emplace_back(ns);
    if (draft.by_label) {
      array selectors;
      for (const std::string& ns : draft.namespaces) selectors.emplace_back(object{{"matchLabels", {{"team", ns}}}});
      spec["namespaceSelectors"] = std::move(selectors);
    } else {
      spec["namespaces"] = std::move(claimed);
    }
    for (const auto& [field, asked] : draft.network) spec[field] = asked;
    if (draft.small) spec["excludeIps"] = array{value("10.50.0.5")};
    return {{"apiVersion", "kubeovn.io/v1"},
            {"kind", "Subnet"},
            {"metadata", {{"name", draft.name}}},
            {"spec", std::move(spec)}};
  }

  void subnets() {
    const std::uint64_t count = 1 + below(3);
    for (std::uint64_t i = 0; i < count; ++i) {
      SubnetDraft draft;
      draft.name = fmt::format("s{}", i);
      draft.cidr = fmt::format("10.{}.0.0/24", 50 + i);
      if (one_in(6)) draft.cidr = "10.50.0.0/29", draft.small = true;
      if (one_in(6)) draft.cidr = fmt::format("10.{}.0.0/24,fd00:{}::/64", 50 + i, 50 + i);
      if (one_in(8)) draft.cidr = "10.50.0.0/23";  // overlaps others
      if (!vpc_.empty() && one_in(2)) draft.vpc = vpc_;
      draft.namespaces.push_back(names_[below(names_.size())]);
      if (names_.size() > 1 && one_in(3)) draft.namespaces.push_back(names_[below(names_.size())]);
      draft.by_label = one_in(3);
      if (one_in(4)) draft.network["private"] = true;
      if (one_in(4)) draft.network["enableDHCP"] = true;
      if (one_in(6)) draft.network["vips"] = array{value(draft.cidr.substr(0, draft.cidr.find("0/")) + "6")};
      if (one_in(6)) {
        draft.network["gatewayType"] = "centralized";
        draft.network["gatewayNode"] = "node-2,node-1";
      }
      if (one_in(6)) {
        draft.network["acls"] = array{
            object{{"direction", "to-lport"}, {"priority", 1500}, {"match", "tcp.dst == 22"}, {"action", "drop"}}};
      }
      const bool late = one_in(4);
      const Duration at = late ? out_.length / 2 + sometime() : sometime();
      create(at, "kubeovn.io", "v1", "subnets", "", manifest(draft));
      drafts_.push_back(std::move(draft));
      subnet_at_.push_back(at);
    }
  }

  void pods() {
    const std::uint64_t count = 2 + below(9);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t n = below(names_.size());
      const std::string& ns = names_[n];
      std::string name = fmt::format("p{}", i);
      object metadata{{"name", name}, {"namespace", ns}};
      bool plain = true;
      if (one_in(8)) {
        metadata["annotations"] = {{"ovn.kubernetes.io/ip_address", fmt::format("10.50.0.{}", 2 + below(6))}};
        plain = false;
      } else if (one_in(10)) {
        metadata["annotations"] = {{"ovn.kubernetes.io/logical_switch", one_in(3) ? "s9" : "s0"}};
        plain = false;
      } else if (one_in(10)) {
        // A manifest copied from a cluster where it ran: its record speaks of another pod.
        metadata["annotations"] = {
            {"ovn.kubernetes.io/logical_switch", "ovn-default"},
            {"ovn.kubernetes.io/ip_address", "10.16.0.9"},
            {"ovn.kubernetes.io/allocated", "true"},
            {"ovn.kubernetes.io/routed", "true"},
            {std::string(api::kBindingAnnotation),
             R"({"podUID":"elsewhere","networks":{"ovn":{"rule":"default","subnet":"ovn-default","subnetUID":"elsewhere"}},"wrote":{"ovn.kubernetes.io/logical_switch":"ovn-default","ovn.kubernetes.io/ip_address":"10.16.0.9"}})"}};
      }
      const Duration at = ns_at_[n] + Duration(std::chrono::milliseconds(1)) + sometime();
      object body{{"apiVersion", "v1"},
                  {"kind", "Pod"},
                  {"metadata", std::move(metadata)},
                  {"spec", {{"containers", array{object{{"name", "c"}, {"image", "c"}}}}}}};
      create(at, "", "v1", "pods", ns, body);
      const std::string key = ns + "/" + name;
      if (plain && can_serve(ns)) out_.must_be_wired.insert(key);
      if (one_in(4)) {  // deleted, and often back at once under the same name, as a StatefulSet does
        const Duration again = at + sometime() / 2 + std::chrono::milliseconds(100);
        remove(again, "", "pods", ns, name);
        if (one_in(4)) {
          out_.must_be_wired.erase(key);
        } else {
          for (int k = 1; k <= 6; ++k)
            create(again + std::chrono::milliseconds(300 * k * k), "", "v1", "pods", ns, body);
        }
      }
    }
  }

  // Nothing stands in the way of a plain pod: its namespace takes any subnet, one roomy subnet in the default Vpc
  // claims its namespace, nothing overlaps it, and it is never touched.
  [[nodiscard]] bool can_serve(const std::string& ns) const {
    if (names_its_own_.contains(ns)) return false;
    for (const SubnetDraft& draft : drafts_) {
      if (draft.cidr == "10.50.0.0/23" || draft.small) return false;
      // A subnet of the default Vpc may not list a namespace of another.
      const bool lists = std::ranges::find(draft.namespaces, listed_) != draft.namespaces.end();
      if (lists && draft.vpc.empty() && !draft.by_label) return false;
    }
    for (const SubnetDraft& draft : drafts_) {
      if (draft.vpc.empty() && !draft.namespaces.empty() && draft.namespaces.front() == ns && draft.name != "s0")
        return true;
    }
    return false;
  }

  // What people do meanwhile. s0 is the subnet that suffers.
  void mishaps() {
    const Duration late = out_.length / 2 + sometime();
    if (one_in(5)) {
      remove(late, "kubeovn.io", "subnets", "", "s0");
      if (one_in(2)) {
        for (int k = 1; k <= 5; ++k)
          create(late + std::chrono::milliseconds(500 * k * k), "kubeovn.io", "v1", "subnets", "",
                 manifest(drafts_.front()));
      }
    }
    if (one_in(5))
      patch(late, "kubeovn.io", "subnets", "s0",
            {{"spec", {{"excludeIps", array{value("10.50.0.6"), value("10.50.0.10..10.50.0.20")}}}}});
    if (one_in(8)) {
      out_.must_be_wired.clear();  // it may take the range of s1
      patch(late, "kubeovn.io", "subnets", "s0",
            {{"spec", {{"cidrBlock", "10.51.0.0/24"}, {"gateway", "10.51.0.1"}, {"excludeIps", array{}}}}});
    }
    if (one_in(8)) patch(late, "kubeovn.io", "subnets", "s0", {{"spec", {{"cidrBlock", "nonsense"}}}});
    if (one_in(6) && !vpc_.empty()) remove(late, "kubeovn.io", "vpcs", "", vpc_);
    if (one_in(6)) {
      const std::string ns = names_[below(names_.size())];
      patch(late, "", "namespaces", ns, {{"metadata", {{"labels", {{"team", "other"}}}}}});
      std::erase_if(out_.must_be_wired, [&](const std::string& key) { return key.starts_with(ns + "/"); });
    }
  }

  Random& random_;
  Scenario out_;
  Duration spread_{};
  std::vector<std::string> names_;
  std::vector<Duration> ns_at_;
  std::set<std::string> names_its_own_;  // namespaces that insist on s0 or s1
  std::string vpc_;
  std::string listed_;  // the namespace that the Vpc takes for itself
  std::vector<SubnetDraft> drafts_;
  std::vector<Duration> subnet_at_;
};

}  // namespace

Scenario make_scenario(Random& random) { return Builder(random).build(); }

}  // namespace berth::sim
