#include "dev/demo/demo.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "base/event_loop.h"
#include "dev/demo/plays.h"
#include "dev/demo/story.h"
#include "dev/demo/table.h"

namespace berth::dev {

using namespace std::chrono_literals;

namespace {

constexpr Duration kFirstPodPatience = 15s;
constexpr Duration kReadyPatience = 30s;     // from the last step of a play to its last pod
constexpr Duration kSabotagePatience = 10s;  // the same where nothing good is expected
constexpr Duration kPingPatience = 15s;
constexpr Duration kGonePatience = 40s;
constexpr Duration kBaselinePatience = 30s;
constexpr std::size_t kMostRepeats = 3;  // of a play that this machine was too slow for
constexpr int kCrashesInAPhase = 3;
constexpr int kChaosPatience = 3;       // so many times the patience, while the controller is killed again and again
constexpr Duration kLookEvery = 250ms;  // the programs that the verifier asks cannot be watched

// Crashes the controller at random moments until it goes out of scope: a few times in each phase of a play, so that it
// comes to do its work in the end, however slowly it starts on this machine.
class Chaos {
 public:
  Chaos(std::function<Status()> crash, Screen& screen) : crash_(std::move(crash)), screen_(screen) {
    if (crash_) thread_ = std::thread([this] { run(); });
  }

  ~Chaos() {
    {
      const std::scoped_lock lock(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  Chaos(const Chaos&) = delete;
  Chaos& operator=(const Chaos&) = delete;

  // A phase begins: sending, deleting.
  void begin_phase() {
    const std::scoped_lock lock(mutex_);
    left_ = kCrashesInAPhase;
    wake_.notify_all();
  }

  [[nodiscard]] std::size_t crashes() const {
    const std::scoped_lock lock(mutex_);
    return crashes_;
  }

 private:
  void run() {
    std::mt19937_64 random(std::random_device{}());
    std::uniform_int_distribution<int> pause_ms(200, 3000);
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return ending_ || left_ > 0; });
      if (wake_.wait_for(lock, std::chrono::milliseconds(pause_ms(random)), [this] { return ending_; })) return;
      --left_;
      lock.unlock();
      const Status crashed = crash_();
      screen_.line(crashed ? "         berth-controller was killed, and started again" : crashed.error().message,
                   crashed ? Screen::Tone::faint : Screen::Tone::bad);
      lock.lock();
      if (crashed) ++crashes_;
    }
  }

  std::function<Status()> crash_;
  Screen& screen_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;      // guarded by mutex_
  std::size_t crashes_ = 0;  // guarded by mutex_
  int left_ = 0;             // of this phase; guarded by mutex_
  std::thread thread_;
};

class Demo {
 public:
  Demo(Stage& stage, const DemoOptions& options, Supervisor& supervisor, Screen& screen, const Objects& chart)
      : stage_(stage),
        options_(options),
        screen_(screen),
        story_(screen, chart, options.stop),
        api_(stage.transport),
        eyes_(api_, supervisor, stage.places) {
    story_.follow(api_);
  }

  Status run(Supervisor& supervisor, const Expectation& expectation, DemoReport& report) {
    ChartOptions chart;
    chart.chart = options_.chart;
    auto sender = options_.helm.empty()
                      ? api_sender(api_, chart)
                      : helm_sender(supervisor, {options_.helm, stage_.kubeconfig, stage_.scratch}, chart);
    if (!sender) return fail(std::move(sender.error()));
    report.sender = (*sender)->describe();
    report.helm = (*sender)->is_helm();

    Result<Inventory> before = settled_inventory();
    if (!before) return fail(std::move(before.error()));

    const std::vector<Play> plays = demo_plays();
    report.plays_meant = plays.size();
    Chaos chaos(stage_.crash_controller, screen_);
    chaos_ = &chaos;
    for (const Play& play : plays) {
      const bool last = &play == &plays.back();
      screen_.line("");
      screen_.line(fmt::format("Play {} of {}: {}", report.plays.size() + 1, plays.size(), play.title),
                   Screen::Tone::title);
      report.plays.push_back(run_play_in_time(play, **sender, expectation, *before, last && options_.keep));
      report.controller_kills = chaos.crashes();
      if (options_.stop.stop_requested()) return fail(ErrorCode::unavailable, "interrupted");
      if (!report.plays.back().holds()) break;
    }
    return {};
  }

 private:
  PlayReport run_play_in_time(const Play& play, Sender& sender, const Expectation& expectation, const Inventory& before,
                              bool keep) {
    for (std::size_t repeats = 0;; ++repeats) {
      PlayReport report = run_play(play, sender, expectation, before, keep);
      report.repeats = repeats;
      if (!report.late || repeats == kMostRepeats || !report.gone.holds()) return report;
      screen_.line("this machine was too slow for the play to mean anything: it is played again", Screen::Tone::faint);
    }
  }

  PlayReport run_play(const Play& play, Sender& sender, const Expectation& expectation, const Inventory& before,
                      bool keep) {
    PlayReport report;
    report.title = play.title;
    story_.begin();
    if (Status sent = send(play, sender, report); !sent) {
      report.error = sent.error().message;
    } else if (!report.late) {
      const Duration patience = options_.sabotage ? kSabotagePatience : patiently(kReadyPatience);
      if (!story_.await_all_ready(expectation, story_.elapsed() + patience)) {
        story_.say(fmt::format("not all pods are ready, {} after the last step", format_duration(patience)));
      }
      verify(expectation, report);
    }
    if (options_.stop.stop_requested()) return report;
    if (keep && !report.late) {
      report.gone.checks.push_back({"left behind", "the tenant stays, as asked", true, ""});
    } else {
      tear_down(sender, before, report);
    }
    report.took = story_.elapsed();
    for (const std::string& line : summary_of(report)) {
      screen_.line(line, report.holds() ? Screen::Tone::good : Screen::Tone::bad);
    }
    return report;
  }

  Status send(const Play& play, Sender& sender, PlayReport& report) {
    Duration takes{0};  // from telling the sender to the first object's arrival
    for (const Step& step : play.steps) {
      const bool first = &step == &play.steps.front();
      if (!first) story_.await_time(story_.first_pod() + step.after - std::min(takes, step.after));
      if (options_.stop.stop_requested()) return fail(ErrorCode::unavailable, "interrupted");
      story_.say(fmt::format("{} {}: {}", sender.describe(), first ? "installs" : "upgrades", step.says));
      chaos_->begin_phase();
      Status sent = first ? sender.install(step.release) : sender.upgrade(step.release);
      if (!sent) return fail(sent.error().with_context(step.says));
      if (first && !story_.await_first_pod(story_.elapsed() + kFirstPodPatience)) {
        return fail(ErrorCode::timeout, "the chart was sent, but no pod appeared");
      }
      if (first) takes = story_.first_pod();
      const Duration arrived = story_.elapsed() - story_.first_pod();
      if (step.latest > Duration{0} && arrived > step.latest) {
        story_.say(fmt::format("{} {} after the pods instead of {}", step.says, format_duration(arrived),
                               format_duration(step.after)));
        report.late = true;
        return {};
      }
    }
    return {};
  }

  void verify(const Expectation& expectation, PlayReport& report) {
    const Result<Observation> seen = eyes_.look(expectation, options_.sabotage ? 0s : kPingPatience);
    if (!seen) {
      report.error = seen.error().message;
      return;
    }
    report.up = judge(expectation, *seen);
    report.rows = rows_of(expectation, *seen, story_.pods());
    screen_.line("");
    for (const std::string& line : table_of(report.rows)) screen_.line(line);
    screen_.line("");
  }

  void tear_down(Sender& sender, const Inventory& before, PlayReport& report) {
    story_.say("deletes everything at once");
    chaos_->begin_phase();
    if (Status removed = sender.uninstall(); !removed) {
      report.error = removed.error().with_context("uninstall").message;
      return;
    }
    const Duration until = story_.elapsed() + patiently(kGonePatience);
    while (true) {
      const Result<Inventory> now = eyes_.inventory();
      if (now) report.gone = judge_gone(before, *now);
      if (report.gone.holds()) {
        story_.say("nothing is left");
        return;
      }
      if (options_.stop.stop_requested()) return;
      if (story_.elapsed() >= until) {
        if (!now) report.error = now.error().message;
        return;
      }
      story_.await_time(story_.elapsed() + kLookEvery);
    }
  }

  [[nodiscard]] Duration patiently(Duration patience) const {
    return stage_.crash_controller ? patience * kChaosPatience : patience;
  }

  // The cluster's own things, once they have come to rest: two looks in a row that see the same.
  Result<Inventory> settled_inventory() {
    const Duration until = story_.elapsed() + kBaselinePatience;
    Result<Inventory> last = eyes_.inventory();
    while (true) {
      story_.await_time(story_.elapsed() + 2 * kLookEvery);
      Result<Inventory> now = eyes_.inventory();
      if (last && now && *last == *now) return now;
      if (options_.stop.stop_requested()) return fail(ErrorCode::unavailable, "interrupted");
      if (story_.elapsed() >= until) {
        if (!now) return now;
        return fail(ErrorCode::timeout, "the cluster does not come to rest");
      }
      last = std::move(now);
    }
  }

  Stage& stage_;
  const DemoOptions& options_;
  Screen& screen_;
  Story story_;
  Api api_;
  Eyes eyes_;
  Chaos* chaos_ = nullptr;  // while plays are played
};

}  // namespace

DemoReport run_demo(Stage stage, const DemoOptions& options, Supervisor& supervisor, Screen& screen) {
  const TimePoint began = boot_time();
  DemoReport report;
  report.datapath = stage.places.datapath;
  report.sabotage = options.sabotage;

  const auto finish = [&](Status done) {
    if (!done) report.error = done.error().message;
    report.took = boot_time() - began;
    return report;
  };
  const Result<Objects> chart = rendered_objects(options.chart, Release{});
  if (!chart) return finish(fail(chart.error()));
  const Result<Expectation> expectation = expectation_of(*chart);
  if (!expectation) return finish(fail(expectation.error()));
  Demo demo(stage, options, supervisor, screen, *chart);
  return finish(demo.run(supervisor, *expectation, report));
}

}  // namespace berth::dev
