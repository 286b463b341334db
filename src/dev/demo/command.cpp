#include "dev/demo/command.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string_view>
#include <system_error>
#include <thread>

#include <boost/json/serialize.hpp>

#include "api/json.h"
#include "dev/cluster/embedded_cluster.h"
#include "dev/demo/demo.h"
#include "dev/demo/table.h"

namespace berth::dev {

namespace {

namespace fs = std::filesystem;

using Tone = Screen::Tone;

// The folder that `bin/berth-dev` lies in.
fs::path build_folder() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path().parent_path();
}

// Stays after the demo, and the next one begins anew. Beside the cluster's directory, if one was named.
fs::path logs_folder(const DemoCommand& command) {
  return command.dir.empty() ? build_folder() / "demo-logs" : fs::path(command.dir + "-logs");
}

fs::path chart_folder(const DemoCommand& command) {
  return command.chart.empty() ? build_folder().parent_path() / "examples" / "tenant" : fs::path(command.chart);
}

// `helm`, wherever PATH has it; empty if it has none.
std::string find_helm(const DemoCommand& command) {
  if (!command.helm.empty()) return command.helm;
  const char* path = std::getenv("PATH");
  for (const std::string& folder : api::split_list(path == nullptr ? "" : path, ':')) {
    const fs::path candidate = fs::path(folder) / "helm";
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

// Requests a stop when SIGINT or SIGTERM comes.
class SignalWatch {
 public:
  SignalWatch() {
    thread_ = std::jthread([this](const std::stop_token& over) {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGINT);
      sigaddset(&set, SIGTERM);
      const timespec tick{0, 100'000'000};
      while (!over.stop_requested()) {
        if (sigtimedwait(&set, nullptr, &tick) > 0) stop_.request_stop();
      }
    });
  }

  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

  // Returns when a signal has come.
  void wait() const {
    std::mutex mutex;
    std::condition_variable_any come;
    std::unique_lock lock(mutex);
    come.wait(lock, stop_.get_token(), [] { return false; });
  }

 private:
  std::stop_source stop_;
  std::jthread thread_;
};

Stage stage_of(EmbeddedCluster& cluster, Api::MakeTransport transport, const DemoCommand& command, bool datapath) {
  Stage stage;
  stage.transport = std::move(transport);
  stage.places.ovn_nb = cluster.northbound();
  stage.places.datapath = datapath;
  for (const auto& node : cluster.nodes()) stage.places.nodes.push_back({node.name, node.netns, node.ovs_db});
  stage.places.netns_of = [&cluster](const SeenPod& pod) { return cluster.namespace_of_pod(pod.uid); };
  stage.places.pod_netns = [&cluster] { return cluster.pod_namespaces(); };
  stage.kubeconfig = cluster.kubeconfig();
  stage.scratch = cluster.scratch();
  if (command.kill_controller) stage.crash_controller = [&cluster] { return cluster.crash_controller(); };
  return stage;
}

ClusterOptions cluster_options(const DemoCommand& command, bool datapath) {
  ClusterOptions options;
  options.dir = command.dir.empty() ? build_folder() / "run" / "demo" : fs::path(command.dir);
  options.datapath = datapath;
  options.logs = logs_folder(command);
  if (command.sabotage) {
    options.controller_flags = {"--unsafe-no-late-binding", "--unsafe-skip-confirmation"};
    options.agent_flags = {"--unsafe-skip-confirmation"};
  }
  return options;
}

void show_verdict(const DemoReport& report, Screen& screen) {
  screen.line("");
  if (!report.error.empty()) screen.line(report.error, Tone::bad);
  std::size_t held = 0;
  for (const PlayReport& play : report.plays) held += play.holds() ? 1 : 0;
  const std::string crashes =
      report.controller_kills == 0 ? "" : fmt::format(", the controller killed {} times", report.controller_kills);
  screen.line(fmt::format("{}: {} of {} plays as meant{}, {}", report.holds() ? "VERDICT good" : "VERDICT BAD", held,
                          report.plays_meant, crashes, format_duration(report.took)),
              report.holds() ? Tone::good : Tone::bad);
}

bool write_report(const DemoReport& report, const std::string& file, Screen& screen) {
  if (file.empty()) return true;
  std::ofstream out(file);
  out << boost::json::serialize(to_json(report)) << '\n';
  out.close();
  if (!out) screen.line(fmt::format("cannot write the report to {}", file), Tone::bad);
  return static_cast<bool>(out);
}

// What makes no sense is said before anything is started.
Status check(const DemoCommand& command) {
  const fs::path chart = chart_folder(command);
  if (std::error_code error; !fs::exists(chart / "Chart.yaml", error)) {
    return fail(ErrorCode::invalid, fmt::format("--chart {}: has no Chart.yaml; name the folder of the tenant chart "
                                                "(examples/tenant of the source tree)",
                                                chart.string()));
  }
  if (!command.helm.empty() && command.helm.find('/') != std::string::npos &&
      ::access(command.helm.c_str(), X_OK) != 0) {
    return fail(ErrorCode::invalid,
                fmt::format("--helm {}: {}; name Helm 3, or leave the flag out", command.helm, std::strerror(errno)));
  }
  if (!command.report.empty()) {
    std::ofstream probe(command.report, std::ios::app);
    if (!probe)
      return fail(ErrorCode::invalid, fmt::format("--report {}: {}; name a file that can be written", command.report,
                                                  std::strerror(errno)));
  }
  return {};
}

void keep_running(const EmbeddedCluster& cluster, const SignalWatch& signals, Screen& screen) {
  screen.line("");
  screen.line("The cluster goes on until Ctrl-C. In another shell:");
  screen.line(fmt::format("  export KUBECONFIG={}", cluster.kubeconfig()));
  screen.line("  kubectl get pods -A -o wide");
  screen.line("  kubectl get subnets,ips");
  screen.line("  kubectl describe pod -n tenant-web fixed");
  screen.line(fmt::format("  ovn-nbctl --db={} show", cluster.northbound()));
  signals.wait();
}

}  // namespace

int run_demo_command(const DemoCommand& command) {
  Screen screen(stdout, ::isatty(STDOUT_FILENO) == 1);
  if (const Status sensible = check(command); !sensible) {
    screen.line(sensible.error().message, Tone::bad);
    return 2;
  }
  const SignalWatch signals;
  const bool datapath = command.datapath && ::geteuid() == 0;
  if (command.datapath && !datapath) {
    screen.line(
        "not root: the data path is left out, so pods get addresses but are not wired, hooks do not run, "
        "and there are no pings");
  }

  const TimePoint began = boot_time();
  screen.line("Starts a cluster: API, OVN, two nodes, berth-controller, berth-agent", Tone::title);
  std::error_code ignored;
  fs::remove_all(logs_folder(command), ignored);
  auto cluster = EmbeddedCluster::start(cluster_options(command, datapath));
  if (!cluster) {
    screen.line(cluster.error().message, Tone::bad);
    return 2;
  }
  screen.line(fmt::format("the cluster is ready after {}", format_duration(boot_time() - began)));

  auto transport = Api::over_https((*cluster)->kubeconfig());
  if (!transport) {
    screen.line(transport.error().message, Tone::bad);
    return 2;
  }
  DemoOptions options;
  options.chart = chart_folder(command);
  options.helm = find_helm(command);
  options.sabotage = command.sabotage;
  options.keep = command.keep;
  options.stop = signals.token();
  Supervisor& supervisor = (*cluster)->supervisor();
  DemoReport report =
      run_demo(stage_of(**cluster, std::move(*transport), command, datapath), options, supervisor, screen);
  report.took = boot_time() - began;

  show_verdict(report, screen);
  const bool written = write_report(report, command.report, screen);
  if (!report.holds()) screen.line(fmt::format("the logs of all programs are in {}", logs_folder(command).string()));
  if (command.keep && !signals.token().stop_requested()) keep_running(**cluster, signals, screen);
  const Status stopped = (*cluster)->stop();
  if (!stopped) screen.line(fmt::format("not everything could be removed: {}", stopped.error().message), Tone::bad);
  return report.holds() && written && stopped ? 0 : 1;
}

}  // namespace berth::dev
