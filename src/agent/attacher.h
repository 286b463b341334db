#pragma once

// The agent's deciding part: serves CNI calls, one state machine per interface of a container. Only on the Scheduler's
// thread.
//
// An ADD goes through these steps; whatever goes wrong before "wiring" leads back to "waiting" with a Hold that says
// why, and an event of the pod or its Subnet takes it up again. At the deadline, or when the caller leaves, it is given
// up.
//
//   waiting   the pod with this UID, its annotations and its Subnet are not (all) there, or contradict each other
//   reading   the IP object is read from the API server and compared with them
//   claiming  spec.nodeName and spec.containerID of the IP object are written, under its resourceVersion: from then on
//   the
//             controller must not rebind the pod; a conflict leads back to reading
//   wiring    Wiring does its work; its own deadline counts from here

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/hold.h"
#include "agent/metrics.h"
#include "agent/node_view.h"
#include "agent/pod_network.h"
#include "agent/wiring.h"
#include "base/scheduler.h"
#include "cni/protocol.h"
#include "kube/transport.h"

namespace berth::agent {

class Attacher {
 public:
  using RequestId = std::uint64_t;  // 0 is never a request
  using Done = std::function<void(cni::Reply)>;

  struct Options {
    std::string node;
    Duration add_timeout = std::chrono::seconds(30);   // of an ADD, until wiring begins
    Duration wire_timeout = std::chrono::seconds(20);  // of wiring
    // False: wires whatever the annotations say, and claims the IP object whatever it says, if there is one. Exists to
    // prove that the confirmations are what keeps pods right.
    bool confirm = true;
  };

  // References must outlive this object. Whoever creates it forwards the view's events to on_pod and on_subnet.
  Attacher(Scheduler& scheduler, kube::Transport& transport, const NodeView& view, Wiring& wiring, Metrics& metrics,
           Options options);
  ~Attacher();
  Attacher(const Attacher&) = delete;
  Attacher& operator=(const Attacher&) = delete;

  // done runs once, never inside this call, unless the request is abandoned first.
  RequestId handle(cni::Request request, Done done);

  // The caller has gone: done will not be called. An ADD that nobody waits for any more is given up, if its wiring has
  // not begun.
  void abandon(RequestId id);

  void on_pod(const std::string& key);
  void on_subnet(const std::string& name);
  void on_synced();

  [[nodiscard]] std::size_t waiting() const { return attachments_.size(); }

 private:
  struct Attachment;
  using AttachmentPtr = std::shared_ptr<Attachment>;

  void add(RequestId id, cni::Request request, Done done);
  void del(const cni::Request& request, Done done);
  void check(const cni::Request& request, Done done);
  void gc(const cni::Request& request, Done done);
  void status(const Done& done);

  void advance(const AttachmentPtr& attachment);
  [[nodiscard]] std::optional<Hold> look(Attachment& attachment) const;
  void read_ip(const AttachmentPtr& attachment);
  void on_ip(const AttachmentPtr& attachment, Result<boost::json::value> reply);
  void claim(const AttachmentPtr& attachment, const std::string& resource_version);
  void on_claimed(const AttachmentPtr& attachment, const Status& outcome);
  void wire(const AttachmentPtr& attachment);
  void on_wired(const AttachmentPtr& attachment, Result<Wired> outcome);
  void wait(const AttachmentPtr& attachment, Hold hold);
  void retry_later(const AttachmentPtr& attachment, const Error& error);
  void release_claim(const Attachment& attachment);
  void supersede(const Attachment& newcomer);
  // Answers the callers and forgets the attachment; the argument must not be the map's own pointer.
  void finish(const AttachmentPtr& attachment, const cni::Reply& reply);
  void touch(const AttachmentPtr& attachment);

  // A reply to the question asked last; void once the attachment is gone or has moved on.
  template <typename Fn>
  auto guarded(const AttachmentPtr& attachment, Fn fn);

  // Wiring's work on one container's interface is done in turn: task gets a function that it calls when it has
  // finished.
  using Task = std::function<void(std::function<void()> release)>;
  void in_turn(const AttachmentKey& key, Task task);
  void release_turn(const AttachmentKey& key);

  void answer(const Done& done, cni::Command command, cni::Reply reply);

  Scheduler& scheduler_;
  kube::Transport& transport_;
  const NodeView& view_;
  Wiring& wiring_;
  Metrics& metrics_;
  Options options_;
  RequestId next_request_ = 1;
  std::map<AttachmentKey, AttachmentPtr> attachments_;  // ADDs under way
  std::map<AttachmentKey, std::deque<Task>> turns_;     // the front is running
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace berth::agent
