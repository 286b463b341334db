#pragma once

// Where the API server is and who we are: from a kubeconfig or from a pod's service account.
//
// Every error is for the person who starts the program: it names the file, the field, the value and the remedy.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client.h"

namespace berth::kube {

struct Config {
  std::string server;  // "https://10.0.0.1:6443"; no '/' at the end, may have a path
  http::ClientTls tls;
  std::string proxy;       // URL, or empty
  std::string token;       // bearer token, or empty
  std::string token_file;  // instead of token: read again as it is rotated
  std::string ns = "default";
  std::string origin;  // "~/.kube/config, context admin": for messages
};

// A kubeconfig's text. `file` is its name, for messages, and the folder from which
// relative file names in it are meant. context: empty takes current-context. Errors: invalid.
[[nodiscard]] Result<Config> parse_kubeconfig(std::string_view text, const std::filesystem::path& file,
                                              const std::string& context = {});

// Several kubeconfigs as one, as kubectl merges $KUBECONFIG: of two entries of one name, and of two values of
// current-context, the first counts. Files that do not exist are left out unless none does: then not_found.
[[nodiscard]] Result<Config> load_kubeconfig(const std::vector<std::filesystem::path>& files,
                                             const std::string& context = {});

// What the kubelet gives every pod. Errors: not_found (this is no pod), invalid.
struct PodEnvironment {
  std::filesystem::path folder = "/var/run/secrets/kubernetes.io/serviceaccount";  // token, ca.crt, namespace
  std::string host;                                                                // $KUBERNETES_SERVICE_HOST
  std::string port;                                                                // $KUBERNETES_SERVICE_PORT
};
[[nodiscard]] PodEnvironment pod_environment();
[[nodiscard]] Result<Config> in_cluster_config(const PodEnvironment& pod);

// As kubectl looks for it: the file that was named (--kubeconfig), else $KUBECONFIG, else the pod's service account,
// else
// ~/.kube/config.
[[nodiscard]] Result<Config> find_config(const std::string& named, const std::string& context = {});

}  // namespace berth::kube
