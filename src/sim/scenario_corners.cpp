#include "sim/scenario_corners.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/json.hpp>

#include "api/condition.h"

namespace berth::sim {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using std::chrono::milliseconds;

class Corners {
 public:
  Corners(Random& random, Scenario& out) : random_(random), out_(out) {}

  void build() {
    if (below(6) == 0) one_range_for_two();
    if (below(3) == 0) claim_changes_hands();
    if (below(3) == 0) vip_of_a_full_subnet();
    if (below(2) == 0) age_against_name();
    if (below(3) == 0) subnet_deleted_under_newcomers();
    if (below(3) == 0) vpc_that_changes();
    if (below(4) == 0) burst_that_fills_all();
  }

 private:
  std::uint64_t below(std::uint64_t n) { return (random_() >> 7) % n; }
  Duration within(Duration limit) {
    return Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>(limit.count()) + 1)));
  }
  Duration middle() { return out_.length / 2; }

  void step(Duration at, std::string what, std::function<void(ApiStore&)> act) {
    out_.steps.push_back({at, std::move(what), std::move(act)});
  }
  void create(Duration at, const char* group, const char* plural, const std::string& ns, object body) {
    step(at, fmt::format("create {} {}", plural, boost::json::serialize(body)),
         [=, body = std::move(body)](ApiStore& store) {
           (void)store.create(*store.types().find(group, "v1", plural), ns, body);
         });
  }
  void edit_subnet(Duration at, const std::string& name, object spec) {
    const value body{{"spec", std::move(spec)}};
    step(at, fmt::format("patch subnets {} {}", name, boost::json::serialize(body)), [=](ApiStore& store) {
      (void)store.patch(*store.types().find("kubeovn.io", "v1", "subnets"), "", name, PatchType::merge, body);
    });
  }
  void remove(Duration at, const char* group, const char* plural, const std::string& ns, const std::string& name) {
    step(at, fmt::format("delete {} {}", plural, name),
         [=](ApiStore& store) { (void)store.remove(*store.types().find(group, "v1", plural), ns, name); });
  }

  void tenant(const std::string& name) {
    create({}, "", "namespaces", "", {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}});
  }
  void subnet(Duration at, const std::string& name, const std::string& cidr, array namespaces) {
    create(at, "kubeovn.io", "subnets", "",
           {{"apiVersion", "kubeovn.io/v1"},
            {"kind", "Subnet"},
            {"metadata", {{"name", name}}},
            {"spec", {{"cidrBlock", cidr}, {"namespaces", std::move(namespaces)}}}});
  }
  void pod(Duration at, const std::string& ns, const std::string& name, object annotations = {}) {
    create(at, "", "pods", ns,
           {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", name}, {"namespace", ns}, {"annotations", std::move(annotations)}}},
            {"spec", {{"containers", array{object{{"name", "c"}, {"image", "c"}}}}}}});
  }
  // Created one by one from `first` on, within `spread`.
  void pods(int count, const std::string& ns, const char* prefix, Duration first, Duration spread) {
    for (int i = 0; i < count; ++i) pod(first + within(spread), ns, fmt::format("{}{}", prefix, i));
  }

  // The older of two is moved into the range of the younger, and both go on drawing.
  void one_range_for_two() {
    tenant("range-a");
    tenant("range-b");
    subnet(milliseconds(1), "range-first", "10.71.0.0/24", {"range-a"});
    subnet(milliseconds(1500), "range-second", "10.72.0.0/24", {"range-b"});
    pods(2, "range-b", "early", milliseconds(2000), milliseconds(1500));
    edit_subnet(middle(), "range-first",
                {{"cidrBlock", "10.72.0.0/24"}, {"gateway", "10.72.0.1"}, {"excludeIps", array{}}});
    pods(3, "range-a", "late", middle() + milliseconds(500), milliseconds(2500));
    pods(3, "range-b", "late", middle() + milliseconds(500), milliseconds(2500));
  }

  // Pods are decided for one Subnet and then for the other while their nodes are at work on them.
  void claim_changes_hands() {
    tenant("hands");
    subnet(milliseconds(1), "hands-a", "10.73.0.0/24", {"hands"});
    subnet(milliseconds(1), "hands-b", "10.74.0.0/24", {});
    for (int i = 0; i < 3; ++i) {
      const Duration at = middle() / 2 + std::chrono::seconds(4 * i);
      const bool back = i % 2 == 1;
      edit_subnet(at, back ? "hands-b" : "hands-a", {{"namespaces", array{}}});
      edit_subnet(at + within(milliseconds(50)), back ? "hands-a" : "hands-b", {{"namespaces", array{"hands"}}});
      pods(5, "hands", fmt::format("p{}-", i).c_str(), at - milliseconds(800), milliseconds(900));
    }
  }

  // More pods than addresses, and a Vip whose pod goes and comes back.
  void vip_of_a_full_subnet() {
    tenant("full");
    subnet(milliseconds(1), "full", "10.75.0.0/29", {"full"});
    create(milliseconds(5), "kubeovn.io", "vips", "",
           {{"apiVersion", "kubeovn.io/v1"},
            {"kind", "Vip"},
            {"metadata", {{"name", "full"}}},
            {"spec", {{"subnet", "full"}, {"namespace", "full"}}}});
    pods(7, "full", "p", milliseconds(1000), milliseconds(3000));
    const object named{{"ovn.kubernetes.io/vip", "full"}};
    pod(milliseconds(900), "full", "owner", named);
    for (int i = 0; i < 2; ++i) {
      const Duration at = middle() + std::chrono::seconds(5 * i) + within(milliseconds(500));
      remove(at, "", "pods", "full", "owner");
      pod(at + milliseconds(2500), "full", "owner", named);
    }
  }

  // The oldest is neither the first nor the last by name. Creation times have whole seconds.
  void age_against_name() {
    tenant("age");
    static constexpr const char* kByAge[] = {"age-m", "age-z", "age-a"};
    for (int i = 0; i < 3; ++i)
      subnet(milliseconds(1 + 1100 * i), kByAge[i], fmt::format("10.{}.0.0/24", 76 + i), {"age"});
    pods(4, "age", "p", middle(), milliseconds(3000));
  }

  // Its counters have not heard of the pods yet.
  void subnet_deleted_under_newcomers() {
    tenant("under");
    subnet(milliseconds(1), "under", "10.79.0.0/24", {"under"});
    pods(4, "under", "p", middle(), milliseconds(1200));
    remove(middle() + within(milliseconds(1500)), "kubeovn.io", "subnets", "", "under");
  }

  // A Vpc with a default subnet takes a second namespace in, changes its routes, and is deleted and made again while
  // its Subnet is still there.
  void vpc_that_changes() {
    tenant("vpc-a");
    tenant("vpc-b");
    const auto vpc = [](array namespaces, const char* next_hop) {
      return object{{"apiVersion", "kubeovn.io/v1"},
                    {"kind", "Vpc"},
                    {"metadata", {{"name", "corner"}}},
                    {"spec",
                     {{"namespaces", std::move(namespaces)},
                      {"defaultSubnet", "corner"},
                      {"staticRoutes", array{object{{"cidr", "10.99.0.0/24"}, {"nextHopIP", next_hop}}}}}}};
    };
    create(within(milliseconds(3000)), "kubeovn.io", "vpcs", "", vpc({"vpc-a"}, "10.80.0.9"));
    const Duration subnet_at = within(milliseconds(3000));
    create(subnet_at, "kubeovn.io", "subnets", "",
           {{"apiVersion", "kubeovn.io/v1"},
            {"kind", "Subnet"},
            {"metadata", {{"name", "corner"}}},
            {"spec", {{"cidrBlock", "10.80.0.0/24"}, {"vpc", "corner"}}}});
    pods(2, "vpc-a", "early", milliseconds(10), milliseconds(4000));
    const value edit{{"spec",
                      {{"namespaces", array{"vpc-a", "vpc-b"}},
                       {"staticRoutes", array{object{{"cidr", "10.99.0.0/24"}, {"nextHopIP", "10.80.0.8"}}}}}}};
    step(middle(), "patch vpcs corner " + boost::json::serialize(edit), [=](ApiStore& store) {
      (void)store.patch(*store.types().find("kubeovn.io", "v1", "vpcs"), "", "corner", PatchType::merge, edit);
    });
    pods(2, "vpc-b", "late", middle() - milliseconds(300), milliseconds(1500));
    if (below(2) == 0) return;
    const Duration gone = middle() + milliseconds(2500);
    remove(gone, "kubeovn.io", "vpcs", "", "corner");
    if (below(2) == 0) remove(gone + within(milliseconds(500)), "kubeovn.io", "subnets", "", "corner");
    for (int i = 1; i <= 4; ++i)
      create(gone + milliseconds(700 * i * i), "kubeovn.io", "vpcs", "", vpc({"vpc-a", "vpc-b"}, "10.80.0.7"));
  }

  // Random, static and pooled pods, as many as two Subnets and their pools have addresses; then some more, and as many
  // go. Which of them an address is given to first is open, but in the end each has one.
  void burst_that_fills_all() {
    tenant("burst");
    for (const char* half : {"a", "b"}) {
      const std::string net = fmt::format("10.{}.0", *half == 'a' ? 81 : 82);
      const std::string name = fmt::format("burst-{}", half);
      create(milliseconds(1), "kubeovn.io", "subnets", "",
             {{"apiVersion", "kubeovn.io/v1"},
              {"kind", "Subnet"},
              {"metadata", {{"name", name}}},
              {"spec",
               {{"cidrBlock", net + ".0/28"},
                {"namespaces", array{"burst"}},
                {"excludeIps", array{value(net + ".14")}}}}});
      create(milliseconds(2), "kubeovn.io", "ippools", "",
             {{"apiVersion", "kubeovn.io/v1"},
              {"kind", "IPPool"},
              {"metadata", {{"name", name}}},
              {"spec", {{"subnet", name}, {"ips", array{value(net + ".5.." + net + ".7")}}}}});
    }
    Scenario all;  // the pods of the burst, each to come at once when their pools are there
    Corners of_burst(random_, all);
    of_burst.pods(18, "burst", "random", {}, {});
    for (int i = 0; i < 6; ++i) {
      of_burst.pod({}, "burst", fmt::format("pooled{}", i),
                   {{"ovn.kubernetes.io/ip_pool", i < 3 ? "burst-a" : "burst-b"}});
    }
    of_burst.pod({}, "burst", "static0", {{"ovn.kubernetes.io/ip_address", "10.81.0.14"}});
    of_burst.pod({}, "burst", "static1", {{"ovn.kubernetes.io/ip_address", "10.82.0.14"}});
    Scenario more;
    Corners afterwards(random_, more);
    afterwards.pods(2, "burst", "late", {}, {});
    afterwards.pod({}, "burst", "late-pooled", {{"ovn.kubernetes.io/ip_pool", "burst-b"}});
    afterwards.pod({}, "burst", "late-static", {{"ovn.kubernetes.io/ip_address", "10.82.0.14"}});
    Scenario fewer;
    Corners in_the_end(random_, fewer);
    for (const char* name : {"random3", "random11", "pooled4", "static1"})
      in_the_end.remove({}, "", "pods", "burst", name);

    for (auto* pods : {&all, &more}) {
      for (std::size_t i = pods->steps.size(); i > 1; --i) std::swap(pods->steps[i - 1], pods->steps[below(i)]);
    }
    const auto acts = std::make_shared<std::vector<std::vector<Step>>>(
        std::vector{std::move(all.steps), std::move(more.steps), std::move(fewer.steps)});
    const auto next = std::make_shared<std::size_t>(0);
    for (Duration at = milliseconds(1000); at < out_.length; at += milliseconds(400) + within(milliseconds(900))) {
      const bool too_late = at + milliseconds(3000) > out_.length;  // to begin, since all three acts must be played
      step(at, "the burst goes on, if its pools are there", [=](ApiStore& store) {
        if (*next == acts->size() || (*next == 0 && (too_late || !pools_are_ready(store)))) return;
        for (const Step& s : acts->at((*next)++)) s.act(store);
      });
    }
    for (int i = 0; i < 18; ++i) {
      if (i != 3 && i != 11) out_.must_be_wired.insert(fmt::format("burst/random{}", i));
    }
    for (const char* stays : {"pooled0", "pooled1", "pooled2", "pooled3", "pooled5", "static0", "late0", "late1",
                              "late-pooled", "late-static"})
      out_.must_be_wired.insert(fmt::format("burst/{}", stays));
  }

  static bool pools_are_ready(ApiStore& store) {
    const auto ready = [&](const char* name) {
      const auto pool = store.get(*store.types().find("kubeovn.io", "v1", "ippools"), "", name);
      return pool && std::ranges::any_of(api::parse_conditions(**pool), [](const api::Condition& c) {
               return c.type == "Ready" && c.status == "True";
             });
    };
    return ready("burst-a") && ready("burst-b");
  }

  Random& random_;
  Scenario& out_;
};

}  // namespace

void add_corners(Random& random, Scenario& scenario) { Corners(random, scenario).build(); }

}  // namespace berth::sim
