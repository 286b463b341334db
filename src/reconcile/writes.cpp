#include "reconcile/writes.h"

#include "api/annotations.h"

namespace berth::reconcile {
namespace {

api::JsonObject& metadata_of(api::JsonObject& body) {
  api::JsonValue& metadata = body["metadata"];
  if (!metadata.is_object()) metadata.emplace_object();
  return metadata.get_object();
}

}  // namespace

api::Request patch(api::Kind kind, const api::ObjectMeta& meta, api::JsonObject body, bool same_version) {
  api::JsonObject& metadata = metadata_of(body);
  metadata["uid"] = meta.uid;
  if (same_version) metadata["resourceVersion"] = meta.resource_version;
  api::Request request{api::Verb::merge_patch, kind, meta.ns, meta.name, "", {}, "", ""};
  request.body = std::move(body);
  return request;
}

api::Request patch_annotations(api::Kind kind, const api::ObjectMeta& meta, api::JsonObject annotations) {
  api::JsonObject body;
  metadata_of(body)["annotations"] = std::move(annotations);
  return patch(kind, meta, std::move(body), false);
}

api::Request patch_finalizer(api::Kind kind, const api::ObjectMeta& meta, bool present) {
  api::JsonObject body;
  if (present) {
    add_finalizer(body, meta);
  } else {
    api::JsonArray left;
    for (const std::string& f : meta.finalizers) {
      if (f != api::kFinalizer && f != api::kLegacyFinalizer) left.emplace_back(f);
    }
    metadata_of(body)["finalizers"] = std::move(left);
  }
  return patch(kind, meta, std::move(body), true);
}

void add_finalizer(api::JsonObject& body, const api::ObjectMeta& meta) {
  api::JsonArray all;
  for (const std::string& f : meta.finalizers) {
    if (f != api::kLegacyFinalizer) all.emplace_back(f);
  }
  all.emplace_back(api::kFinalizer);
  metadata_of(body)["finalizers"] = std::move(all);
}

bool is_finalized(const api::ObjectMeta& meta) {
  return meta.has_finalizer(api::kFinalizer) || meta.has_finalizer(api::kLegacyFinalizer);
}

api::Request remove(api::Kind kind, const api::ObjectMeta& meta, bool same_version) {
  api::JsonObject preconditions{{"uid", meta.uid}};
  if (same_version) preconditions["resourceVersion"] = meta.resource_version;
  api::Request request{api::Verb::remove, kind, meta.ns, meta.name, "", {}, "", ""};
  request.body = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"preconditions", std::move(preconditions)}};
  return request;
}

}  // namespace berth::reconcile
