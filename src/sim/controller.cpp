#include "sim/controller.h"

namespace berth::sim {

SimController::SimController(Environment environment, std::uint64_t seed, std::uint64_t epoch, world::Settings settings,
                             std::function<void()> on_crash)
    : environment_(environment),
      random_(seed),
      epoch_(epoch),
      on_crash_(std::move(on_crash)),
      transport_(environment.scheduler, environment.store, environment.faults,
                 [this](const std::string& point) { return crash_at(point); }),
      database_(environment.scheduler, environment.ovn,
                {[this](const boost::json::array& operations) { return fate_of(operations); },
                 [this] { return environment_.faults.delay(); }, std::chrono::milliseconds(300)}),
      northbound_(std::make_unique<ovn::Northbound>(environment.scheduler, database_)) {
  engine::Options options;
  options.settings = std::move(settings);
  engine::Hooks hooks;
  hooks.may_write = [this]() -> Status {
    if (holds_lease_) return {};
    return fail(ErrorCode::fenced, "this process does not lead any more");
  };
  hooks.on_fenced = [this](const Error&) { fenced_ = true; };
  engine_ = std::make_unique<engine::Engine>(environment.scheduler, random_, transport_, *northbound_,
                                             std::move(options), std::move(hooks));
  engine_->start(epoch);
}

SimController::~SimController() = default;

bool SimController::crash_at(const std::string& point) {
  if (crashed_) return true;
  if (!environment_.faults.roll("crash " + point, environment_.faults.rates().crash)) return false;
  crashed_ = true;
  on_crash_();
  return true;
}

ovsdb::MemoryDatabase::Fate SimController::fate_of(const boost::json::array&) {
  using Fate = ovsdb::MemoryDatabase::Fate;
  Faults& faults = environment_.faults;
  environment_.committer = epoch_;
  if (crash_at("before OVN commit")) return Fate::drop_before_commit;
  if (crash_at("after OVN commit")) return Fate::drop_after_commit;
  if (faults.roll("OVN commit refused", faults.rates().ovn_refused)) return Fate::refuse;
  if (faults.roll("OVN dropped before commit", faults.rates().ovn_dropped)) return Fate::drop_before_commit;
  if (faults.roll("OVN dropped after commit", faults.rates().ovn_dropped)) return Fate::drop_after_commit;
  return Fate::deliver;
}

}  // namespace berth::sim
