#include "admission/configuration.h"

#include <fmt/core.h>

#include "base/base64.h"

namespace berth::admission {
namespace {

constexpr std::string_view kTextAnnotation = "berth.io/webhook-text";  // which text a configuration of ours has
constexpr int kTextVersion = 1;                                        // raise it when webhooks() changes

std::string text_id(const Target& target, const std::string& own_ns) {
  return fmt::format("{} {} {}", kTextVersion, own_ns, target.to_string());
}

api::JsonObject client_config(const Target& target, const std::string& bundle) {
  api::JsonObject out{{"caBundle", base64_encode(bundle)}};
  if (!target.url.empty()) {
    out["url"] = target.url;
  } else {
    out["service"] = {{"namespace", target.service_ns}, {"name", target.service}, {"path", kPath}, {"port", 443}};
  }
  return out;
}

api::JsonObject condition(std::string_view name, std::string expression) {
  return {{"name", name}, {"expression", std::move(expression)}};
}

// Fail-open, and quick: what the webhook does not say now, the controller says later.
api::JsonObject webhook(std::string_view name, const Target& target, const std::string& bundle, api::JsonArray rules,
                        api::JsonArray conditions) {
  return {{"name", name},
          {"clientConfig", client_config(target, bundle)},
          {"rules", std::move(rules)},
          {"matchConditions", std::move(conditions)},
          {"failurePolicy", "Ignore"},
          {"matchPolicy", "Equivalent"},
          {"timeoutSeconds", 3},
          {"sideEffects", "None"},
          {"admissionReviewVersions", api::JsonArray{"v1"}}};
}

api::JsonArray webhooks(const Target& target, const std::string& own_ns, const std::string& bundle) {
  const api::JsonArray operations{"CREATE", "UPDATE", "DELETE"};
  api::JsonArray kinds{api::JsonObject{{"apiGroups", api::JsonArray{"kubeovn.io"}},
                                       {"apiVersions", api::JsonArray{"v1"}},
                                       {"operations", operations},
                                       {"resources", api::JsonArray{"subnets", "ips", "ippools", "vips", "vpcs"}},
                                       {"scope", "Cluster"}}};
  api::JsonArray kinds_when{
      condition("not-berth-itself", fmt::format("!('system:serviceaccounts:{}' in request.userInfo.groups)", own_ns)),
      condition("spec-changes",
                "request.operation != 'UPDATE' || !has(object.spec) || !has(oldObject.spec) || object.spec != "
                "oldObject.spec")};
  api::JsonArray pods{api::JsonObject{{"apiGroups", api::JsonArray{""}},
                                      {"apiVersions", api::JsonArray{"v1"}},
                                      {"operations", api::JsonArray{"CREATE"}},
                                      {"resources", api::JsonArray{"pods"}},
                                      {"scope", "Namespaced"}}};
  api::JsonArray pods_when{
      condition("not-host-network", "!has(object.spec.hostNetwork) || !object.spec.hostNetwork"),
      condition("asks-for-something",
                "has(object.metadata.annotations) && object.metadata.annotations.exists(k, k == "
                "'k8s.v1.cni.cncf.io/networks' || "
                "k.matches('[.]kubernetes[.]io/(ip_address|mac_address|ip_pool|ip_family|logical_switch|vip)$'))")};
  api::JsonObject of_pods = webhook("pods.berth.io", target, bundle, std::move(pods), std::move(pods_when));
  api::JsonArray left_out{"kube-system"};
  if (own_ns != "kube-system") left_out.push_back(api::JsonValue(own_ns));
  of_pods["namespaceSelector"] = {
      {"matchExpressions",
       api::JsonArray{api::JsonObject{
           {"key", "kubernetes.io/metadata.name"}, {"operator", "NotIn"}, {"values", std::move(left_out)}}}}};
  return {webhook("objects.berth.io", target, bundle, std::move(kinds), std::move(kinds_when)), std::move(of_pods)};
}

}  // namespace

std::string Target::to_string() const { return url.empty() ? fmt::format("service {}/{}", service_ns, service) : url; }

api::JsonObject configuration(const Target& target, const std::string& own_ns, const std::string& bundle) {
  return {{"apiVersion", "admissionregistration.k8s.io/v1"},
          {"kind", "ValidatingWebhookConfiguration"},
          {"metadata",
           {{"name", kConfigurationName},
            {"labels", {{"app.kubernetes.io/managed-by", "berth-controller"}}},
            {"annotations", {{kTextAnnotation, text_id(target, own_ns)}}}}},
          {"webhooks", webhooks(target, own_ns, bundle)}};
}

std::optional<api::JsonObject> renewed(const api::JsonObject& stored, const std::optional<Target>& target,
                                       const std::string& own_ns, const std::string& bundle) {
  const std::string text = api::string_at(stored, {"metadata", "annotations", kTextAnnotation});
  if (!text.empty() && target && text != text_id(*target, own_ns)) {
    api::JsonObject out = configuration(*target, own_ns, bundle);
    out["metadata"].get_object()["resourceVersion"] = api::string_at(stored, {"metadata", "resourceVersion"});
    return out;
  }
  if (published_bundle(stored) == bundle) return std::nullopt;
  api::JsonObject out = stored;
  api::JsonValue* list = out.if_contains("webhooks");
  if (list == nullptr || !list->is_array() || list->get_array().empty()) return std::nullopt;
  for (api::JsonValue& item : list->get_array()) {
    if (!item.is_object()) continue;
    api::JsonValue& config = item.get_object()["clientConfig"];
    if (config.is_object()) config.get_object()["caBundle"] = base64_encode(bundle);
  }
  return out;
}

std::string published_bundle(const api::JsonObject& stored) {
  const api::JsonArray* list = api::find_array(stored, {"webhooks"});
  if (list == nullptr || list->empty()) return {};
  std::optional<std::string> common;
  for (const api::JsonValue& item : *list) {
    if (!item.is_object()) return {};
    const std::string text = api::string_at(item.get_object(), {"clientConfig", "caBundle"});
    if (common && *common != text) return {};
    common = text;
  }
  return base64_decode(*common).value_or(std::string());
}

}  // namespace berth::admission
