#pragma once

// For tests: a store with the built-in controllers on a virtual clock, nodes, and a kubelet that does as it is told.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/manual_scheduler.h"
#include "dev/controllers/controller_manager.h"
#include "dev/controllers/pods.h"
#include "sim/api/object.h"
#include "sim/api_store.h"

namespace berth::dev {

class ClusterTest : public ::testing::Test {
 protected:
  static boost::json::object parse(std::string_view text) { return boost::json::parse(text).as_object(); }

  sim::TypePtr type(std::string_view resource) const { return cluster.type_of(resource); }

  sim::Object create(std::string_view resource, std::string_view text, std::string_view ns = "default") {
    const sim::TypePtr of = type(resource);
    const auto made = store.create(*of, of->namespaced ? ns : "", parse(text));
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : nullptr;
  }
  sim::Object get(std::string_view resource, std::string_view name, std::string_view ns = "default") const {
    const sim::TypePtr of = type(resource);
    return of ? cluster.get(*of, of->namespaced ? ns : "", name) : nullptr;
  }
  void merge(std::string_view resource, std::string_view name, std::string_view text, std::string_view subresource = "",
             std::string_view ns = "default") {
    const sim::TypePtr of = type(resource);
    const auto written =
        store.patch(*of, of->namespaced ? ns : "", name, sim::PatchType::merge, parse(text), subresource);
    EXPECT_TRUE(written) << written.error().message;
  }
  void remove(std::string_view resource, std::string_view name, sim::DeleteOptions options = {},
              std::string_view ns = "default") {
    const sim::TypePtr of = type(resource);
    const auto removed = store.remove(*of, of->namespaced ? ns : "", name, options);
    EXPECT_TRUE(removed) << removed.error().message;
  }

  void add_node(std::string_view name, bool ready = true, std::string_view more = "{}") {
    boost::json::object node = parse(more);
    sim::metadata_of(node)["name"] = name;
    node["status"] = boost::json::object{{"conditions", boost::json::array{boost::json::object{
                                                            {"type", "Ready"}, {"status", ready ? "True" : "False"}}}}};
    EXPECT_TRUE(store.create(*type("nodes"), "", std::move(node)));
  }

  std::vector<sim::Object> list(std::string_view resource, std::string_view ns = "default") const {
    return cluster.list(*type(resource), ns);
  }
  std::vector<std::string> names(std::string_view resource, std::string_view ns = "default") const {
    std::vector<std::string> out;
    for (const sim::Object& o : list(resource, ns)) out.emplace_back(sim::name_of(*o));
    return out;
  }
  std::vector<sim::Object> live_pods(std::string_view ns = "default") const {
    std::vector<sim::Object> out;
    for (const sim::Object& pod : list("pods", ns)) {
      if (is_active(*pod)) out.push_back(pod);
    }
    return out;
  }

  // One thing a kubelet would do, for the first pod by name that needs it: start it, or confirm its end. False if there
  // is none.
  bool kubelet_step() {
    for (const sim::Object& pod : list("pods", "")) {
      if (sim::string_at(*pod, {"spec", "nodeName"}).empty()) continue;
      const std::string name(sim::name_of(*pod));
      const std::string ns(sim::namespace_of(*pod));
      if (sim::is_terminating(*pod)) {
        if (sim::int_at(*pod, {"metadata", "deletionGracePeriodSeconds"}) == 0) continue;  // finalizers hold it
        remove("pods", name, {.grace_period_seconds = 0}, ns);
        return true;
      }
      if (phase_of(*pod) != "Pending" || held_back.contains(name)) continue;
      set_pod(name, "Running", true, ns);
      return true;
    }
    return false;
  }

  void set_pod(std::string_view name, std::string_view phase, bool ready, std::string_view ns = "default") {
    merge(
        "pods", name,
        fmt::format(
            R"({{"status":{{"phase":"{}","conditions":[{{"type":"Ready","status":"{}","lastTransitionTime":"{}"}}]}}}})",
            phase, ready ? "True" : "False", sim::format_time(scheduler.wall_now())),
        "status", ns);
  }

  // Controllers and kubelet by turns until nothing is left to do now. check runs after every step.
  template <typename Check>
  void settle(Check check) {
    for (int step = 0; step < 10'000; ++step) {
      scheduler.run_until_idle();
      check();
      if (!kubelet_step()) return;
      check();
    }
    FAIL() << "does not settle";
  }
  void settle() {
    settle([] {});
  }

  ManualScheduler scheduler;
  Random random{11};
  sim::ApiStore store{[this] { return scheduler.wall_now(); }, random};
  Cluster cluster{store, scheduler};
  ControllerManager manager{store, scheduler, {.root_ca = "PEM"}};
  std::set<std::string> held_back;  // names of pods that do not start
};

}  // namespace berth::dev
