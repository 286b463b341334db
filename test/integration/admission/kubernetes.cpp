#include "integration/admission/kubernetes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace berth::test {
namespace {

dev::KubernetesOptions options() {
  const char* folder = std::getenv("KUBEBUILDER_ASSETS");
  return {.programs = folder == nullptr ? "" : folder, .dir = {}, .logs = {}, .controllers = false};
}

}  // namespace

std::string Kubernetes::missing() {
  if (options().programs.empty()) return "KUBEBUILDER_ASSETS does not say where kube-apiserver is";
  return dev::Kubernetes::missing(options());
}

Kubernetes::Kubernetes() : kubeconfig_(folder_ / "kubeconfig") {
  dev::KubernetesOptions wanted = options();
  wanted.dir = wanted.logs = folder_ / "";
  auto started = dev::Kubernetes::start(supervisor_, std::move(wanted));
  if (!started) {
    ADD_FAILURE() << started.error().message;
    std::abort();
  }
  kubernetes_ = std::move(*started);
  std::ofstream(kubeconfig_) << kubernetes_->kubeconfig();
}

Kubernetes::~Kubernetes() = default;

Answer Kubernetes::send(const std::string& method, const std::string& path, std::string body) {
  const auto reply = kubernetes_->call(method, path, std::move(body));
  Answer out;
  if (!reply) {
    out.text = reply.error().message;
    return out;
  }
  out.status = reply->status;
  out.text = reply->body;
  for (const auto& [name, value] : reply->headers) {
    if (name == "warning") out.warnings += value + "\n";
  }
  boost::system::error_code ec;
  out.body = boost::json::parse(reply->body, ec);
  return out;
}

Answer Kubernetes::call(const std::string& method, const std::string& path, const boost::json::value& body) {
  return send(method, path, body.is_null() ? "" : boost::json::serialize(body));
}

Answer Kubernetes::merge_patch(const std::string& path, const std::string& patch) { return send("PATCH", path, patch); }

}  // namespace berth::test
