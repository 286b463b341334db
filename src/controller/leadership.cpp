#include "controller/leadership.h"

#include <algorithm>
#include <utility>

namespace berth::controller {
namespace {

kube::Client::Options client_options(const Leadership::Environment& environment, std::uint64_t epoch) {
  kube::Client::Options options;
  options.user_agent = "berth-controller";
  options.before_write = [may_write = environment.may_write, epoch](const api::Request&) { return may_write(epoch); };
  return options;
}

}  // namespace

Result<std::unique_ptr<Leadership>> Leadership::begin(Environment environment, std::uint64_t epoch) {
  ovsdb::ClientOptions options;
  options.remotes = environment.ovn_nb;
  options.database = "OVN_Northbound";
  options.monitored = ovn::monitored_columns();
  auto database = ovsdb::Client::create(environment.scheduler, std::move(options));
  if (!database) return fail(database.error());
  std::unique_ptr<Leadership> leadership(new Leadership(std::move(environment), epoch));
  leadership->start(std::move(*database));
  return leadership;
}

Leadership::Leadership(Environment environment, std::uint64_t epoch)
    : environment_(std::move(environment)),
      epoch_(epoch),
      client_(environment_.scheduler, environment_.api, client_options(environment_, epoch)),
      transport_(client_) {}

Leadership::~Leadership() { *alive_ = false; }

void Leadership::start(std::unique_ptr<ovsdb::Client> database) {
  Scheduler& scheduler = environment_.scheduler;
  kube::EventRecorder::Options events;
  events.instance = environment_.instance;
  recorder_ = std::make_unique<kube::EventRecorder>(client_, scheduler, std::move(events));
  database_ = std::move(database);
  northbound_ = std::make_unique<ovn::Northbound>(scheduler, *database_);

  engine::Options options;
  options.settings = environment_.settings;
  engine::Hooks hooks;
  hooks.on_event = [this](const reconcile::EventNote& note) { record(note); };
  hooks.may_write = [this] { return environment_.may_write(epoch_); };
  hooks.on_fenced = [this](const Error&) { overtaken_by(std::max(epoch_, northbound_->stored_epoch())); };
  hooks.on_running = [this] { on_synced(); };
  engine_ = std::make_unique<engine::Engine>(scheduler, environment_.random, transport_, *northbound_,
                                             std::move(options), std::move(hooks));
  engine_->start(epoch_);
}

void Leadership::record(const reconcile::EventNote& note) {
  recorder_->record({note.kind, note.ns, note.name, note.uid, note.warning, note.reason, note.message, note.topic});
}

// An IP object of a later epoch: the Lease was deleted at some time, and its count began anew.
void Leadership::on_synced() {
  std::uint64_t highest = 0;
  for (const auto& [name, ip] : engine_->world().ips().all()) highest = std::max(highest, ip.epoch);
  if (highest > epoch_) return overtaken_by(highest);
  environment_.on_running();
}

// Later, because this may be called from within the engine.
void Leadership::overtaken_by(std::uint64_t known) {
  if (std::exchange(overtaken_, true)) return;
  environment_.scheduler.post([alive = alive_, on_fenced = environment_.on_fenced, known] {
    if (*alive) on_fenced(known);
  });
}

void Leadership::stop(Duration patience, std::function<void()> done) {
  engine_.reset();
  recorder_.reset();
  auto once = [done = std::make_shared<std::function<void()>>(std::move(done))] {
    if (auto fn = std::exchange(*done, {})) fn();
  };
  environment_.scheduler.after(patience, once);
  transport_.when_idle(std::move(once));
}

}  // namespace berth::controller
