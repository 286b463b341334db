#include "dev/api/reviews.h"

#include <cctype>

#include <boost/json/array.hpp>

namespace berth::dev {
namespace {

namespace json = boost::json;

sim::TypePtr review(const char* group, const char* kind, const char* plural, bool namespaced) {
  auto type = std::make_shared<sim::ResourceType>();
  type->group = group;
  type->version = "v1";
  type->kind = kind;
  type->plural = plural;
  for (const char* c = kind; *c != '\0'; ++c) {
    type->singular += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
  }
  type->namespaced = namespaced;
  return type;
}

json::object user_info(const http::Peer& peer) {
  json::array groups(peer.groups.begin(), peer.groups.end());
  groups.push_back("system:authenticated");
  return {{"username", peer.user}, {"groups", std::move(groups)}};
}

}  // namespace

const std::vector<sim::TypePtr>& review_types() {
  static const std::vector<sim::TypePtr> kTypes = {
      review("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
      review("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", false),
      review("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews", true),
      review("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", false),
      review("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", false),
      review("authentication.k8s.io", "TokenReview", "tokenreviews", false),
  };
  return kTypes;
}

bool is_review(const sim::ResourceType& type) {
  for (const auto& review : review_types()) {
    if (review->group == type.group && review->plural == type.plural) return true;
  }
  return false;
}

json::object answer_review(const sim::ResourceType& type, json::object review, const http::Peer& peer) {
  review["kind"] = type.kind;
  review["apiVersion"] = type.api_version();
  if (!review.contains("metadata")) review["metadata"] = json::object{{"creationTimestamp", nullptr}};
  if (type.kind == "SelfSubjectReview") {
    review["status"] = json::object{{"userInfo", user_info(peer)}};
  } else if (type.kind == "TokenReview") {
    review["status"] = json::object{{"authenticated", false}, {"user", json::object()}};
  } else if (type.kind == "SelfSubjectRulesReview") {
    const json::array all{"*"};
    review["status"] = json::object{
        {"resourceRules", json::array{json::object{{"verbs", all}, {"apiGroups", all}, {"resources", all}}}},
        {"nonResourceRules", json::array{json::object{{"verbs", all}, {"nonResourceURLs", all}}}},
        {"incomplete", false}};
  } else {
    review["status"] = json::object{{"allowed", true}};
  }
  return review;
}

}  // namespace berth::dev
