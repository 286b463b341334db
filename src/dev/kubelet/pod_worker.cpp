#include "dev/kubelet/pod_worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json.h"
#include "api/metadata.h"

namespace berth::dev {

namespace {

using Phase = ContainerState::Phase;

std::vector<ContainerState> states_of(const auto& slots) {
  std::vector<ContainerState> out;
  for (const auto& slot : slots) out.push_back(slot.container->state());
  return out;
}

}  // namespace

std::string pod_namespace_part(const std::string& uid) { return uid.substr(0, 8) + "-"; }

std::string_view to_string(PodWorker::Stage stage) {
  switch (stage) {
    case PodWorker::Stage::sandbox:
      return "sandbox";
    case PodWorker::Stage::init:
      return "init";
    case PodWorker::Stage::running:
      return "running";
    case PodWorker::Stage::stopping:
      return "stopping";
    case PodWorker::Stage::detaching:
      return "detaching";
    case PodWorker::Stage::ended:
      return "ended";
  }
  return "";
}

template <typename Fn>
auto PodWorker::guarded(Fn fn) {
  return [weak = std::weak_ptr<int>(alive_), fn = std::move(fn)](auto&&... args) {
    if (const auto alive = weak.lock()) fn(std::forward<decltype(args)>(args)...);
  };
}

PodWorker::PodWorker(Scheduler& scheduler, Host& host, PodNetwork& network, PodWorkerOptions options,
                     PodWorkerHooks hooks, const boost::json::object& pod)
    : network_(network),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      context_{.scheduler = scheduler,
               .host = host,
               .spec = PodSpec::parse(pod),
               .place = {},
               .netns = {},
               .log_file = {},
               .event = {},
               .changed = {}} {
  context_.place.host_ip = options_.node_address;
  context_.log_file = [this](const std::string& container, int run) {
    return hooks_.log_file(context_.spec, container, run);
  };
  context_.event = hooks_.event;
  context_.changed = [this] {
    if (std::exchange(advancing_, true)) return;
    context_.scheduler.post(guarded([this] { advance(); }));
  };
  started_ = scheduler.wall_now();
  for (const auto& spec : context_.spec.init_containers) {
    init_.push_back({.container = std::make_unique<Container>(context_, spec)});
  }
  for (const auto& spec : context_.spec.containers) {
    containers_.push_back({.container = std::make_unique<Container>(context_, spec)});
    if (!init_.empty()) containers_.back().container->wait("PodInitializing", {});
  }
  sandbox_.ns = context_.spec.ns;
  sandbox_.pod = context_.spec.name;
  sandbox_.uid = context_.spec.uid;
  sandbox_.networks = api::string_at(context_.spec.metadata, {"annotations", "k8s.v1.cni.cncf.io/networks"});
}

PodWorker::~PodWorker() { context_.scheduler.cancel(timer_); }

void PodWorker::set_timer(Duration delay, std::function<void()> fn) {
  context_.scheduler.cancel(timer_);
  timer_ = context_.scheduler.after(delay, [this, fn = std::move(fn)] {
    timer_ = 0;
    fn();
  });
}

void PodWorker::become(Stage stage) {
  stage_ = stage;
  context_.scheduler.cancel(std::exchange(timer_, 0));
  context_.changed();
}

void PodWorker::start() { make_sandbox(); }

void PodWorker::make_sandbox() {
  if (context_.spec.host_network) {
    context_.netns = options_.node_netns;
    context_.place.pod_ips = {options_.node_address};
    attached_ = true;
    return become(Stage::init);
  }
  sandbox_.id = fmt::format("{}-{}", context_.spec.uid, attempts_);
  sandbox_.namespace_ =
      fmt::format("{}{}{}", options_.namespace_prefix, pod_namespace_part(context_.spec.uid), attempts_);
  ++attempts_;
  if (auto made = context_.host.make_namespace(sandbox_.namespace_); !made) return sandbox_failed(made.error());
  sandbox_exists_ = true;
  network_busy_ = true;
  network_.attach(sandbox_, guarded([this](Result<PodAddresses> result) { on_attached(std::move(result)); }));
}

void PodWorker::on_attached(Result<PodAddresses> result) {
  network_busy_ = false;
  if (stage_ != Stage::sandbox) return context_.changed();
  if (!result) return sandbox_failed(result.error());
  attached_ = true;
  sandbox_delay_ = Duration::zero();
  context_.netns = sandbox_.namespace_;
  context_.place.pod_ips = std::move(result->addresses);
  if (!result->network_status.empty()) hooks_.network_status(result->network_status);
  become(Stage::init);
}

Duration PodWorker::next_sandbox_delay() {
  sandbox_delay_ = sandbox_delay_ == Duration::zero() ? options_.timings.sandbox_first
                                                      : std::min(sandbox_delay_ * 2, options_.timings.sandbox_cap);
  return sandbox_delay_;
}

void PodWorker::sandbox_failed(const Error& error) {
  hooks_.event(true, "FailedCreatePodSandBox", fmt::format("Failed to create pod sandbox: {}", error.message));
  if (sandbox_exists_) return discard_sandbox();
  set_timer(next_sandbox_delay(), [this] { make_sandbox(); });
}

void PodWorker::discard_sandbox() {
  network_busy_ = true;
  network_.detach(sandbox_, guarded([this](const Status& detached) {
                    network_busy_ = false;
                    if (stage_ != Stage::sandbox) return context_.changed();
                    const Status removed = detached ? context_.host.remove_namespace(sandbox_.namespace_) : detached;
                    sandbox_exists_ = !removed;
                    if (removed) return set_timer(next_sandbox_delay(), [this] { make_sandbox(); });
                    hooks_.event(true, "FailedKillPodSandBox",
                                 fmt::format("Failed to kill pod sandbox: {}", removed.error().message));
                    set_timer(next_sandbox_delay(), [this] { discard_sandbox(); });
                  }));
}

void PodWorker::advance() {
  advancing_ = false;
  switch (stage_) {
    case Stage::init:
      advance_init();
      break;
    case Stage::running:
      advance_running();
      break;
    case Stage::stopping:
      advance_stopping();
      break;
    case Stage::sandbox:
    case Stage::detaching:
    case Stage::ended:
      break;
  }
  hooks_.status_changed();
}

void PodWorker::advance_init() {
  for (auto& slot : init_) {
    if (keep(slot, Role::init)) return;
    if (slot.container->state().ended->exit_code != 0) return become(Stage::stopping);
  }
  for (auto& slot : containers_) slot.container->wait("ContainerCreating", {});
  become(Stage::running);
}

void PodWorker::advance_running() {
  bool any = false;
  for (auto& slot : containers_) {
    any = keep(slot, Role::main) || any;
    // The next one starts when this one's postStart hook is done.
    if (slot.container->state().phase == Phase::starting) return;
  }
  if (!any) become(Stage::stopping);
}

bool PodWorker::keep(Slot& slot, Role role) {
  Container& container = *slot.container;
  if (slot.restart_pending) {
    if (context_.scheduler.now() < slot.restart_at) return true;
    slot.restart_pending = false;
    container.start();
  } else if (container.state().phase == Phase::waiting && container.state().runs == 0 &&
             container.state().waiting_reason != "CreateContainerConfigError") {
    container.start();
  }
  if (container.state().phase != Phase::terminated) return true;
  if (role == Role::init && container.state().ended->exit_code == 0) return false;
  if (!to_be_restarted(context_.spec.restart_policy, *container.state().ended)) return false;
  plan_restart(slot);
  return true;
}

void PodWorker::plan_restart(Slot& slot) {
  const Termination ended = *slot.container->state().ended;
  if (ended.finished - ended.started > 2 * options_.timings.crash_cap) slot.backoff = Duration::zero();
  const Duration delay = slot.backoff;
  slot.backoff = std::clamp(2 * slot.backoff, options_.timings.crash_first, options_.timings.crash_cap);
  slot.restart_pending = true;
  slot.restart_at = context_.scheduler.now() + delay;
  if (delay > Duration::zero()) {
    const auto& name = slot.container->spec().name;
    slot.container->wait("CrashLoopBackOff", fmt::format("back-off {}s restarting failed container={} pod={}_{}({})",
                                                         std::chrono::floor<std::chrono::seconds>(delay).count(), name,
                                                         context_.spec.name, context_.spec.ns, context_.spec.uid));
    hooks_.event(true, "BackOff",
                 fmt::format("Back-off restarting failed container {} in pod {}", name, context_.spec.name));
  }
  context_.scheduler.after(delay, guarded([this] { context_.changed(); }));
}

void PodWorker::remove(Duration grace) {
  if (stage_ == Stage::ended) return hooks_.ended();
  if (stage_ == Stage::detaching) return;
  if (stage_ != Stage::stopping) {
    if (network_busy_) network_.cancel(sandbox_);
    become(Stage::stopping);
  }
  for (auto* slots : {&init_, &containers_}) {
    for (auto& slot : *slots) slot.container->stop(grace);
  }
}

void PodWorker::advance_stopping() {
  bool alive = false;
  for (auto* slots : {&init_, &containers_}) {
    for (auto& slot : *slots) {
      slot.restart_pending = false;
      if (slot.container->state().alive()) slot.container->stop(context_.spec.grace);
      alive = alive || slot.container->state().alive();
    }
  }
  if (alive || network_busy_) return;
  stage_ = Stage::detaching;
  detach();
}

void PodWorker::detach() {
  if (!sandbox_exists_) return end();
  network_busy_ = true;
  network_.detach(sandbox_, guarded([this](const Status& status) { on_detached(status); }));
}

void PodWorker::on_detached(const Status& status) {
  network_busy_ = false;
  Status removed = status;
  if (removed) removed = context_.host.remove_namespace(sandbox_.namespace_);
  if (removed) {
    sandbox_exists_ = false;
    return end();
  }
  hooks_.event(true, "FailedKillPodSandBox", fmt::format("Failed to kill pod sandbox: {}", removed.error().message));
  set_timer(next_sandbox_delay(), [this] { detach(); });
}

void PodWorker::end() {
  attached_ = false;
  stage_ = Stage::ended;
  hooks_.status_changed();
  hooks_.ended();
}

PodSnapshot PodWorker::snapshot() const {
  return {.spec = &context_.spec,
          .place = context_.place,
          .started = started_,
          .sandbox_ready = attached_,
          .init = states_of(init_),
          .containers = states_of(containers_)};
}

boost::json::object PodWorker::status(const boost::json::array& conditions) const {
  return status_of(snapshot(), conditions, context_.scheduler.wall_now());
}

}  // namespace berth::dev
