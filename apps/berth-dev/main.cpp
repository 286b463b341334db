// berth-dev: the embedded cluster, for people, tests and the demo.

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>

#include "base/log.h"
#include "dev/cluster/embedded_cluster.h"
#include "dev/demo/command.h"

namespace {

using berth::dev::ClusterOptions;
using berth::dev::EmbeddedCluster;

constexpr std::chrono::seconds kEndsWithin{30};

// Exit statuses: what was asked for makes no sense; it does, but did not work.
constexpr int kBadArguments = 2;
constexpr int kFailed = 1;

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

int complain(const berth::Error& error) {
  std::cerr << "berth-dev: " << error.message << '\n';
  return error.code == berth::ErrorCode::invalid ? kBadArguments : kFailed;
}

void begin_logging() { berth::log::init({berth::log::Format::text, berth::log::Level::info, "berth-dev"}); }

// One subcommand: run() after its options have been parsed.
struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;
};

int run_up(ClusterOptions options) {
  begin_logging();
  if (options.datapath && options.nodes > 0 && ::geteuid() != 0) {
    std::cerr << "berth-dev: not root: the data path (Open vSwitch, the pods' network namespaces, CNI) is left out, "
                 "as with --no-datapath\n";
    options.datapath = false;
  }
  auto cluster = EmbeddedCluster::start(std::move(options));
  if (!cluster) return complain(cluster.error());
  std::cout << "ready kubeconfig=" << (*cluster)->kubeconfig() << " ovn-nb=" << (*cluster)->northbound() << std::endl;
  const auto signals = ending_signals();
  int signal = 0;
  sigwait(&signals, &signal);
  if (auto stopped = (*cluster)->stop(); !stopped) return complain(stopped.error());
  return 0;
}

Command declare_up(CLI::App& app) {
  auto* up =
      app.add_subcommand("up", "Start a cluster; prints one line when it is ready, runs until SIGTERM or SIGINT");
  auto options = std::make_shared<ClusterOptions>();
  up->add_option("--dir", options->dir, "Run directory: made if need be, left as it was")->required();
  up->add_option("--nodes", options->nodes, "Number of nodes")->capture_default_str();
  up->add_option("--kubernetes", options->kubernetes,
                 "Folder with kube-apiserver, kube-controller-manager and kube-scheduler, to be run in place of the "
                 "embedded API; needs --no-datapath");
  up->add_option("--api-port", options->api_port, "Port of the API server on 127.0.0.1; 0: any free one")
      ->capture_default_str();
  up->add_option("--kubeconfig-out", options->kubeconfig_out, "Where to write the kubeconfig; else DIR/kubeconfig");
  up->add_option("--logs", options->logs, "Folder for logs, which stay; else DIR/logs, which goes");
  up->add_flag("!--no-datapath", options->datapath, "No Open vSwitch and namespaces: pods are only reported");
  up->add_flag("!--no-controller", options->controller, "Leave berth-controller to be started by hand");
  return {up, [options] { return run_up(*options); }};
}

Command declare_down(CLI::App& app) {
  auto* down =
      app.add_subcommand("down", "End the cluster in a directory, and remove what one that crashed left there");
  auto dir = std::make_shared<std::string>();
  down->add_option("--dir", *dir, "Run directory")->required();
  return {down, [dir] {
            begin_logging();
            const auto ended = berth::dev::end_cluster(*dir, kEndsWithin);
            return ended ? 0 : complain(ended.error());
          }};
}

Command declare_demo(CLI::App& app) {
  auto* demo =
      app.add_subcommand("demo", "Play the tenant chart on a cluster of its own, verify it, and give a verdict");
  auto options = std::make_shared<berth::dev::DemoCommand>();
  demo->add_option("--report", options->report, "File for a report in JSON");
  demo->add_flag("--keep", options->keep, "Leave the cluster and the last tenant running until SIGTERM or SIGINT");
  demo->add_flag("--sabotage", options->sabotage, "Without late binding and confirmations: must end in exit status 1");
  demo->add_flag("--kill-controller", options->kill_controller, "Kill berth-controller at random moments");
  demo->add_flag("!--no-datapath", options->datapath, "Pods get addresses, but are not wired");
  demo->add_option("--helm", options->helm, "Helm 3; else helm on PATH; without one berth-dev sends the objects itself")
      ->envname("BERTH_HELM");
  demo->add_option("--chart", options->chart, "Folder of the tenant chart; else examples/tenant of the source tree");
  demo->add_option("--dir", options->dir,
                   "Run directory of the cluster, its logs in DIR-logs; else in the build folder");
  return {demo, [options] {
            berth::log::init({berth::log::Format::text, berth::log::Level::error, "berth-dev"});
            return berth::dev::run_demo_command(*options);
          }};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A Kubernetes-compatible cluster in one process, with OVN and nodes as network namespaces."};
  app.require_subcommand(1);
  const Command commands[] = {declare_up(app), declare_down(app), declare_demo(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadArguments;
  }
  // Before any thread is started: all of them leave these signals to sigwait().
  const auto signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  for (const auto& command : commands) {
    if (command.app->parsed()) return command.run();
  }
  return kBadArguments;
}
