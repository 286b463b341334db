// berth-agent: one per node. Serves the CNI plugin, and wires pods once their address is confirmed.

#include <pthread.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <iostream>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "agent/daemon.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/config.h"

namespace {

struct Flags {
  std::string kubeconfig;
  std::string context;
  std::string node;
  std::string socket = "/run/berth/agent.sock";
  std::string ovs_db = "unix:/run/openvswitch/db.sock";
  std::string bridge = "br-int";
  std::string log_format = "text";
  std::string metrics_address;
  std::string conf_folder;
  double add_timeout = 30;
  int mtu = 0;
  bool unsafe = false;
};

void declare(CLI::App& app, Flags& flags) {
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "How to reach the API server; else as kubectl finds it, or the pod's service account");
  app.add_option("--context", flags.context, "Context of the kubeconfig; else its current one");
  app.add_option("--node", flags.node, "Name of this node's Node object")->envname("NODE_NAME")->required();
  app.add_option("--socket", flags.socket, "Unix socket that berth-cni calls")->capture_default_str();
  app.add_option("--ovs-db", flags.ovs_db, "This node's Open vSwitch database")->capture_default_str();
  app.add_option("--bridge", flags.bridge, "OVN's integration bridge")->capture_default_str();
  app.add_option("--mtu", flags.mtu, "MTU of pods where their Subnet says nothing; 0: what fits into the tunnel")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_option("--add-timeout", flags.add_timeout, "Seconds that an ADD waits for its pod's address")
      ->check(CLI::Range(0.1, 80.0))
      ->capture_default_str();
  app.add_option("--log-format", flags.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--metrics-addr", flags.metrics_address, "Address and port for Prometheus; else none");
  app.add_option(
      "--install-conf", flags.conf_folder,
      "Folder for the runtime's network configuration, such as /etc/cni/net.d; written when pods can be wired");
  app.add_flag("--unsafe-skip-confirmation", flags.unsafe,
               "Wire whatever pods' annotations say. Only to show what the confirmations are for");
}

int complain(const berth::Error& error, int status) {
  std::cerr << "berth-agent: " << error.message << '\n';
  return status;
}

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Ends the loop on SIGTERM and SIGINT, which every thread must have blocked by then.
std::thread stop_on_signal(berth::EventLoop& loop) {
  return std::thread([&loop] {
    const auto set = ending_signals();
    int signal = 0;
    sigwait(&set, &signal);
    loop.stop();
  });
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app{"Wires the pods of one node, once their address is confirmed."};
  declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  berth::log::init({flags.log_format == "json" ? berth::log::Format::json : berth::log::Format::text,
                    berth::log::Level::info, "berth-agent"});

  berth::agent::DaemonOptions options;
  auto config = berth::kube::find_config(flags.kubeconfig, flags.context);
  if (!config) return complain(config.error(), 2);
  options.api = std::move(*config);
  options.node = flags.node;
  options.socket = flags.socket;
  options.ovs_db = flags.ovs_db;
  options.wiring.bridge = flags.bridge;
  options.wiring.mtu = flags.mtu;
  options.add_timeout = std::chrono::milliseconds(std::llround(flags.add_timeout * 1000));
  options.confirm = !flags.unsafe;
  options.metrics_address = flags.metrics_address;
  options.conf_folder = flags.conf_folder;

  berth::EventLoop loop;
  auto daemon = berth::agent::Daemon::start(loop, std::move(options));
  if (!daemon) return complain(daemon.error(), daemon.error().code == berth::ErrorCode::invalid ? 2 : 1);
  auto stopper = stop_on_signal(loop);
  loop.run();
  stopper.join();
  daemon->reset();
  berth::log::info("stopped");
  return 0;
}
