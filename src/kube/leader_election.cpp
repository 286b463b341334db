#include "kube/leader_election.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include <boost/json/object.hpp>

#include "api/json.h"
#include "api/metadata.h"
#include "kube/backoff.h"

namespace berth::kube {

// What of a Lease decides. A Lease that another program damaged reads as free rather than as held for ever.
struct LeaderElector::Lease {
  std::string holder;
  std::int64_t transitions = 0;
  Duration duration{};

  static Lease parse(const boost::json::value& value, Duration otherwise) {
    Lease lease;
    lease.duration = otherwise;
    const auto* top = value.if_object();
    if (top == nullptr) return lease;
    lease.holder = api::string_at(*top, {"spec", "holderIdentity"});
    lease.transitions = std::max<std::int64_t>(api::int_at(*top, {"spec", "leaseTransitions"}), 0);
    const auto seconds = api::int_at(*top, {"spec", "leaseDurationSeconds"});
    if (seconds > 0 && seconds <= 24 * 3600) lease.duration = std::chrono::seconds(seconds);
    return lease;
  }
};

std::string_view to_string(LeaderElector::State state) {
  switch (state) {
    case LeaderElector::State::idle:
      return "idle";
    case LeaderElector::State::reading:
      return "reading";
    case LeaderElector::State::taking:
      return "taking";
    case LeaderElector::State::waiting:
      return "waiting";
    case LeaderElector::State::leading:
      return "leading";
    case LeaderElector::State::releasing:
      return "releasing";
  }
  return "unknown";
}

std::string_view to_string(LeaderElector::Loss loss) {
  switch (loss) {
    case LeaderElector::Loss::released:
      return "released";
    case LeaderElector::Loss::renewal_failed:
      return "the lease could not be renewed in time";
    case LeaderElector::Loss::taken_over:
      return "another process took the lease";
    case LeaderElector::Loss::unhealthy:
      return "this process is unhealthy";
    case LeaderElector::Loss::epoch_overtaken:
      return "a higher epoch was found";
  }
  return "unknown";
}

Status LeaderElector::check(const Options& options) {
  const auto seconds = [](Duration d) { return std::chrono::duration<double>(d).count(); };
  if (options.ns.empty() || options.name.empty() || options.identity.empty()) {
    return fail(ErrorCode::invalid,
                "leader election: the lease's namespace, name and holder identity must not be empty");
  }
  if (options.retry_period <= Duration::zero()) {
    return fail(ErrorCode::invalid, fmt::format("leader election: the retry period is {} s, it must be above 0",
                                                seconds(options.retry_period)));
  }
  if (options.renew_deadline <= options.retry_period) {
    return fail(ErrorCode::invalid,
                fmt::format("leader election: the renew deadline of {} s must be longer than the retry "
                            "period of {} s",
                            seconds(options.renew_deadline), seconds(options.retry_period)));
  }
  if (options.lease_duration <= options.renew_deadline) {
    return fail(ErrorCode::invalid,
                fmt::format("leader election: the lease duration of {} s must be longer than the renew "
                            "deadline of {} s",
                            seconds(options.lease_duration), seconds(options.renew_deadline)));
  }
  return {};
}

LeaderElector::LeaderElector(Transport& transport, Scheduler& scheduler, Random& random, Options options,
                             Callbacks callbacks)
    : transport_(transport),
      scheduler_(scheduler),
      random_(random),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)) {
  assert(check(options_));
}

LeaderElector::~LeaderElector() {
  ++*turn_;
  scheduler_.cancel(timer_);
  scheduler_.cancel(deadline_timer_);
}

Status LeaderElector::may_write(std::int64_t epoch, TimePoint now) const {
  // The deadline first: a leadership sets its epoch before its deadline.
  if (now >= deadline()) return fail(ErrorCode::fenced, "this process does not hold the lease now");
  if (const auto current = this->epoch(); current != epoch) {
    return fail(ErrorCode::fenced, fmt::format("decided in epoch {}, the present one is {}", epoch, current));
  }
  return {};
}

void LeaderElector::start() {
  if (state_ != State::idle) return;
  read();
}

void LeaderElector::stop(std::function<void()> done) {
  auto previous = std::exchange(stopped_, {});
  stopped_ = [previous = std::move(previous), done = std::move(done)] {
    if (previous) previous();
    if (done) done();
  };
  if (std::exchange(stopping_, true)) return;
  switch (state_) {
    case State::leading:
      step_down(Loss::released);
      begin_release();
      return;
    case State::taking:
      return;  // on_taken() goes on: what was taken must be given back
    case State::idle:
    case State::reading:
    case State::waiting:
    case State::releasing:
      break;
  }
  ++*turn_;
  scheduler_.cancel(std::exchange(timer_, 0));
  scheduler_.post([this, now = turn_, then = *turn_] {
    if (*now == then) end_stop();
  });
}

void LeaderElector::raise_epoch_floor(std::int64_t floor) {
  floor_ = std::max(floor_, floor);
  if (!leads() || epoch() > floor) return;
  step_down(Loss::epoch_overtaken);
  if (state_ == State::waiting && !stopping_) read();
}

// One request at a time. The handler gets the reply, or `timeout` if none comes in half the renew deadline, so that a
// renewal that hangs leaves time for another; should it still be carried out, the next one meets a conflict and reads.
void LeaderElector::ask(api::Verb verb, boost::json::value body, Handler handler) {
  const auto turn = ++*turn_;
  sent_ = scheduler_.now();
  api::Request request;
  request.verb = verb;
  request.kind = api::Kind::lease;
  request.ns = options_.ns;
  request.name = verb == api::Verb::create ? std::string() : options_.name;
  request.body = std::move(body);
  const auto once = [this, now = turn_, turn, handler](Result<boost::json::value> reply) {
    if (*now != turn) return;
    ++*turn_;
    scheduler_.cancel(std::exchange(timer_, 0));
    (this->*handler)(std::move(reply));
  };
  scheduler_.cancel(timer_);
  const Duration limit = state_ == State::releasing ? release_by_ - sent_ : options_.renew_deadline / 2;
  timer_ = scheduler_.after(limit, [this, once] {
    once(fail(ErrorCode::timeout, fmt::format("lease {}/{}: no answer in time", options_.ns, options_.name)));
  });
  transport_.send(std::move(request), once);
}

void LeaderElector::wait(Duration delay) {
  ++*turn_;
  scheduler_.cancel(timer_);
  timer_ = scheduler_.after(delay, [this, now = turn_, then = *turn_] {
    if (*now == then) leads() ? renew() : read();
  });
}

void LeaderElector::report(const Error& error) {
  if (std::exchange(last_error_, error.message) != error.message && callbacks_.on_error) callbacks_.on_error(error);
}

void LeaderElector::read() {
  if (!leads()) state_ = State::reading;
  ask(api::Verb::get, nullptr, leads() ? &LeaderElector::on_leader_read : &LeaderElector::on_candidate_read);
}

void LeaderElector::observe(const Lease& lease) {
  floor_ = std::max(floor_, lease.transitions);
  const auto* top = lease_.if_object();
  const auto* spec = top == nullptr ? nullptr : top->if_contains("spec");
  if (boost::json::value now_spec = spec == nullptr ? boost::json::value() : *spec; now_spec != seen_spec_) {
    seen_spec_ = std::move(now_spec);
    seen_at_ = scheduler_.now();
    seen_duration_ = lease.duration;
  }
  if (std::exchange(seen_holder_, lease.holder) != lease.holder && !lease.holder.empty() &&
      lease.holder != options_.identity && callbacks_.on_new_holder) {
    callbacks_.on_new_holder(lease.holder);
  }
}

// How long a candidate still has to respect the holder it knows of. A Lease that was deleted counts as it last stood:
// its holder may not have noticed.
Duration LeaderElector::left_to_holder() const {
  if (!options_.elect || seen_holder_.empty() || seen_holder_ == options_.identity) return Duration::zero();
  return std::max(seen_at_ + seen_duration_ - scheduler_.now(), Duration::zero());
}

void LeaderElector::on_candidate_read(Result<boost::json::value> reply) {
  const Duration pause = draw(options_.retry_period, options_.retry_period * 6 / 5, random_);
  state_ = State::waiting;
  if (!reply && reply.error().code != ErrorCode::not_found) {
    wait(pause);
    return report(reply.error());
  }
  last_error_.clear();
  lease_ = reply ? std::move(*reply) : boost::json::value();
  if (reply) {
    const auto turn = *turn_;
    observe(Lease::parse(lease_, options_.lease_duration));
    if (*turn_ != turn) return;  // a callback called stop()
  }
  if (const Duration left = left_to_holder(); left > Duration::zero()) return wait(std::min(pause, left));
  if (!healthy()) return wait(pause);
  take();
}

void LeaderElector::take() {
  state_ = State::taking;
  taking_ = floor_ + 1;
  ask(lease_.is_null() ? api::Verb::create : api::Verb::update, filled(taking_, true), &LeaderElector::on_taken);
}

void LeaderElector::on_taken(Result<boost::json::value> reply) {
  state_ = State::waiting;
  if (!reply) {
    if (stopping_) return end_stop();
    wait(draw(options_.retry_period / 2, options_.retry_period, random_));
    if (reply.error().code != ErrorCode::conflict && reply.error().code != ErrorCode::already_exists)
      report(reply.error());
    return;
  }
  last_error_.clear();
  lease_ = std::move(*reply);
  floor_ = std::max(floor_, taking_);
  if (stopping_) return begin_release();
  state_ = State::leading;
  epoch_.store(taking_, std::memory_order_release);
  arm_deadline();
  wait(options_.retry_period);
  if (leads() && callbacks_.on_started) callbacks_.on_started(taking_);
}

// Counts from the moment that the successful request was sent. A reply that comes later than that finds it passed.
void LeaderElector::arm_deadline() {
  if (!options_.elect) return deadline_.store(Duration::max().count(), std::memory_order_release);
  const TimePoint deadline = sent_ + options_.renew_deadline;
  deadline_.store(deadline.time_since_epoch().count(), std::memory_order_release);
  scheduler_.cancel(deadline_timer_);
  deadline_timer_ = scheduler_.after(deadline - scheduler_.now(), [this, now = turn_] {
    if (leads()) step_down(Loss::renewal_failed);
  });
}

void LeaderElector::renew() {
  if (!healthy()) return step_down(Loss::unhealthy);
  ask(lease_.is_null() ? api::Verb::create : api::Verb::update, filled(epoch(), false), &LeaderElector::on_renewed);
}

void LeaderElector::on_renewed(Result<boost::json::value> reply) {
  if (reply) {
    last_error_.clear();
    lease_ = std::move(*reply);
    arm_deadline();
    return wait(options_.retry_period);
  }
  switch (reply.error().code) {
    case ErrorCode::conflict:
    case ErrorCode::already_exists:
      return read();
    case ErrorCode::not_found:
      if (!lease_.is_null()) {  // deleted under us: written anew, with the same epoch
        lease_ = nullptr;
        return renew();
      }
      break;
    default:
      break;
  }
  wait(std::min(options_.retry_period, options_.renew_deadline / 10));
  report(reply.error());
}

void LeaderElector::on_leader_read(Result<boost::json::value> reply) {
  if (!reply && reply.error().code != ErrorCode::not_found) {
    wait(std::min(options_.retry_period, options_.renew_deadline / 10));
    return report(reply.error());
  }
  lease_ = reply ? std::move(*reply) : boost::json::value();
  const Lease lease = Lease::parse(lease_, options_.lease_duration);
  const bool ours = lease_.is_null() || (lease.holder == options_.identity && lease.transitions == epoch());
  if (ours) return renew();
  step_down(Loss::taken_over);
}

void LeaderElector::step_down(Loss why) {
  deadline_.store(Duration::min().count(), std::memory_order_release);
  scheduler_.cancel(std::exchange(deadline_timer_, 0));
  state_ = State::waiting;
  // Without election two processes would take the Lease from each other for ever; the newer one keeps it.
  if (why == Loss::taken_over && !options_.elect) {
    ++*turn_;
    scheduler_.cancel(std::exchange(timer_, 0));
    state_ = State::idle;
  } else if (why != Loss::released) {
    wait(draw(options_.retry_period, options_.retry_period * 6 / 5, random_));
  }
  if (callbacks_.on_stopped) callbacks_.on_stopped(why);
}

void LeaderElector::begin_release() {
  state_ = State::releasing;
  release_by_ = scheduler_.now() + options_.retry_period;
  release();
}

void LeaderElector::release() {
  boost::json::value body = filled(floor_, false);
  auto& spec = body.as_object()["spec"].as_object();
  spec["holderIdentity"] = "";
  spec["leaseDurationSeconds"] = 1;
  ask(api::Verb::update, std::move(body), &LeaderElector::on_release_written);
}

void LeaderElector::on_release_written(Result<boost::json::value> reply) {
  // Most likely the last renewal, whose answer was not awaited.
  if (!reply && reply.error().code == ErrorCode::conflict) {
    return ask(api::Verb::get, nullptr, &LeaderElector::on_release_read);
  }
  if (!reply) report(reply.error());
  end_stop();
}

void LeaderElector::on_release_read(Result<boost::json::value> reply) {
  if (!reply) return end_stop();
  lease_ = std::move(*reply);
  const Lease lease = Lease::parse(lease_, options_.lease_duration);
  if (lease.holder != options_.identity || lease.transitions > floor_ || scheduler_.now() >= release_by_)
    return end_stop();
  release();
}

void LeaderElector::end_stop() {
  ++*turn_;
  state_ = State::idle;
  stopping_ = false;
  if (auto done = std::exchange(stopped_, {})) done();
}

// The Lease as it shall be: what others put into it (labels, annotations) stays.
boost::json::value LeaderElector::filled(std::int64_t epoch, bool taking) const {
  boost::json::object lease;
  if (lease_.is_object()) lease = lease_.as_object();
  lease["apiVersion"] = api::api_version_of(api::Kind::lease);
  lease["kind"] = api::resource_of(api::Kind::lease).name;
  auto& metadata = lease["metadata"];
  if (!metadata.is_object()) metadata = boost::json::object();
  metadata.as_object()["name"] = options_.name;
  metadata.as_object()["namespace"] = options_.ns;
  auto& spec_value = lease["spec"];
  if (!spec_value.is_object()) spec_value = boost::json::object();
  auto& spec = spec_value.as_object();
  const std::string now = api::format_micro_time(scheduler_.wall_now());
  spec["holderIdentity"] = options_.identity;
  spec["leaseDurationSeconds"] = std::chrono::ceil<std::chrono::seconds>(options_.lease_duration).count();
  if (taking || !spec.contains("acquireTime")) spec["acquireTime"] = now;
  spec["renewTime"] = now;
  spec["leaseTransitions"] = epoch;
  return lease;
}

}  // namespace berth::kube
