#include "kube/config.h"

#include <fmt/core.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "api/json.h"
#include "api/yaml.h"
#include "base/base64.h"

namespace berth::kube {
namespace {

namespace fs = std::filesystem;

// One named entry of clusters, users or contexts, and the file that it came from.
struct Entry {
  boost::json::object fields;
  fs::path file;
  std::string path;  // "users[admin]": for messages

  [[nodiscard]] tl::unexpected<Error> bad(std::string_view field, std::string_view what) const {
    return fail(ErrorCode::invalid, fmt::format("{}: {}.{}: {}", file.string(), path, field, what));
  }
};

struct Kubeconfig {
  std::map<std::string, Entry> clusters;
  std::map<std::string, Entry> users;
  std::map<std::string, Entry> contexts;
  std::string current_context;
  std::string files;  // for messages
};

Result<std::string> read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || fs::is_directory(file) || !(text << in.rdbuf() || in.peek() == std::ifstream::traits_type::eof())) {
    std::error_code ec;
    const bool exists = fs::exists(file, ec);
    return fail(exists ? ErrorCode::invalid : ErrorCode::not_found,
                fmt::format("{}: {}", file.string(), exists ? "cannot be read" : "no such file"));
  }
  return std::move(text).str();
}

std::string names_of(const std::map<std::string, Entry>& entries) {
  std::string names;
  for (const auto& [name, entry] : entries) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "none" : names;
}

Status add_entries(const boost::json::object& top, const fs::path& file, const std::string& plural,
                   const std::string& singular, std::map<std::string, Entry>& out) {
  const auto* list = top.if_contains(plural);
  if (list == nullptr || list->is_null()) return {};
  if (!list->is_array()) {
    return fail(ErrorCode::invalid,
                fmt::format("{}: {}: must be a list of names and {}s", file.string(), plural, singular));
  }
  for (std::size_t i = 0; i < list->as_array().size(); ++i) {
    const auto* item = list->as_array()[i].if_object();
    const std::string name = item == nullptr ? std::string() : api::string_at(*item, {"name"});
    if (name.empty()) {
      return fail(ErrorCode::invalid,
                  fmt::format("{}: {}[{}].name: is missing; every entry needs one", file.string(), plural, i));
    }
    const auto* fields = item->if_contains(singular);
    if (fields != nullptr && !fields->is_object() && !fields->is_null()) {
      return fail(ErrorCode::invalid,
                  fmt::format("{}: {}[{}].{}: must be a map", file.string(), plural, name, singular));
    }
    Entry entry{fields != nullptr && fields->is_object() ? fields->as_object() : boost::json::object(), file,
                fmt::format("{}[{}]", plural, name)};
    out.try_emplace(name, std::move(entry));
  }
  return {};
}

Status add_file(std::string_view text, const fs::path& file, Kubeconfig& out) {
  auto documents = api::parse_yaml(text);
  if (!documents) return fail(documents.error().with_context(file.string()));
  const auto bad = [&](std::string_view what) {
    return fail(ErrorCode::invalid, fmt::format("{}: not a kubeconfig: {}", file.string(), what));
  };
  if (documents->empty()) return bad("the file is empty");
  if (documents->size() > 1) return bad("it holds more than one YAML document");
  const auto* top = documents->front().if_object();
  if (top == nullptr) return bad("it is not a map with clusters, users and contexts");
  if (const auto kind = api::string_at(*top, {"kind"}); !kind.empty() && kind != "Config") {
    return bad(fmt::format("its kind is \"{}\", not \"Config\"", kind));
  }
  if (out.current_context.empty()) out.current_context = api::string_at(*top, {"current-context"});
  out.files += (out.files.empty() ? "" : ", ") + file.string();
  if (auto status = add_entries(*top, file, "clusters", "cluster", out.clusters); !status) return status;
  if (auto status = add_entries(*top, file, "users", "user", out.users); !status) return status;
  return add_entries(*top, file, "contexts", "context", out.contexts);
}

// A text field; absent and null are empty.
Result<std::string> text_at(const Entry& entry, std::string_view field) {
  const auto* value = entry.fields.if_contains(field);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) return entry.bad(field, "must be a text; put it in quotes");
  return std::string(value->as_string());
}

Result<bool> flag_at(const Entry& entry, std::string_view field) {
  const auto* value = entry.fields.if_contains(field);
  if (value == nullptr || value->is_null()) return false;
  if (!value->is_bool()) return entry.bad(field, "must be true or false");
  return value->as_bool();
}

// The PEM of `field`-data (base64), or of the file that `field` names; empty if neither is there.
Result<std::string> pem_at(const Entry& entry, const std::string& field) {
  const std::string data_field = field + "-data";
  auto data = text_at(entry, data_field);
  if (!data) return data;
  if (!data->empty()) {
    auto decoded = base64_decode(*data);
    if (!decoded) return entry.bad(data_field, "is not base64; encode the PEM file with `base64 -w0`");
    return std::move(*decoded);
  }
  auto name = text_at(entry, field);
  if (!name || name->empty()) return name;
  auto content = read_file(entry.file.parent_path() / *name);
  if (!content)
    return entry.bad(field, fmt::format("{}; correct the path, or give {}", content.error().message, data_field));
  return content;
}

Status take_server(const Entry& entry, Config& config) {
  auto server = text_at(entry, "server");
  if (!server) return fail(server.error());
  if (server->empty()) return entry.bad("server", "is missing; give the URL of the API server");
  while (server->ends_with('/')) server->pop_back();
  const auto scheme = server->find("://");
  const bool known = server->starts_with("https://") || server->starts_with("http://");
  if (!known || scheme + 3 >= server->size() || server->find_first_of(" \t\n?#") != std::string::npos) {
    return entry.bad("server", fmt::format("\"{}\" is not a URL such as https://10.0.0.1:6443", *server));
  }
  config.server = std::move(*server);
  return {};
}

Status take_cluster(const Entry& entry, Config& config) {
  if (auto status = take_server(entry, config); !status) return status;
  auto authority = pem_at(entry, "certificate-authority");
  if (!authority) return fail(authority.error());
  auto skip = flag_at(entry, "insecure-skip-tls-verify");
  if (!skip) return fail(skip.error());
  if (*skip && !authority->empty()) {
    return entry.bad("insecure-skip-tls-verify", "contradicts certificate-authority; remove one of them");
  }
  auto server_name = text_at(entry, "tls-server-name");
  if (!server_name) return fail(server_name.error());
  auto proxy = text_at(entry, "proxy-url");
  if (!proxy) return fail(proxy.error());
  config.tls.authority = std::move(*authority);
  config.tls.verify = !*skip;
  config.tls.server_name = std::move(*server_name);
  config.proxy = std::move(*proxy);
  if (auto status = http::check_tls(config.tls); !status)
    return entry.bad("certificate-authority", status.error().message);
  return {};
}

Status refuse_what_is_not_supported(const Entry& entry) {
  for (const auto* field :
       {"exec", "auth-provider", "as", "as-uid", "as-groups", "as-user-extra", "username", "password"}) {
    const auto* value = entry.fields.if_contains(field);
    if (value != nullptr && !value->is_null()) {
      return entry.bad(field,
                       "is not supported; use a client certificate, a token (`kubectl create token`) or tokenFile");
    }
  }
  return {};
}

Status take_user(const Entry& entry, Config& config) {
  if (auto status = refuse_what_is_not_supported(entry); !status) return status;
  auto certificate = pem_at(entry, "client-certificate");
  if (!certificate) return fail(certificate.error());
  auto key = pem_at(entry, "client-key");
  if (!key) return fail(key.error());
  auto token = text_at(entry, "token");
  if (!token) return fail(token.error());
  auto token_file = text_at(entry, "tokenFile");
  if (!token_file) return fail(token_file.error());
  config.tls.certificate = std::move(*certificate);
  config.tls.key = std::move(*key);
  http::ClientTls identity;
  identity.certificate = config.tls.certificate;
  identity.key = config.tls.key;
  if (auto status = http::check_tls(identity); !status) return entry.bad("client-certificate", status.error().message);
  if (token->find_first_of(" \t\r\n") != std::string::npos) {
    return entry.bad("token", "holds white space; a bearer token is one word");
  }
  if (!token_file->empty()) {
    const fs::path path = entry.file.parent_path() / *token_file;
    if (auto content = read_file(path); !content) {
      return entry.bad("tokenFile", fmt::format("{}; correct the path", content.error().message));
    }
    config.token_file = path.string();
  } else {
    config.token = std::move(*token);
  }
  return {};
}

Result<const Entry*> entry_of(const Entry& context, std::string_view field, const std::map<std::string, Entry>& entries,
                              std::string_view plural) {
  auto name = text_at(context, field);
  if (!name) return fail(name.error());
  if (name->empty()) return nullptr;
  const auto it = entries.find(*name);
  if (it == entries.end()) {
    return context.bad(field, fmt::format("\"{}\" is not among the {} ({})", *name, plural, names_of(entries)));
  }
  return &it->second;
}

Result<Config> resolve(const Kubeconfig& all, const std::string& wanted) {
  const std::string name = wanted.empty() ? all.current_context : wanted;
  if (name.empty()) {
    return fail(ErrorCode::invalid,
                fmt::format("{}: current-context: is not set; set it, or name one of the contexts ({})", all.files,
                            names_of(all.contexts)));
  }
  const auto it = all.contexts.find(name);
  if (it == all.contexts.end()) {
    return fail(ErrorCode::invalid,
                fmt::format("{}: {}: \"{}\" is not among the contexts ({})", all.files,
                            wanted.empty() ? "current-context" : "context", name, names_of(all.contexts)));
  }
  const Entry& context = it->second;
  Config config;
  config.origin = fmt::format("{}, context {}", context.file.string(), name);
  const auto cluster = entry_of(context, "cluster", all.clusters, "clusters");
  if (!cluster) return fail(cluster.error());
  if (*cluster == nullptr)
    return context.bad("cluster", fmt::format("is missing; name one of the clusters ({})", names_of(all.clusters)));
  if (auto status = take_cluster(**cluster, config); !status) return fail(status.error());
  const auto user = entry_of(context, "user", all.users, "users");
  if (!user) return fail(user.error());
  if (*user != nullptr) {
    if (auto status = take_user(**user, config); !status) return fail(status.error());
  }
  auto ns = text_at(context, "namespace");
  if (!ns) return fail(ns.error());
  if (!ns->empty()) config.ns = std::move(*ns);
  return config;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  text.erase(0, text.find_first_not_of(" \t\r\n"));
  return text;
}

}  // namespace

Result<Config> parse_kubeconfig(std::string_view text, const fs::path& file, const std::string& context) {
  Kubeconfig all;
  if (auto status = add_file(text, file, all); !status) return fail(status.error());
  return resolve(all, context);
}

Result<Config> load_kubeconfig(const std::vector<fs::path>& files, const std::string& context) {
  Kubeconfig all;
  std::string missing;
  for (const auto& file : files) {
    const auto text = read_file(file);
    if (!text && text.error().code == ErrorCode::not_found) {
      missing += (missing.empty() ? "" : "; ") + text.error().message;
      continue;
    }
    if (!text) return fail(text.error().with_context("kubeconfig"));
    if (auto status = add_file(*text, file, all); !status) return fail(status.error());
  }
  if (all.files.empty()) {
    return fail(ErrorCode::not_found, fmt::format("kubeconfig: {}; give the path of one with --kubeconfig",
                                                  missing.empty() ? "no file was named" : missing));
  }
  return resolve(all, context);
}

PodEnvironment pod_environment() {
  PodEnvironment pod;
  pod.host = environment("KUBERNETES_SERVICE_HOST");
  pod.port = environment("KUBERNETES_SERVICE_PORT");
  return pod;
}

Result<Config> in_cluster_config(const PodEnvironment& pod) {
  if (pod.host.empty() || pod.port.empty()) {
    return fail(ErrorCode::not_found,
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is not a pod");
  }
  Config config;
  config.origin = "the pod's service account";
  config.server = pod.host.find(':') != std::string::npos ? fmt::format("https://[{}]:{}", pod.host, pod.port)
                                                          : fmt::format("https://{}:{}", pod.host, pod.port);
  config.token_file = (pod.folder / "token").string();
  if (auto token = read_file(config.token_file); !token) {
    return fail(ErrorCode::invalid,
                fmt::format("{}; does the pod set automountServiceAccountToken: false?", token.error().message));
  }
  auto authority = read_file(pod.folder / "ca.crt");
  if (!authority) return fail(ErrorCode::invalid, std::move(authority.error().message));
  config.tls.authority = std::move(*authority);
  if (auto status = http::check_tls(config.tls); !status) {
    return fail(status.error().with_context((pod.folder / "ca.crt").string()));
  }
  if (auto ns = read_file(pod.folder / "namespace"); ns && !trimmed(*ns).empty()) config.ns = trimmed(std::move(*ns));
  return config;
}

Result<Config> find_config(const std::string& named, const std::string& context) {
  if (!named.empty()) return load_kubeconfig({named}, context);
  if (const auto list = environment("KUBECONFIG"); !list.empty()) {
    std::vector<fs::path> files;
    for (const auto& file : api::split_list(list, ':')) files.emplace_back(file);
    return load_kubeconfig(files, context);
  }
  if (const auto pod = pod_environment(); !pod.host.empty()) return in_cluster_config(pod);
  const auto home = environment("HOME");
  return load_kubeconfig({fs::path(home.empty() ? "/root" : home) / ".kube" / "config"}, context);
}

}  // namespace berth::kube
