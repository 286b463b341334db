// berth-controller: decides which subnet and address each pod gets, and keeps OVN's northbound database. One of several
// replicas leads. Exit status: 0 stopped by a signal, 1 cannot go on, 2 a wrong flag, configuration file or kubeconfig.

#include <cstdio>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "controller/controller.h"
#include "controller/options.h"
#include "controller/stop_signals.h"
#include "kube/config.h"

namespace {

using namespace berth;

constexpr int kWrongInput = 2;

int refuse(const Error& error) {
  std::fprintf(stderr, "berth-controller: %s\n", error.message.c_str());
  return kWrongInput;
}

// The flags that were given, by name; `config` apart.
struct CommandLine {
  std::map<std::string, std::string, std::less<>> values;
  std::string config;
};

void declare(CLI::App& app, CommandLine& out) {
  app.add_option("--config", out.config, "Configuration file (YAML) with the same keys; flags win")->type_name("FILE");
  for (const auto& info : controller::option_infos()) {
    const std::string flag = "--" + std::string(info.name);
    std::string& value = out.values[std::string(info.name)];
    if (info.value.empty()) {
      app.add_flag(flag, value, std::string(info.help));
    } else {
      app.add_option(flag, value, std::string(info.help))->type_name(std::string(info.value))->take_last();
    }
  }
}

controller::GivenOptions given_in(const CLI::App& app, const CommandLine& line) {
  controller::GivenOptions out;
  for (const auto& [name, value] : line.values) {
    const std::string flag = "--" + name;
    if (app.get_option(flag)->count() > 0) out.emplace(name, controller::Given{value, flag});
  }
  return out;
}

Result<kube::Config> api_config(const controller::Options& options) {
  if (!options.kubeconfig.empty()) return kube::load_kubeconfig({options.kubeconfig});
  auto config = kube::in_cluster_config(kube::pod_environment());
  if (config) return config;
  return fail(config.error().code, config.error().message + "; give a kubeconfig with --kubeconfig FILE");
}

void say_what_is_unsafe(const controller::Options& options) {
  const auto& safeguards = options.settings.safeguards;
  if (!safeguards.late_binding) {
    log::error("UNSAFE: late binding is off (--unsafe-no-late-binding): pods will get addresses of the wrong subnet");
  }
  if (!safeguards.confirm) {
    log::error("UNSAFE: confirmation is off (--unsafe-skip-confirmation): outdated addresses will be delivered");
  }
}

int run(const controller::Options& options, const kube::Config& api) {
  controller::StopSignals signals;
  log::init(options.log);
  log::info("berth-controller starts", {{"api", api.server}, {"ovn-nb", options.ovn_nb}});
  say_what_is_unsafe(options);
  controller::Controller program(options, api);
  if (const auto status = program.open(); !status) return refuse(status.error());
  signals.on_stop([&program] { program.request_stop(); });
  const int status = program.run();
  signals.end();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Berth's controller: binds pods to subnets, and keeps OVN's northbound database.", "berth-controller");
  CommandLine line;
  declare(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);  // --help
  } catch (const CLI::ParseError& error) {
    return refuse({ErrorCode::invalid, std::string(error.what()) + "; see --help"});
  }
  controller::GivenOptions file;
  if (!line.config.empty()) {
    auto loaded = controller::load_config_file(line.config);
    if (!loaded) return refuse(loaded.error());
    file = std::move(*loaded);
  }
  const auto options = controller::make_options(given_in(app, line), file);
  if (!options) return refuse(options.error());
  const auto api = api_config(*options);
  if (!api) return refuse(api.error());
  return run(*options, *api);
}
