#include "dev/cluster/kept_process.h"

#include <signal.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace berth::dev {

namespace {

// A program that lived this long was well: the next restart is at once again.
constexpr Duration kHealthy = std::chrono::seconds(10);
constexpr Duration kFirstDelay = std::chrono::milliseconds(200);
constexpr Duration kMostDelay = std::chrono::seconds(5);
constexpr std::chrono::seconds kRestartsWithin{15};

}  // namespace

struct KeptProcess::State {
  State(Scheduler& s, Supervisor& v, ProcessSpec p) : scheduler(s), supervisor(v), spec(std::move(p)) {}

  Scheduler& scheduler;
  Supervisor& supervisor;
  const ProcessSpec spec;
  std::mutex mutex;
  std::condition_variable started;
  Supervisor::Id id = 0;  // guarded by mutex, as the rest
  int starts = 0;
  bool stopped = false;
  TimePoint since{};
  Duration delay = kFirstDelay;
};

KeptProcess::KeptProcess(Scheduler& scheduler, Supervisor& supervisor, ProcessSpec spec)
    : state_(std::make_shared<State>(scheduler, supervisor, std::move(spec))) {}

KeptProcess::~KeptProcess() { stop(Duration::zero()); }

Status KeptProcess::launch(const std::shared_ptr<State>& state) {
  const std::lock_guard lock(state->mutex);
  if (state->stopped) return {};
  state->since = state->scheduler.now();
  auto id = state->supervisor.start(state->spec, [state](const ProcessEnd& end) {
    state->scheduler.post([state, end] {
      Duration delay{};
      {
        const std::lock_guard guard(state->mutex);
        if (state->stopped) return;
        if (state->scheduler.now() - state->since > kHealthy) state->delay = kFirstDelay;
        delay = state->delay;
        state->delay = std::min(2 * state->delay, kMostDelay);
      }
      log::warn("a program ended and is started again",
                {{"program", state->spec.name}, {"how", end.describe()}, {"log", state->spec.log_file}});
      state->scheduler.after(delay, [state] {
        if (auto again = launch(state); !again) {
          log::error("cannot start a program again", {{"program", state->spec.name}, {"error", again.error().message}});
        }
      });
    });
  });
  if (!id) return fail(id.error());
  state->id = *id;
  ++state->starts;
  state->started.notify_all();
  return {};
}

Status KeptProcess::start() { return launch(state_); }

Status KeptProcess::crash() {
  std::unique_lock lock(state_->mutex);
  const int before = state_->starts;
  state_->supervisor.signal(state_->id, SIGKILL);
  if (state_->started.wait_for(lock, kRestartsWithin, [&] { return state_->starts > before; })) return {};
  return fail(ErrorCode::timeout, state_->spec.name + " is not started again");
}

void KeptProcess::stop(Duration grace) {
  Supervisor::Id id = 0;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    id = state_->id;
  }
  if (id != 0) state_->supervisor.stop_and_wait({id}, grace);
}

Supervisor::Id KeptProcess::id() const {
  const std::lock_guard lock(state_->mutex);
  return state_->id;
}

int KeptProcess::starts() const {
  const std::lock_guard lock(state_->mutex);
  return state_->starts;
}

}  // namespace berth::dev
