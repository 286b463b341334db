#pragma once

// API writes that several reconcilers make.

#include <string>
#include <vector>

#include "api/json.h"
#include "api/metadata.h"
#include "api/request.h"

namespace berth::reconcile {

// Merge patch of one object; with a resourceVersion as precondition it fails with conflict if anybody wrote since.
[[nodiscard]] api::Request patch(api::Kind kind, const api::ObjectMeta& meta, api::JsonObject body, bool same_version);

// The same for metadata.annotations alone, with the UID as precondition. A null value removes the key.
[[nodiscard]] api::Request patch_annotations(api::Kind kind, const api::ObjectMeta& meta, api::JsonObject annotations);

// Adds or removes Berth's finalizer, with the resourceVersion as precondition; the finalizers of others stay.
[[nodiscard]] api::Request patch_finalizer(api::Kind kind, const api::ObjectMeta& meta, bool present);

// Whether Berth's finalizer is on it, by its present name or the one that Kube-OVN once gave it.
[[nodiscard]] bool is_finalized(const api::ObjectMeta& meta);

// metadata of a patch that adds the finalizer along with other things.
void add_finalizer(api::JsonObject& body, const api::ObjectMeta& meta);

[[nodiscard]] api::Request remove(api::Kind kind, const api::ObjectMeta& meta, bool same_version);

}  // namespace berth::reconcile
