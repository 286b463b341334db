#include "dev/demo/sender.h"

#include <fmt/core.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "api/json.h"
#include "api/yaml.h"
#include "dev/demo/release_secret.h"

namespace berth::dev {

namespace {

constexpr auto kHelmTimeout = std::chrono::seconds(60);

class HelmSender final : public Sender {
 public:
  HelmSender(Supervisor& supervisor, HelmOptions helm, ChartOptions chart)
      : supervisor_(supervisor), helm_(std::move(helm)), chart_(std::move(chart)) {}

  Status find_version() {
    Result<std::string> printed = run({"version", "--template={{.Version}}"});
    if (!printed) return fail(std::move(printed.error()));
    version_ = std::move(*printed);
    return {};
  }

  std::string describe() const override { return fmt::format("helm {}", version_); }
  bool is_helm() const override { return true; }

  Status install(const Release& release) override { return send("install", release); }
  Status upgrade(const Release& release) override { return send("upgrade", release); }
  Status uninstall() override { return check(run({"uninstall", chart_.name, "--namespace", chart_.ns})); }

 private:
  Status send(const std::string& verb, const Release& release) {
    std::vector<std::string> words{verb, chart_.name, chart_.chart, "--namespace", chart_.ns};
    for (std::string& word : helm_values(release)) words.push_back(std::move(word));
    return check(run(std::move(words)));
  }

  Result<std::string> run(std::vector<std::string> words) {
    ProcessSpec spec;
    spec.name = "helm";
    spec.argv = {helm_.helm, "--kubeconfig", helm_.kubeconfig};
    spec.argv.insert(spec.argv.end(), words.begin(), words.end());
    for (const char* folder : {"CACHE", "CONFIG", "DATA"}) {
      spec.env.push_back(fmt::format("HELM_{}_HOME={}/{}", folder, helm_.home, folder));
    }
    spec.env.push_back("HOME=" + helm_.home);
    spec.timeout = kHelmTimeout;
    return run_command(supervisor_, std::move(spec));
  }

  static Status check(Result<std::string> printed) {
    if (!printed) return fail(std::move(printed.error()));
    return {};
  }

  Supervisor& supervisor_;
  HelmOptions helm_;
  ChartOptions chart_;
  std::string version_;
};

// Sends as Helm does, but by itself.
class ApiSender final : public Sender {
 public:
  ApiSender(Api& api, ChartOptions chart) : api_(api), chart_(std::move(chart)) {}

  std::string describe() const override { return "berth-dev, in Helm's order"; }
  bool is_helm() const override { return false; }

  Status install(const Release& release) override {
    revision_ = 0;
    return send(release, "pending-install");
  }

  Status upgrade(const Release& release) override { return send(release, "pending-upgrade"); }

  Status uninstall() override {
    for (const boost::json::value& object : uninstall_order(objects_)) {
      if (Status removed = remove(object.get_object()); !removed) return removed;
    }
    for (int revision = 1; revision <= revision_; ++revision) {
      api::Request request;
      request.verb = api::Verb::remove;
      request.kind = api::Kind::secret;
      request.ns = chart_.ns;
      request.name = release_secret_name(chart_.name, revision);
      if (Status removed = without(api_.call(std::move(request)), ErrorCode::not_found); !removed) return removed;
    }
    return {};
  }

 private:
  Status send(const Release& release, std::string_view pending) {
    Result<Objects> objects = rendered_objects(chart_.chart, release);
    if (!objects) return fail(std::move(objects.error()));
    objects_ = install_order(std::move(*objects));
    ++revision_;
    if (Status stored = store_release(api::Verb::create, pending); !stored) return stored;
    for (const boost::json::value& object : objects_) {
      if (Status created = create(object.get_object()); !created) return created;
    }
    return store_release(api::Verb::update, "deployed");
  }

  Status store_release(api::Verb verb, std::string_view status) {
    api::Request request;
    request.verb = verb;
    request.kind = api::Kind::secret;
    request.ns = chart_.ns;
    if (verb == api::Verb::update) request.name = release_secret_name(chart_.name, revision_);
    request.body = release_secret(chart_.ns, chart_.name, revision_, status, objects_);
    return without(api_.call(std::move(request)), std::nullopt);
  }

  // What is there already stays as it is: no step of a play changes an object.
  Status create(const boost::json::object& object) {
    Result<api::Request> request = request_for(api::Verb::create, object);
    if (!request) return fail(std::move(request.error()));
    boost::json::object body = object;
    body["metadata"].as_object()["labels"].emplace_object();
    for (const auto& [key, value] : api::string_map_at(object, {"metadata", "labels"})) {
      body["metadata"].as_object()["labels"].as_object()[key] = value;
    }
    body["metadata"].as_object()["labels"].as_object()["app.kubernetes.io/managed-by"] = "Helm";
    request->body = std::move(body);
    return without(api_.call(std::move(*request)), ErrorCode::already_exists);
  }

  Status remove(const boost::json::object& object) {
    Result<api::Request> request = request_for(api::Verb::remove, object);
    if (!request) return fail(std::move(request.error()));
    request->name = api::string_at(object, {"metadata", "name"});
    request->body = boost::json::object{{"propagationPolicy", "Background"}};
    return without(api_.call(std::move(*request)), ErrorCode::not_found);
  }

  static Result<api::Request> request_for(api::Verb verb, const boost::json::object& object) {
    const auto kind = api::kind_of(api::string_at(object, {"apiVersion"}), api::string_at(object, {"kind"}));
    if (!kind) {
      return fail(ErrorCode::invalid,
                  fmt::format("{} {}: a kind that only Helm can send here", api::string_at(object, {"kind"}),
                              api::string_at(object, {"metadata", "name"})));
    }
    api::Request request;
    request.verb = verb;
    request.kind = *kind;
    request.ns = api::string_at(object, {"metadata", "namespace"});
    return request;
  }

  static Status without(Result<boost::json::value> answer, std::optional<ErrorCode> harmless) {
    if (answer || answer.error().code == harmless) return {};
    return fail(std::move(answer.error()));
  }

  Api& api_;
  ChartOptions chart_;
  Objects objects_;   // sent last
  int revision_ = 0;  // of the release, as Helm counts
};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::not_found, fmt::format("cannot read {}", path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

Result<std::unique_ptr<Sender>> helm_sender(Supervisor& supervisor, HelmOptions helm, ChartOptions chart) {
  auto sender = std::make_unique<HelmSender>(supervisor, std::move(helm), std::move(chart));
  if (Status found = sender->find_version(); !found) return fail(std::move(found.error()));
  return sender;
}

Result<std::unique_ptr<Sender>> api_sender(Api& api, ChartOptions chart) {
  if (Result<Objects> objects = rendered_objects(chart.chart, Release{}); !objects)
    return fail(std::move(objects.error()));
  return std::make_unique<ApiSender>(api, std::move(chart));
}

Result<Objects> rendered_objects(const std::string& chart, const Release& release) {
  if (!release.expects_subnet.empty() && release.expects_subnet != "any") {
    return fail(ErrorCode::invalid,
                fmt::format("the chart is not rendered for expectsSubnet={}", release.expects_subnet));
  }
  const std::string path =
      fmt::format("{}/rendered/{}.yaml", chart, release.expects_subnet.empty() ? "plain" : "expecting");
  Result<std::string> text = read_file(path);
  if (!text) return fail(std::move(text.error()));
  Result<Objects> objects = api::parse_yaml(*text);
  if (!objects) return fail(objects.error().with_context(path));
  std::erase_if(*objects, [&](const boost::json::value& object) {
    if (!object.is_object()) return true;
    const std::string kind = api::string_at(object.get_object(), {"kind"});
    return (kind == "Subnet" && !release.subnets) || (kind == "Vpc" && !release.vpc);
  });
  return objects;
}

std::vector<std::string> helm_values(const Release& release) {
  return {"--set", fmt::format("subnets.enabled={},vpc.enabled={},expectsSubnet={}", release.subnets, release.vpc,
                               release.expects_subnet)};
}

}  // namespace berth::dev
