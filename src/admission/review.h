#pragma once

// What the API server asks before it stores an object, and the answer: the same validation that the reconcilers do,
// earlier. A pure function; nothing depends on it, for the reconcilers check everything again.
//
// Denied is only what can never become right by itself. What waits for something that may still come (a Vpc, a Subnet,
// an IPPool that the same Helm release brings later) is allowed, with a warning. An edit of something that was wrong
// already is allowed with a warning too, and so is everything that leaves spec as it is: finalizers, labels, status.

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/result.h"
#include "world/world.h"

namespace berth::admission {

enum class Operation { create, update, remove, other };

// An AdmissionReview's request (admission.k8s.io/v1), as far as it matters.
struct Review {
  std::string uid;
  Operation operation = Operation::other;
  std::string group;
  std::string kind;
  std::string subresource;
  std::string ns;
  std::string name;
  api::JsonObject object;      // empty: a deletion
  api::JsonObject old_object;  // empty: a creation
};

// Texts are for people: object, field, value, remedy.
struct Verdict {
  std::vector<std::string> denials;  // none: allowed
  std::vector<std::string> warnings;
  [[nodiscard]] bool allowed() const { return denials.empty(); }
};

// Errors: invalid (no AdmissionReview of version v1).
[[nodiscard]] Result<Review> parse_review(std::string_view body);

// The AdmissionReview to answer with: a denial as a Status of reason Invalid, with one cause for each field.
[[nodiscard]] api::JsonObject answer(const Review& review, const Verdict& verdict);

// world: null where nothing is known of the rest of the cluster (another process leads, or this one is not in sync):
// then only what the object itself says is checked. Any thread without a world, else the world's.
[[nodiscard]] Verdict review(const Review& review, const world::World* world);

}  // namespace berth::admission
