#include "engine/engine.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "api/json.h"
#include "base/log.h"
#include "reconcile/audit.h"
#include "reconcile/sweep.h"

namespace berth::engine {
namespace {

// What the engine keeps a copy of. Attachment networks may be of a kind that the cluster does not have: not waited for.
constexpr std::array kWatched{api::Kind::namespace_, api::Kind::vpc,
                              api::Kind::subnet,     api::Kind::ip_pool,
                              api::Kind::vip,        api::Kind::ip,
                              api::Kind::node,       api::Kind::stateful_set,
                              api::Kind::pod,        api::Kind::network_attachment_definition};
constexpr api::Kind kOptional = api::Kind::network_attachment_definition;

constexpr Duration kFirstRetry = std::chrono::milliseconds(50);
constexpr Duration kLongestRetry = std::chrono::seconds(10);

// More successful steps in a row than any object needs.
constexpr int kMostStepsAtOnce = 50;
constexpr Duration kRestlessPause = std::chrono::seconds(1);

std::uint64_t number(std::string_view text) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

bool outcome_unknown(const Error& error) {
  return error.code == ErrorCode::unavailable || error.code == ErrorCode::timeout || error.code == ErrorCode::internal;
}

std::string name_of(const api::Request& request) {
  if (!request.name.empty() || !request.body.is_object()) return request.name;
  return api::string_at(request.body.get_object(), {"metadata", "name"});
}

}  // namespace

// One round of consistent lists: Subnets, Vpcs, IPPools and the Namespaces that were asked for when it began.
struct FreshRead {
  std::uint64_t begun = 0;
  std::set<std::string> namespaces;
  std::size_t outstanding = 0;
  bool failed = false;
};

Engine::Engine(Scheduler& scheduler, Random& random, kube::Transport& transport, ovn::Northbound& northbound,
               Options options, Hooks hooks)
    : scheduler_(scheduler),
      random_(random),
      transport_(transport),
      northbound_(northbound),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      world_(options_.settings) {}

Engine::~Engine() {
  *alive_ = false;
  for (const auto& [key, timer] : wake_timers_) scheduler_.cancel(timer.second);
  scheduler_.cancel(read_timer_);
}

template <typename F>
auto Engine::guarded(F fn) {
  return [this, alive = alive_, fn = std::move(fn)](auto&&... args) mutable {
    if (!*alive) return;
    enter();
    fn(std::forward<decltype(args)>(args)...);
  };
}

void Engine::enter() { world_.set_time(scheduler_.now(), scheduler_.wall_now()); }

void Engine::start(std::uint64_t epoch) {
  enter();
  epoch_ = epoch;
  world_.set_epoch(epoch);
  unsynced_.insert(kWatched.begin(), kWatched.end());
  unsynced_.erase(kOptional);
  connect_ovn();
  scheduler_.after(options_.sweep_interval, guarded([this] { sweep(); }));
}

bool Engine::quiet() const {
  return running_ && !world_.has_dirty() && in_flight_.empty() && !read_in_flight_ && read_wanted_.empty();
}

// ---- Getting in sync

void Engine::connect_ovn() {
  ovn::Northbound::Observer observer;
  observer.on_synced = guarded([this] { on_ovn_synced(); });
  observer.on_lost = guarded([this](const Error& error) {
    log::warn("OVN northbound database is not reachable; waiting for it", {{"error", error.message}});
    ovn_ = Ovn::connecting;
    running_ = false;  // until it is synced again: Northbound then reports what has changed meanwhile
  });
  observer.on_router = guarded([this](const std::string& name, std::optional<world::LogicalRouter> router) {
    world_.observe_router(name, std::move(router));
    schedule_turn();
  });
  observer.on_switch = guarded([this](const std::string& name, std::optional<world::LogicalSwitch> logical_switch) {
    world_.observe_switch(name, std::move(logical_switch));
    schedule_turn();
  });
  observer.on_port = guarded([this](const std::string& name, std::optional<world::LogicalPort> port) {
    world_.observe_port(name, std::move(port));
    schedule_turn();
  });
  observer.on_address_set = guarded([this](const std::string& name, std::optional<world::AddressSet> address_set) {
    world_.observe_address_set(name, std::move(address_set));
    schedule_turn();
  });
  northbound_.start(std::move(observer));
}

void Engine::on_ovn_synced() {
  if (!options_.settings.safeguards.write_epoch) {
    ovn_ = Ovn::ready;
    watch_everything();
    run_if_ready();
    return;
  }
  ovn_ = Ovn::fencing;
  northbound_.raise_epoch(epoch_, guarded([this](Status status) {
                            if (!status && status.error().code == ErrorCode::fenced) {
                              fenced_ = true;
                              running_ = false;
                              if (hooks_.on_fenced) hooks_.on_fenced(status.error());
                              return;
                            }
                            if (!status) {
                              log::warn("cannot write the epoch to OVN; trying again",
                                        {{"error", status.error().message}});
                              if (ovn_ == Ovn::fencing) {
                                scheduler_.after(kFirstRetry * 10, guarded([this] {
                                                   if (ovn_ == Ovn::fencing) on_ovn_synced();
                                                 }));
                              }
                              return;
                            }
                            ovn_ = Ovn::ready;
                            watch_everything();
                            run_if_ready();
                          }));
}

// Only after the epoch is raised: what is listed then contains every write of the leader before.
void Engine::watch_everything() {
  if (!reflectors_.empty()) return;
  for (const api::Kind kind : kWatched) {
    kube::Reflector::Options options;
    options.kind = kind;
    kube::Reflector::Sink sink;
    sink.on_event = guarded([this, kind](kube::ReflectorEvent event) { on_kube(kind, std::move(event)); });
    sink.on_error = guarded([kind](const Error& error) {
      const auto level = kind == kOptional ? log::Level::debug : log::Level::warn;
      log::write(level, "cannot list or watch; trying again",
                 {{"kind", std::string(api::resource_of(kind).name)}, {"error", error.message}});
    });
    sink.on_recovered = guarded(
        [kind] { log::info("listing and watching again", {{"kind", std::string(api::resource_of(kind).name)}}); });
    reflectors_.push_back(
        std::make_unique<kube::Reflector>(transport_, scheduler_, random_, std::move(options), std::move(sink)));
    reflectors_.back()->start();
  }
}

void Engine::on_kube(api::Kind kind, kube::ReflectorEvent event) {
  if (auto* replace = std::get_if<kube::Replace>(&event)) {
    world_.replace(kind, replace->items, number(replace->resource_version));
    unsynced_.erase(kind);
    run_if_ready();
  } else if (auto* upsert = std::get_if<kube::Upsert>(&event)) {
    if (upsert->object.is_object()) world_.upsert(kind, upsert->object.get_object());
  } else if (auto* gone = std::get_if<kube::Delete>(&event)) {
    if (gone->object.is_object()) world_.remove(kind, gone->object.get_object());
  }
  schedule_turn();
}

void Engine::run_if_ready() {
  if (running_ || fenced_ || ovn_ != Ovn::ready || !unsynced_.empty()) return;
  running_ = true;
  world_.mark_all_dirty();
  schedule_turn();
  if (hooks_.on_running) hooks_.on_running();
}

// ---- Turns

void Engine::schedule_turn() {
  if (turn_scheduled_ || !running_ || !world_.has_dirty()) return;
  turn_scheduled_ = true;
  scheduler_.post(guarded([this] { run_turn(); }));
}

void Engine::run_turn() {
  turn_scheduled_ = false;
  for (std::size_t i = 0; i < options_.keys_per_turn && running_; ++i) {
    const auto key = world_.take_dirty();
    if (!key) break;
    if (in_flight_.contains(*key)) {
      again_.insert(*key);
      continue;
    }
    carry_out(*key, reconcile::reconcile(world_, *key, random_));
  }
  audit();
  schedule_turn();
}

void Engine::carry_out(const world::Key& key, reconcile::Plan plan) {
  if (hooks_.on_event) {
    for (const reconcile::EventNote& note : plan.events) hooks_.on_event(note);
  }
  if (plan.wake_at) wake_at(key, *plan.wake_at);
  if (plan.fresh_read) {
    read_wanted_.insert(*plan.fresh_read);
    start_fresh_read();
  }
  if (!plan.acts()) {
    failures_.erase(key);
    restless_.erase(key);
    return;
  }
  if (plan.ovn.empty() && plan.writes.empty()) {
    in_flight_.emplace(key, InFlight{});
    prove_pod(key, *plan.prove_pod, plan.prove_uid);
    return;
  }
  auto changes = std::move(plan.ovn);
  in_flight_.emplace(key, InFlight{std::move(plan), 0});
  if (changes.empty()) return send_next_write(key);
  northbound_.commit(std::move(changes), guarded([this, key](Status status) {
                       if (status) return send_next_write(key);
                       if (status.error().code == ErrorCode::fenced && !fenced_) {
                         fenced_ = true;
                         running_ = false;
                         if (hooks_.on_fenced) hooks_.on_fenced(status.error());
                       }
                       finish(key, &status.error());
                     }));
}

void Engine::send_next_write(const world::Key& key) {
  InFlight& flight = in_flight_.at(key);
  if (flight.next_write == flight.plan.writes.size()) return finish(key, nullptr);
  if (hooks_.may_write) {
    if (const Status allowed = hooks_.may_write(); !allowed) return finish(key, &allowed.error());
  }
  const api::Request request = flight.plan.writes[flight.next_write++];
  transport_.send(request, guarded([this, key, request](Result<boost::json::value> reply) {
                    on_written(key, request, std::move(reply));
                  }));
}

void Engine::on_written(const world::Key& key, const api::Request& request, Result<boost::json::value> reply) {
  if (reply) {
    learn(request, *reply);
    return send_next_write(key);
  }
  const Error& error = reply.error();
  const bool outdated = error.code == ErrorCode::conflict || error.code == ErrorCode::already_exists;
  if (outdated || outcome_unknown(error)) {
    if (!outdated)
      log::warn("an API write has no known outcome; reading", {{"key", to_string(key)}, {"error", error.message}});
    return clear_up(key, request);
  }
  finish(key, &error);
}

// Our own writes are known at once, not when the watch brings them.
void Engine::learn(const api::Request& request, const boost::json::value& reply) {
  if (!reply.is_object()) return;
  const api::JsonObject& object = reply.get_object();
  if (api::string_at(object, {"kind"}) == "Status") return;
  const api::ObjectMeta meta = api::ObjectMeta::parse(object);
  const bool removed = meta.deleting && meta.finalizers.empty() && request.kind != api::Kind::pod;
  if (removed) {
    world_.remove(request.kind, object);
  } else {
    world_.upsert(request.kind, object);
  }
}

void Engine::clear_up(const world::Key& key, const api::Request& request) {
  api::Request get{api::Verb::get, request.kind, request.ns, name_of(request), "", {}, "", ""};
  transport_.send(get, guarded([this, key, request, get](Result<boost::json::value> reply) {
                    if (reply) {
                      learn(get, *reply);
                      const Error conflict{ErrorCode::conflict, "the object had changed"};
                      return finish(key, &conflict);
                    }
                    if (outcome_unknown(reply.error())) {
                      scheduler_.after(kFirstRetry * 10, guarded([this, key, request] { clear_up(key, request); }));
                      return;
                    }
                    finish(key, &reply.error());
                  }));
}

void Engine::finish(const world::Key& key, const Error* failure) {
  in_flight_.erase(key);
  again_.erase(key);
  if (failure == nullptr) {
    failures_.erase(key);
    if (++restless_[key] > kMostStepsAtOnce) {
      // Something undoes, or does not show, what was done: go on, but slowly.
      if (restless_[key] == kMostStepsAtOnce + 1)
        log::warn("an object does not come to rest", {{"key", to_string(key)}});
      return wake_at(key, scheduler_.now() + kRestlessPause);
    }
    world_.mark_dirty(key);
    schedule_turn();
    return;
  }
  retry_later(key, *failure);
}

void Engine::retry_later(const world::Key& key, const Error& failure) {
  const int tries = failures_[key]++;
  const bool expected =
      failure.code == ErrorCode::conflict || failure.code == ErrorCode::not_found || failure.code == ErrorCode::fenced;
  log::write(expected ? log::Level::debug : log::Level::warn, "a step failed; trying again",
             {{"key", to_string(key)}, {"error", failure.message}});
  Duration delay = std::min(kLongestRetry, kFirstRetry * (1 << std::min(tries, 10)));
  delay += Duration(static_cast<Duration::rep>(random_() % static_cast<std::uint64_t>(delay.count() / 4 + 1)));
  wake_at(key, scheduler_.now() + delay);
}

void Engine::wake_at(const world::Key& key, TimePoint when) {
  if (const auto it = wake_timers_.find(key); it != wake_timers_.end()) {
    if (it->second.first <= when) return;
    scheduler_.cancel(it->second.second);
    wake_timers_.erase(it);
  }
  const Duration delay = std::max(Duration::zero(), when - scheduler_.now());
  const auto timer = scheduler_.after(delay, guarded([this, key] {
                                        wake_timers_.erase(key);
                                        world_.mark_dirty(key);
                                        schedule_turn();
                                      }));
  wake_timers_.emplace(key, std::pair(when, timer));
}

void Engine::prove_pod(const world::Key& key, const std::string& pod, const std::string& uid) {
  const auto slash = pod.find('/');
  api::Request get{api::Verb::get, api::Kind::pod, pod.substr(0, slash), pod.substr(slash + 1), "", {}, "", ""};
  transport_.send(get, guarded([this, key, pod, uid](Result<boost::json::value> reply) {
                    if (reply && reply->is_object()) {
                      const api::ObjectMeta meta = api::ObjectMeta::parse(reply->get_object());
                      world_.affirm_pod(reply->get_object());
                      if (meta.uid != uid) world_.prove_gone(pod, uid);
                      return finish(key, nullptr);
                    }
                    if (reply.error().code == ErrorCode::not_found) {
                      world_.prove_gone(pod, uid);
                      return finish(key, nullptr);
                    }
                    finish(key, &reply.error());
                  }));
}

// ---- Consistent reads

void Engine::start_fresh_read() {
  if (read_in_flight_ || read_timer_ != 0 || read_wanted_.empty()) return;
  const TimePoint now = scheduler_.now();
  const Duration wait = last_read_ ? *last_read_ + options_.fresh_read_interval - now : Duration::zero();
  read_timer_ = scheduler_.after(std::max(Duration::zero(), wait), guarded([this] {
                                   read_timer_ = 0;
                                   send_fresh_read();
                                 }));
}

void Engine::send_fresh_read() {
  auto read = std::make_shared<FreshRead>();
  read->begun = world_.begin_read();
  read->namespaces = std::exchange(read_wanted_, {});
  read->outstanding = 3 + read->namespaces.size();
  read_in_flight_ = true;
  last_read_ = scheduler_.now();
  for (const api::Kind kind : {api::Kind::subnet, api::Kind::vpc, api::Kind::ip_pool}) {
    transport_.send({api::Verb::list, kind, "", "", "", {}, "", ""},
                    guarded([this, read, kind](Result<boost::json::value> reply) {
                      on_fresh_part(read, kind, "", std::move(reply));
                    }));
  }
  for (const std::string& ns : read->namespaces) {
    transport_.send({api::Verb::list, api::Kind::namespace_, "", "", "", {}, "", "metadata.name=" + ns},
                    guarded([this, read, ns](Result<boost::json::value> reply) {
                      on_fresh_part(read, api::Kind::namespace_, ns, std::move(reply));
                    }));
  }
}

void Engine::on_fresh_part(const std::shared_ptr<FreshRead>& read, api::Kind kind, const std::string& ns,
                           Result<boost::json::value> reply) {
  const api::JsonArray* items = reply && reply->is_object() ? api::find_array(reply->get_object(), {"items"}) : nullptr;
  if (items == nullptr) {
    read->failed = true;
  } else {
    const std::uint64_t version = number(api::string_at(reply->get_object(), {"metadata", "resourceVersion"}));
    if (kind == api::Kind::namespace_) {
      world_.replace_namespace(ns, *items, version);
    } else {
      world_.replace(kind, *items, version);
    }
  }
  if (--read->outstanding > 0) return schedule_turn();
  read_in_flight_ = false;
  if (read->failed) {
    read_wanted_.insert(read->namespaces.begin(), read->namespaces.end());
    last_read_ = scheduler_.now();
  } else {
    world_.end_read(read->begun, read->namespaces);
  }
  start_fresh_read();
  schedule_turn();
}

// ---- Looking after it

void Engine::audit() {
  for (const std::string& port : world_.take_to_audit()) {
    const auto finding = reconcile::audit(world_, port);
    if (!finding) continue;
    ++world_.counters.wrong_subnet_delivered;
    log::error("an address was delivered that should not have been", {{"finding", *finding}});
    const api::Ip* ip = world_.ips().find(port);
    if (hooks_.on_event && ip != nullptr)
      hooks_.on_event({api::Kind::pod, ip->pod_ns, ip->pod_name, ip->pod_uid, true, "WrongSubnetDelivered", *finding});
  }
}

void Engine::sweep() {
  scheduler_.after(options_.sweep_interval, guarded([this] { sweep(); }));
  if (!quiet()) return;
  std::vector<std::string> missed;
  for (const auto& [pod_key, waiting] : world_.waiting().all()) {
    if (reconcile::could_bind(world_, pod_key)) {
      missed.push_back(pod_key);
      continue;
    }
    const api::Pod* pod = world_.pods().find(pod_key);
    if (pod == nullptr || !hooks_.on_event) continue;
    hooks_.on_event(
        {api::Kind::pod, pod->meta.ns, pod->meta.name, pod->meta.uid, false, "WaitingForSubnet",
         "waiting for " + waiting.for_what + " (" + api::format_duration(world_.now() - waiting.since) + " so far)",
         waiting.for_what});
  }
  for (const std::string& pod_key : missed) {
    ++world_.counters.missed_wakeups;
    const world::Waiting* waiting = world_.waiting().find(pod_key);
    log::error("a waiting pod was not woken by what it waited for",
               {{"pod", pod_key}, {"waited_for", waiting == nullptr ? "" : waiting->for_what}});
    world_.mark_dirty({world::KeyKind::pod, pod_key});
  }
  schedule_turn();
}

}  // namespace berth::engine
