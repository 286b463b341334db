#include "agent/attacher.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "agent/cni_result.h"
#include "agent/confirm.h"
#include "api/annotations.h"
#include "api/ip.h"
#include "api/json.h"
#include "base/log.h"

namespace berth::agent {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(250);
constexpr Duration kLongestRetry = std::chrono::seconds(4);

std::string provider_of(const boost::json::object& config) {
  auto provider = api::string_at(config, {"provider"});
  return provider.empty() ? std::string(api::kDefaultProvider) : provider;
}

api::Request ip_request(api::Verb verb, const std::string& name) {
  api::Request request;
  request.verb = verb;
  request.kind = api::Kind::ip;
  request.name = name;
  return request;
}

cni::Error cni_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::invalid:
      return {cni::kInvalidEnvironment, "invalid request", error.message};
    case ErrorCode::unavailable:
    case ErrorCode::timeout:
    case ErrorCode::conflict:
      return {cni::kTryAgainLater, "the interface cannot be wired now", error.message};
    default:
      return {cni::kInternal, "the interface could not be wired", error.message};
  }
}

}  // namespace

struct Attacher::Attachment {
  enum class Step { waiting, reading, claiming, wiring };

  AttachmentKey key;
  std::string netns;
  std::string provider;
  std::string port;
  PodRef pod;
  boost::json::object config;

  Step step = Step::waiting;
  std::uint64_t turn = 0;  // counts questions; an answer to an earlier one is void
  bool dirty = false;      // something changed since the question was asked
  bool seen = false;       // the pod has been there
  bool claimed = false;
  PodNetwork network;  // valid from reading on
  int mtu = 0;         // of the Subnet
  Hold hold{Reason::pod_unknown, ""};
  std::set<Reason> counted;  // refusals that the metrics know of
  Duration retry = kFirstRetry;
  TimePoint started{};
  Scheduler::TimerId deadline = 0;
  Scheduler::TimerId retry_timer = 0;
  std::map<RequestId, Done> callers;
};

template <typename Fn>
auto Attacher::guarded(const AttachmentPtr& attachment, Fn fn) {
  return [weak = std::weak_ptr<Attachment>(attachment), turn = ++attachment->turn, fn = std::move(fn)](auto&&... args) {
    const auto strong = weak.lock();
    if (strong && strong->turn == turn) fn(strong, std::forward<decltype(args)>(args)...);
  };
}

Attacher::Attacher(Scheduler& scheduler, kube::Transport& transport, const NodeView& view, Wiring& wiring,
                   Metrics& metrics, Options options)
    : scheduler_(scheduler),
      transport_(transport),
      view_(view),
      wiring_(wiring),
      metrics_(metrics),
      options_(std::move(options)) {}

Attacher::~Attacher() {
  for (const auto& [key, attachment] : attachments_) {
    scheduler_.cancel(attachment->deadline);
    scheduler_.cancel(attachment->retry_timer);
  }
}

Attacher::RequestId Attacher::handle(cni::Request request, Done done) {
  const RequestId id = next_request_++;
  switch (request.command) {
    case cni::Command::add:
      add(id, std::move(request), std::move(done));
      break;
    case cni::Command::del:
      del(std::move(request), std::move(done));
      break;
    case cni::Command::check:
      check(std::move(request), std::move(done));
      break;
    case cni::Command::gc:
      gc(std::move(request), std::move(done));
      break;
    case cni::Command::status:
      status(std::move(done));
      break;
    case cni::Command::version:
      answer(done, request.command, cni::fail(cni::kInternal, "VERSION is the plugin's own"));
      break;
  }
  return id;
}

void Attacher::answer(const Done& done, cni::Command command, cni::Reply reply) {
  metrics_.answered(cni::to_string(command), reply.has_value());
  scheduler_.post([done, reply = std::move(reply)] { done(reply); });
}

// --- ADD: callers come and go --------------------------------------------------------------------------------------

void Attacher::add(RequestId id, cni::Request request, Done done) {
  const auto pod = parse_cni_args(request.args);
  if (!pod) {
    answer(done, request.command, cni::fail(cni::kInvalidEnvironment, "invalid CNI_ARGS", pod.error().message));
    return;
  }
  const AttachmentKey key{request.container_id, request.ifname};
  if (const auto it = attachments_.find(key); it != attachments_.end()) {
    it->second->callers.emplace(id, std::move(done));
    return;
  }
  auto attachment = std::make_shared<Attachment>();
  attachment->key = key;
  attachment->netns = std::move(request.netns);
  attachment->provider = provider_of(request.config);
  attachment->port = api::port_name(pod->name, pod->ns, attachment->provider);
  attachment->pod = *pod;
  attachment->config = std::move(request.config);
  attachment->started = scheduler_.now();
  attachment->callers.emplace(id, std::move(done));
  supersede(*attachment);
  attachments_.emplace(key, attachment);
  metrics_.set_waiting(attachments_.size());
  attachment->deadline = scheduler_.after(options_.add_timeout, [this, weak = std::weak_ptr(attachment)] {
    const auto late = weak.lock();
    if (!late || late->step == Attachment::Step::wiring) return;
    finish(late,
           cni::fail(cni::kTryAgainLater,
                     fmt::format("pod {} cannot be wired yet ({})", late->pod.key(), to_string(late->hold.reason)),
                     late->hold.text));
  });
  advance(attachment);
}

void Attacher::abandon(RequestId id) {
  for (const auto& [key, attachment] : attachments_) {
    if (attachment->callers.erase(id) == 0) continue;
    if (!attachment->callers.empty() || attachment->step == Attachment::Step::wiring) return;
    const auto kept = attachment;  // finish() takes it out of the map
    finish(kept, cni::fail(cni::kTryAgainLater, "the caller has gone"));
    return;
  }
}

// A newer sandbox of the same pod: the older one will never run.
void Attacher::supersede(const Attachment& newcomer) {
  std::vector<AttachmentPtr> older;
  for (const auto& [key, attachment] : attachments_) {
    const bool same = attachment->pod.key() == newcomer.pod.key() && key.ifname == newcomer.key.ifname;
    if (same && attachment->step != Attachment::Step::wiring) older.push_back(attachment);
  }
  for (auto& attachment : older) {
    finish(attachment, cni::fail(cni::kTryAgainLater, "superseded by a newer sandbox of the same pod",
                                 "container " + newcomer.key.container_id));
  }
}

void Attacher::finish(const AttachmentPtr& attachment, const cni::Reply& reply) {
  if (!reply) {
    log::info("ADD failed", {{"pod", attachment->pod.key()},
                             {"container", attachment->key.container_id},
                             {"why", fmt::format("{}: {}", reply.error().msg, reply.error().details)}});
    if (attachment->claimed) release_claim(*attachment);
  }
  scheduler_.cancel(attachment->deadline);
  scheduler_.cancel(attachment->retry_timer);
  ++attachment->turn;
  for (const auto& [id, done] : attachment->callers) answer(done, cni::Command::add, reply);
  attachment->callers.clear();
  attachments_.erase(attachment->key);
  metrics_.set_waiting(attachments_.size());
}

// --- ADD: the state machine ----------------------------------------------------------------------------------------

void Attacher::on_pod(const std::string& key) {
  std::vector<AttachmentPtr> concerned;
  for (const auto& [_, attachment] : attachments_) {
    if (attachment->pod.key() == key) concerned.push_back(attachment);
  }
  for (const auto& attachment : concerned) touch(attachment);
}

void Attacher::on_subnet(const std::string& name) {
  std::vector<AttachmentPtr> concerned;
  for (const auto& [_, attachment] : attachments_) {
    if (attachment->network.subnet == name) concerned.push_back(attachment);
  }
  for (const auto& attachment : concerned) touch(attachment);
}

void Attacher::on_synced() {
  std::vector<AttachmentPtr> all;
  for (const auto& [_, attachment] : attachments_) all.push_back(attachment);
  for (const auto& attachment : all) touch(attachment);
}

void Attacher::touch(const AttachmentPtr& attachment) {
  if (attachment->step == Attachment::Step::waiting) {
    advance(attachment);
  } else {
    attachment->dirty = true;
  }
}

// What the caches say: fills network and mtu, or tells why not.
std::optional<Hold> Attacher::look(Attachment& attachment) const {
  const auto& ref = attachment.pod;
  if (const auto missing = view_.missing())
    return Hold{Reason::not_synced, fmt::format("the agent has not read the cluster's {} yet", *missing)};
  const auto* pod = view_.pod(ref.key());
  if (pod == nullptr) {
    const auto text = fmt::format("pod {} is not known on node {}", ref.key(), options_.node);
    return Hold{attachment.seen ? Reason::pod_ending : Reason::pod_unknown, text};
  }
  if (!is_pod(*pod, ref.uid)) {
    return Hold{Reason::pod_of_another_uid,
                fmt::format("pod {} has UID {}, the runtime asks for UID {}", ref.key(), pod->meta.uid, ref.uid)};
  }
  attachment.seen = true;
  if (pod->meta.deleting || pod->finished())
    return Hold{Reason::pod_ending, fmt::format("pod {} is ending", ref.key())};
  const auto provider = provider_of_interface(*pod, attachment.provider, attachment.key.ifname);
  auto network = read_pod_network(*pod, provider, attachment.key.ifname, options_.confirm);
  if (!network) return network.error();
  attachment.port = network->port;
  attachment.network = std::move(*network);
  const auto* subnet = view_.subnet(attachment.network.subnet);
  attachment.mtu = subnet == nullptr ? 0 : static_cast<int>(std::clamp<std::int64_t>(subnet->mtu, 0, 65535));
  if (!options_.confirm) return std::nullopt;
  return confirm_subnet(attachment.network, subnet);
}

void Attacher::advance(const AttachmentPtr& attachment) {
  scheduler_.cancel(std::exchange(attachment->retry_timer, 0));
  if (auto hold = look(*attachment)) {
    wait(attachment, std::move(*hold));
  } else {
    read_ip(attachment);
  }
}

void Attacher::wait(const AttachmentPtr& attachment, Hold hold) {
  attachment->step = Attachment::Step::waiting;
  if (is_refusal(hold.reason) && attachment->counted.insert(hold.reason).second) {
    metrics_.refused(hold.reason);
    if (prevents_wrong_subnet(hold.reason)) metrics_.prevented_wrong_subnet();
    log::warn("not wired", {{"pod", attachment->pod.key()},
                            {"container", attachment->key.container_id},
                            {"reason", std::string(to_string(hold.reason))},
                            {"why", hold.text}});
  }
  attachment->hold = std::move(hold);
  if (attachment->hold.reason == Reason::pod_ending) {
    finish(attachment, cni::fail(cni::kTryAgainLater, "the pod is gone", attachment->hold.text));
  } else if (std::exchange(attachment->dirty, false)) {
    advance(attachment);
  }
}

void Attacher::read_ip(const AttachmentPtr& attachment) {
  attachment->step = Attachment::Step::reading;
  attachment->dirty = false;
  auto request = ip_request(api::Verb::get, attachment->port);
  transport_.send(std::move(request),
                  guarded(attachment, [this](const AttachmentPtr& a, Result<boost::json::value> reply) {
                    on_ip(a, std::move(reply));
                  }));
}

void Attacher::on_ip(const AttachmentPtr& attachment, Result<boost::json::value> reply) {
  if (!reply && reply.error().code != ErrorCode::not_found) {
    retry_later(attachment, reply.error());
    return;
  }
  attachment->retry = kFirstRetry;
  attachment->dirty = false;
  if (auto hold = look(*attachment)) {
    wait(attachment, std::move(*hold));
    return;
  }
  if (!reply || !reply->is_object()) {
    if (!options_.confirm) return wire(attachment);
    wait(attachment, {Reason::ip_missing, fmt::format("IP {} does not exist", attachment->port)});
    return;
  }
  const auto ip = api::Ip::parse(reply->get_object());
  if (options_.confirm) {
    if (auto hold = confirm_ip(*view_.pod(attachment->pod.key()), attachment->network, ip)) {
      wait(attachment, std::move(*hold));
      return;
    }
  }
  if (ip.node_name == options_.node && ip.container_id == attachment->key.container_id) {
    attachment->claimed = true;
    wire(attachment);
    return;
  }
  claim(attachment, ip.meta.resource_version);
}

void Attacher::claim(const AttachmentPtr& attachment, const std::string& resource_version) {
  attachment->step = Attachment::Step::claiming;
  auto request = ip_request(api::Verb::merge_patch, attachment->port);
  request.body = {{"metadata", {{"resourceVersion", resource_version}}},
                  {"spec", {{"nodeName", options_.node}, {"containerID", attachment->key.container_id}}}};
  // Until the answer tells otherwise, it may have happened.
  attachment->claimed = true;
  transport_.send(std::move(request), guarded(attachment, [this](const AttachmentPtr& a, const auto& reply) {
                    on_claimed(a, reply ? Status{} : Status(tl::unexpected<Error>(reply.error())));
                  }));
}

void Attacher::on_claimed(const AttachmentPtr& attachment, const Status& outcome) {
  if (outcome) {
    wire(attachment);
    return;
  }
  const auto code = outcome.error().code;
  if (code == ErrorCode::conflict || code == ErrorCode::not_found) {
    attachment->claimed = false;
    read_ip(attachment);  // somebody was faster: confirm what is there now
    return;
  }
  retry_later(attachment, outcome.error());
}

void Attacher::retry_later(const AttachmentPtr& attachment, const Error& error) {
  const auto delay = attachment->retry;
  attachment->retry = std::min(attachment->retry * 2, kLongestRetry);
  wait(attachment, {Reason::api_unreachable, fmt::format("IP {}: {}", attachment->port, error.message)});
  if (attachment->step != Attachment::Step::waiting) return;
  attachment->retry_timer = scheduler_.after(delay, [this, weak = std::weak_ptr(attachment)] {
    if (const auto strong = weak.lock()) advance(strong);
  });
}

void Attacher::wire(const AttachmentPtr& attachment) {
  attachment->step = Attachment::Step::wiring;
  WireSpec spec;
  spec.key = attachment->key;
  spec.netns = attachment->netns;
  spec.port = attachment->port;
  spec.pod_name = attachment->pod.name;
  spec.pod_ns = attachment->pod.ns;
  spec.pod_uid = attachment->pod.uid;
  spec.mac = attachment->network.mac;
  spec.addresses = attachment->network.addresses;
  spec.routes = attachment->network.all_routes();
  spec.mtu = attachment->mtu;
  auto done =
      guarded(attachment, [this](const AttachmentPtr& a, Result<Wired> outcome) { on_wired(a, std::move(outcome)); });
  in_turn(attachment->key, [this, spec = std::move(spec), done](std::function<void()> release) mutable {
    spec.deadline = scheduler_.now() + options_.wire_timeout;
    wiring_.wire(std::move(spec), [done, release = std::move(release)](Result<Wired> outcome) {
      release();
      done(std::move(outcome));
    });
  });
}

void Attacher::on_wired(const AttachmentPtr& attachment, Result<Wired> outcome) {
  if (!outcome) {
    finish(attachment, tl::unexpected<cni::Error>(cni_error(outcome.error())));
    return;
  }
  const auto took = scheduler_.now() - attachment->started;
  metrics_.attached(took);
  std::string addresses;
  for (const auto& a : attachment->network.addresses)
    addresses += (addresses.empty() ? "" : ",") + a.address.to_string();
  log::info("wired", {{"pod", attachment->pod.key()},
                      {"container", attachment->key.container_id},
                      {"interface", attachment->key.ifname},
                      {"subnet", attachment->network.subnet},
                      {"address", addresses},
                      {"took", api::format_duration(took)}});
  finish(attachment, add_result(attachment->key, attachment->netns, attachment->network, *outcome, attachment->config));
}

// Gives the IP object back to the controller, which may then rebind the pod before its next sandbox. If it fails, the
// next sandbox claims the object as it is.
void Attacher::release_claim(const Attachment& attachment) {
  auto read = ip_request(api::Verb::get, attachment.port);
  transport_.send(std::move(read), [this, alive = std::weak_ptr<int>(alive_), port = attachment.port,
                                    container = attachment.key.container_id](const Result<boost::json::value>& reply) {
    if (alive.expired() || !reply || !reply->is_object()) return;
    const auto ip = api::Ip::parse(reply->get_object());
    if (ip.container_id != container) return;
    auto write = ip_request(api::Verb::merge_patch, port);
    write.body = {{"metadata", {{"resourceVersion", ip.meta.resource_version}}}, {"spec", {{"containerID", ""}}}};
    transport_.send(std::move(write), [](const auto&) {});
  });
}

// --- the other commands --------------------------------------------------------------------------------------------

void Attacher::in_turn(const AttachmentKey& key, Task task) {
  auto& queue = turns_[key];
  queue.push_back(std::move(task));
  if (queue.size() == 1) {
    queue.front()([this, alive = std::weak_ptr<int>(alive_), key] {
      if (!alive.expired()) release_turn(key);
    });
  }
}

void Attacher::release_turn(const AttachmentKey& key) {
  const auto it = turns_.find(key);
  it->second.pop_front();
  if (it->second.empty()) {
    turns_.erase(it);
    return;
  }
  it->second.front()([this, alive = std::weak_ptr<int>(alive_), key] {
    if (!alive.expired()) release_turn(key);
  });
}

void Attacher::del(const cni::Request& request, Done done) {
  AttachmentKey key{request.container_id, request.ifname};
  if (const auto it = attachments_.find(key); it != attachments_.end()) {
    const auto kept = it->second;
    finish(kept, cni::fail(cni::kTryAgainLater, "the container was deleted meanwhile"));
  }
  in_turn(key, [this, key, done = std::move(done)](std::function<void()> release) {
    wiring_.unwire(key, [this, done, release = std::move(release)](const Status& outcome) {
      release();
      answer(done, cni::Command::del,
             outcome ? cni::Reply(boost::json::object{}) : tl::unexpected<cni::Error>(cni_error(outcome.error())));
    });
  });
}

void Attacher::check(const cni::Request& request, Done done) {
  AttachmentKey key{request.container_id, request.ifname};
  auto spec = check_spec(key, request.netns, request.config);
  if (!spec) {
    answer(done, cni::Command::check,
           cni::fail(cni::kInvalidConfig, "prevResult cannot be used", spec.error().message));
    return;
  }
  in_turn(key, [this, spec = std::move(*spec), done = std::move(done)](std::function<void()> release) {
    wiring_.check(spec, [this, done, release = std::move(release)](const Status& outcome) {
      release();
      answer(done, cni::Command::check,
             outcome ? cni::Reply(boost::json::object{})
                     : cni::fail(cni::kCheckFailed, "the interface is not as it was made", outcome.error().message));
    });
  });
}

void Attacher::gc(const cni::Request& request, Done done) {
  auto valid = valid_attachments(request.config);
  if (!valid) {
    answer(done, cni::Command::gc,
           cni::fail(cni::kInvalidConfig, "no list of valid attachments", valid.error().message));
    return;
  }
  for (const auto& [key, attachment] : attachments_) valid->insert(key);
  wiring_.retain(std::move(*valid), [this, done = std::move(done)](const Status& outcome) {
    answer(done, cni::Command::gc,
           outcome ? cni::Reply(boost::json::object{}) : tl::unexpected<cni::Error>(cni_error(outcome.error())));
  });
}

void Attacher::status(const Done& done) {
  cni::Reply reply = boost::json::object{};
  const auto wiring = wiring_.ready();
  if (const auto missing = view_.missing()) {
    reply = cni::fail(cni::kNotAvailable, "the agent is not ready",
                      fmt::format("the cluster's {} has not been read yet", *missing));
  } else if (!view_.has_node()) {
    reply =
        cni::fail(cni::kNotAvailable, "the agent is not ready", fmt::format("node {} does not exist", options_.node));
  } else if (!wiring) {
    reply = cni::fail(cni::kNotAvailable, "the agent is not ready", wiring.error().message);
  }
  answer(done, cni::Command::status, std::move(reply));
}

}  // namespace berth::agent
