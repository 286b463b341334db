#pragma once

// Follows the tenant through the API while a play runs: feeds the timeline, shows it, and lets the play wait.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

#include "base/scheduler.h"
#include "dev/demo/api.h"
#include "dev/demo/expectation.h"
#include "dev/demo/helm_order.h"
#include "dev/demo/observation.h"
#include "dev/demo/screen.h"
#include "dev/demo/timeline.h"

namespace berth::dev {

// One thread plays; the Api's thread brings the news.
class Story {
 public:
  // Only what belongs to the chart is of interest: its Namespaces, and its Subnets and Vpcs by name. The screen must
  // outlive this. Once `stop` is requested nothing is awaited any more.
  Story(Screen& screen, const Objects& chart, std::stop_token stop);

  // This must outlive the Api.
  void follow(Api& api);

  // A play begins now: earlier ones are forgotten.
  void begin();

  // Since begin().
  [[nodiscard]] Duration elapsed() const;

  // A line of the play's own, with its time.
  void say(const std::string& text);

  // Each waits until it is so, at most until elapsed() is `until`; false if time is up. Keeps the live part up to date.
  bool await_first_pod(Duration until);  // and then elapsed() when it came is first_pod()
  bool await_all_ready(const Expectation& expectation, Duration until);
  void await_time(Duration until);

  [[nodiscard]] Duration first_pod() const;

  // Of all pods of the play, by UID, those also that are gone.
  [[nodiscard]] std::map<std::string, PodStory> pods() const;

 private:
  using Lines = Timeline::Lines;

  void on_pod(const boost::json::object& object, bool deleted);
  void on_network(api::Kind kind, const boost::json::object& object, bool deleted);
  void on_event(const boost::json::object& object, bool deleted);
  void tell(const Lines& lines);
  bool await(const std::function<bool()>& condition, Duration until);

  Screen& screen_;
  std::stop_token stop_;
  std::set<std::string> namespaces_;
  std::set<std::string> networks_;  // "Subnet x", "Vpc y"

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  TimePoint began_;  // the rest is guarded by mutex_
  Timeline timeline_;
  std::optional<Duration> first_pod_;
  std::map<std::string, SeenPod> seen_;      // by UID; those that are there
  std::map<std::string, PodStory> stories_;  // by UID
  std::set<std::string> told_events_;        // UID and resourceVersion
};

}  // namespace berth::dev
