#include "admission/review.h"

namespace berth::admission {
namespace {

constexpr std::string_view kApiVersion = "admission.k8s.io/v1";
constexpr std::size_t kLongestWarning = 256;  // bytes; the API server cuts longer ones off without a sign

Operation operation_of(const std::string& text) {
  if (text == "CREATE") return Operation::create;
  if (text == "UPDATE") return Operation::update;
  if (text == "DELETE") return Operation::remove;
  return Operation::other;
}

api::JsonObject object_at(const api::JsonObject& request, std::string_view key) {
  const api::JsonObject* found = api::find_object(request, {key});
  return found == nullptr ? api::JsonObject() : *found;
}

// Messages begin with "<Kind> <name>: spec.<field> " or "Pod <name>: annotation <key> ".
std::string field_of(const std::string& message) {
  const auto word_at = [&](std::size_t at) { return message.substr(at, message.find_first_of(" :", at) - at); };
  if (const auto at = message.find(": spec."); at != std::string::npos) return word_at(at + 2);
  constexpr std::string_view kAnnotation = ": annotation ";
  if (const auto at = message.find(kAnnotation); at != std::string::npos)
    return "metadata.annotations[" + word_at(at + kAnnotation.size()) + "]";
  return {};
}

std::string shortened(std::string text) {
  if (text.size() <= kLongestWarning) return text;
  std::size_t end = kLongestWarning - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a UTF-8 character
  text.resize(end);
  return text + "...";
}

}  // namespace

Result<Review> parse_review(std::string_view body) {
  const auto value = api::parse_json(body);
  if (!value) return fail(value.error().with_context("AdmissionReview"));
  const api::JsonObject* object = value->if_object();
  if (object == nullptr || api::string_at(*object, {"kind"}) != "AdmissionReview" ||
      api::string_at(*object, {"apiVersion"}) != kApiVersion) {
    return fail(ErrorCode::invalid, "not an AdmissionReview of admission.k8s.io/v1");
  }
  const api::JsonObject* request = api::find_object(*object, {"request"});
  if (request == nullptr || api::string_at(*request, {"uid"}).empty())
    return fail(ErrorCode::invalid, "AdmissionReview: has no request with a uid");
  Review out;
  out.uid = api::string_at(*request, {"uid"});
  out.operation = operation_of(api::string_at(*request, {"operation"}));
  out.group = api::string_at(*request, {"kind", "group"});
  out.kind = api::string_at(*request, {"kind", "kind"});
  out.subresource = api::string_at(*request, {"subResource"});
  out.ns = api::string_at(*request, {"namespace"});
  out.name = api::string_at(*request, {"name"});
  out.object = object_at(*request, "object");
  out.old_object = object_at(*request, "oldObject");
  return out;
}

api::JsonObject answer(const Review& review, const Verdict& verdict) {
  api::JsonObject response{{"uid", review.uid}, {"allowed", verdict.allowed()}};
  if (!verdict.allowed()) {
    api::JsonArray causes;
    for (const std::string& message : verdict.denials)
      causes.push_back(
          api::JsonObject{{"reason", "FieldValueInvalid"}, {"message", message}, {"field", field_of(message)}});
    api::JsonObject details{
        {"name", review.name}, {"group", review.group}, {"kind", review.kind}, {"causes", std::move(causes)}};
    response["status"] = {{"status", "Failure"},
                          {"code", 422},
                          {"reason", "Invalid"},
                          {"message", api::join(verdict.denials, "; ")},
                          {"details", std::move(details)}};
  }
  if (!verdict.warnings.empty()) {
    api::JsonArray warnings;
    for (const std::string& text : verdict.warnings) warnings.push_back(api::JsonValue(shortened(text)));
    response["warnings"] = std::move(warnings);
  }
  return {{"apiVersion", kApiVersion}, {"kind", "AdmissionReview"}, {"response", std::move(response)}};
}

}  // namespace berth::admission
