#include "controller/controller.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace berth::controller {
namespace {

using Loss = kube::LeaderElector::Loss;

constexpr Duration kBeat = std::chrono::seconds(1);
constexpr Duration kStalled = std::chrono::seconds(10);   // the Lease is given up
constexpr Duration kHung = std::chrono::seconds(60);      // the process should be restarted
constexpr Duration kDrain = std::chrono::seconds(5);      // for API writes under way when it is stopped
constexpr Duration kShutdown = std::chrono::seconds(20);  // for all of the stopping; kubelet gives 30 s
constexpr Duration kLongestFence = std::chrono::seconds(30);
constexpr Duration kQuietReign = std::chrono::minutes(1);  // a leadership of that length ends a row of fences

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "berth-controller";
  return name;
}

// The pod's name is unique among living processes; the node's name, which a pod in the host's network sees, is not.
std::string identity_of(const Options& options) {
  if (!options.identity.empty()) return options.identity;
  if (const char* pod = std::getenv("POD_NAME"); pod != nullptr && *pod != '\0') return pod;
  std::random_device device;
  return fmt::format("{}_{:08x}", host_name(), device());
}

Random seeded() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device()};
  return Random(seed);
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Controller::Controller(Options options, kube::Config api)
    : options_(std::move(options)),
      api_(std::move(api)),
      identity_(identity_of(options_)),
      random_(seeded()),
      control_random_(seeded()) {}

Controller::~Controller() {
  leading_ = -1;
  webhook_.reset();
  leadership_.reset();
  control_.run([this] {
    elector_.reset();
    control_client_.reset();
  });
}

Status Controller::open() {
  if (auto status = open_webhook(); !status) return fail(status.error().with_context("--webhook-addr"));
  if (!options_.metrics) return {};
  Probes::Sources sources;
  sources.alive = [this] { return alive(); };
  sources.in_contact = [this] { return in_contact_.load(); };
  sources.take_snapshot = [this](std::function<void(Metrics)> done) {
    loop_.post([this, done = std::move(done)] { done(snapshot()); });
  };
  auto probes = Probes::start(*options_.metrics, std::move(sources));
  if (!probes) return fail(probes.error().with_context("--metrics-addr"));
  probes_ = std::move(*probes);
  log::info("metrics and probes are served", {{"port", std::to_string(probes_->port())}});
  return {};
}

Status Controller::open_webhook() {
  if (!options_.webhook) return {};
  Webhook::Sources sources;
  sources.leads = [this] { return leads(); };
  sources.with_world = [this](std::function<void(const world::World*)> fn) {
    loop_.post([this, fn = std::move(fn)] {
      const auto* engine = leadership_ ? leadership_->engine() : nullptr;
      fn(engine != nullptr && engine->running() ? &engine->world() : nullptr);
    });
  };
  Webhook::Settings settings;
  settings.options = *options_.webhook;
  settings.ns = own_namespace();
  auto webhook = Webhook::start(std::move(settings), api_, std::move(sources));
  if (!webhook) return fail(webhook.error());
  webhook_ = std::move(*webhook);
  log::info("the admission webhook is served", {{"port", std::to_string(webhook_->port())}});
  return {};
}

// In a cluster, where the pod is; from outside there is only one place that all know.
std::string Controller::own_namespace() const {
  return options_.kubeconfig.empty() ? api_.ns : kube::LeaderElector::Options().ns;
}

bool Controller::leads() const {
  const std::int64_t epoch = leading_.load();
  return epoch >= 0 && elector_->may_write(epoch, boot_time()).has_value();
}

int Controller::run() {
  loop_.post([this] {
    beat();
    if (!stopping_) control_.loop().post([this] { start_election(); });
  });
  loop_.run();
  leading_ = -1;
  leadership_.reset();
  probes_.reset();
  webhook_.reset();
  return exit_status_;
}

void Controller::request_stop() {
  loop_.post([this] { stop(); });
}

// ---- The control thread

void Controller::start_election() {
  kube::Client::Options connection;
  connection.user_agent = "berth-controller/election";
  connection.timeout = std::chrono::seconds(5);
  control_client_ = std::make_unique<kube::Client>(control_.loop(), api_, std::move(connection));

  kube::LeaderElector::Options options;
  options.ns = own_namespace();
  options.identity = identity_;
  options.elect = options_.leader_elect;
  options.healthy = [this] { return boot_time() - loop_.last_turn() < kStalled; };

  kube::LeaderElector::Callbacks callbacks;
  callbacks.on_started = [this](std::int64_t epoch) {
    in_contact_ = true;
    loop_.post([this, epoch] { begin(static_cast<std::uint64_t>(epoch)); });
  };
  callbacks.on_stopped = [this](Loss why) { on_lease_lost(why); };
  callbacks.on_new_holder = [this](const std::string& holder) {
    in_contact_ = true;
    log::info("another process leads; standing by", {{"leader", holder}});
  };
  callbacks.on_error = [](const Error& error) {
    log::warn("the Lease cannot be had from the API server; waiting for it", {{"error", error.message}});
  };
  elector_ = std::make_unique<kube::LeaderElector>(*control_client_, control_.loop(), control_random_,
                                                   std::move(options), std::move(callbacks));
  elector_->start();
}

// Writes are refused from this moment on, by deadline and epoch, whatever the deciding thread is doing.
void Controller::on_lease_lost(Loss why) {
  const bool for_good = why == Loss::taken_over && !options_.leader_elect;
  loop_.post([this, why, for_good] {
    if (stopping_) return;
    log::warn("leadership has ended", {{"why", std::string(to_string(why))}, {"epoch", std::to_string(last_epoch_)}});
    end();
    if (for_good)
      give_up("another process took the Lease, and --leader-elect is off; run one replica, or switch it on");
  });
}

// ---- The deciding thread

// An idle loop takes no turns; the watchdog must see some.
void Controller::beat() {
  loop_.after(kBeat, [this] { beat(); });
}

Status Controller::alive() const {
  const Duration still = boot_time() - loop_.last_turn();
  if (still < kHung) return {};
  return fail(ErrorCode::internal, fmt::format("the deciding thread has stood still for {:.0f} s", seconds(still)));
}

void Controller::begin(std::uint64_t epoch) {
  if (stopping_) return;
  end();
  log::info("leads", {{"epoch", std::to_string(epoch)}, {"identity", identity_}});
  last_epoch_ = epoch;
  synced_ = false;
  begun_ = loop_.now();
  Leadership::Environment environment{
      .scheduler = loop_,
      .random = random_,
      .api = api_,
      .ovn_nb = options_.ovn_nb,
      .settings = options_.settings,
      .instance = identity_,
      .may_write = [this](std::uint64_t of) { return elector_->may_write(static_cast<std::int64_t>(of), boot_time()); },
      .on_running =
          [this] {
            synced_ = true;
            log::info("in sync with the API server and OVN; deciding", {{"epoch", std::to_string(last_epoch_)}});
          },
      .on_fenced = [this](std::uint64_t known) { on_fenced(known); },
  };
  auto leadership = Leadership::begin(std::move(environment), epoch);
  if (!leadership) return give_up(leadership.error().message);
  leadership_ = std::move(*leadership);
  leading_ = static_cast<std::int64_t>(epoch);
}

void Controller::end() {
  leading_ = -1;
  if (!leadership_) return;
  if (const auto* engine = leadership_->engine()) counted_ = counted_ + engine->world().counters;
  leadership_.reset();
}

// Begins anew above the known epoch. Somebody who does the same with another Lease on the same OVN would make this a
// duel, so it slows down.
void Controller::on_fenced(std::uint64_t known) {
  if (stopping_) return;
  if (loop_.now() - begun_ > kQuietReign) fences_ = 0;
  const Duration pause =
      fences_ == 0 ? Duration::zero()
                   : std::min(kLongestFence, Duration(std::chrono::seconds(1)) * (1 << std::min(fences_ - 1, 5)));
  ++fences_;
  log::warn("a leadership with a higher epoch is known; this one ends",
            {{"epoch", std::to_string(last_epoch_)}, {"known", std::to_string(known)}});
  const bool was_synced = synced_;
  end();
  if (was_synced && !options_.leader_elect) {
    return give_up("another process has taken over, and --leader-elect is off; run one replica, or switch it on");
  }
  loop_.after(pause, [this, known] {
    control_.loop().post([this, known] { elector_->raise_epoch_floor(static_cast<std::int64_t>(known)); });
  });
}

void Controller::give_up(const std::string& why) {
  log::error("cannot go on", {{"why", why}});
  exit_status_ = 1;
  stop();
}

// First the engine ends and its writes are answered, then the Lease is given back: the next leader may begin at once.
void Controller::stop() {
  if (std::exchange(stopping_, true)) return;
  log::info("stopping");
  loop_.after(kShutdown, [this] {
    log::warn("stopping took too long; the Lease may have to expire");
    loop_.stop();
  });
  leading_ = -1;
  if (!leadership_) return release_lease();
  if (const auto* engine = leadership_->engine()) counted_ = counted_ + engine->world().counters;
  leadership_->stop(kDrain, [this] { release_lease(); });
}

void Controller::release_lease() {
  control_.loop().post([this] {
    if (!elector_) return loop_.stop();
    elector_->stop([this] { loop_.stop(); });
  });
}

Metrics Controller::snapshot() const {
  Metrics out;
  out.counters = counted_;
  out.epoch = last_epoch_;
  const auto* engine = leadership_ ? leadership_->engine() : nullptr;
  if (engine == nullptr) return out;
  out.leader = true;
  out.running = engine->running();
  collect(engine->world(), out);
  return out;
}

}  // namespace berth::controller
