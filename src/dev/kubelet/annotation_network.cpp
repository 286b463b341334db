#include "dev/kubelet/annotation_network.h"

#include "api/annotations.h"
#include "api/json.h"

namespace berth::dev {

void AnnotationNetwork::attach(const Sandbox& sandbox, std::function<void(Result<PodAddresses>)> done) {
  waiting_[sandbox.uid] = std::move(done);
  if (const auto found = decided_.find(sandbox.uid); found != decided_.end()) answer(sandbox.uid, found->second);
}

void AnnotationNetwork::cancel(const Sandbox& sandbox) {
  answer(sandbox.uid, fail(ErrorCode::unavailable, "the pod is being deleted"));
}

void AnnotationNetwork::detach(const Sandbox&, std::function<void(Status)> done) {
  scheduler_.post([done = std::move(done)] { done({}); });
}

void AnnotationNetwork::pod_changed(const boost::json::object& pod) {
  const auto annotation = [&](std::string_view suffix) {
    return api::string_at(pod, {"metadata", "annotations", api::annotation_key(api::kDefaultProvider, suffix)});
  };
  const std::string uid = api::string_at(pod, {"metadata", "uid"});
  if (annotation(api::suffix::kAllocated) != "true" || annotation(api::suffix::kRouted) != "true") {
    decided_.erase(uid);
    return;
  }
  // A record of another pod: a copied manifest, which whoever allocates has yet to decide.
  const api::ObjectMeta meta = api::ObjectMeta::parse(pod);
  if (meta.annotation(api::kBindingAnnotation) && !api::own_record(meta)) {
    decided_.erase(uid);
    return;
  }
  PodAddresses addresses{.addresses = api::split_list(annotation(api::suffix::kIpAddress))};
  if (addresses.addresses.empty()) return;
  decided_[uid] = addresses;
  answer(uid, std::move(addresses));
}

void AnnotationNetwork::pod_gone(const std::string& uid) {
  waiting_.erase(uid);
  decided_.erase(uid);
}

void AnnotationNetwork::answer(const std::string& uid, Result<PodAddresses> result) {
  auto node = waiting_.extract(uid);
  if (!node) return;
  scheduler_.post([done = std::move(node.mapped()), result = std::move(result)] { done(result); });
}

}  // namespace berth::dev
