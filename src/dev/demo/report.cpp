#include "dev/demo/report.h"

#include <fmt/core.h>

#include <algorithm>

#include <boost/json/array.hpp>

#include "api/json.h"
#include "dev/demo/table.h"

namespace berth::dev {

namespace {

std::string or_dash(std::string text) { return text.empty() ? "-" : text; }

std::string hook_of(const MeantPods* meant, const SeenPod& pod, bool datapath) {
  if (meant == nullptr || !meant->hook) return "-";
  if (!datapath) return "not run";
  return pod.ready && pod.restarts == 0 && pod.hook_failures.empty() ? "ok" : "failed";
}

// "4 of 5", or "5" if all hold.
std::string tally(const Verdict& verdict, const std::string& what) {
  const std::size_t all = verdict.count(what);
  const auto held = static_cast<std::size_t>(
      std::ranges::count_if(verdict.checks, [&](const Check& check) { return check.what == what && check.holds; }));
  return held == all ? std::to_string(all) : fmt::format("{} of {}", held, all);
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

boost::json::array failures_of(const Verdict& verdict) {
  boost::json::array failures;
  for (const Check& check : verdict.failures()) {
    failures.push_back({{"what", check.what}, {"subject", check.subject}, {"detail", check.detail}});
  }
  return failures;
}

boost::json::object to_json(const PodRow& row) {
  return {{"namespace", row.ns},    {"pod", row.pod},       {"node", row.node}, {"subnet", row.subnet},
          {"address", row.address}, {"waited", row.waited}, {"hook", row.hook}};
}

boost::json::object to_json(const PlayReport& play) {
  boost::json::array pods;
  for (const PodRow& row : play.rows) pods.push_back(to_json(row));
  return {{"title", play.title},
          {"holds", play.holds()},
          {"seconds", seconds(play.took)},
          {"error", play.error},
          {"repeats", play.repeats},
          {"pods", std::move(pods)},
          {"checks", play.up.checks.size() + play.gone.checks.size()},
          {"failures", failures_of(play.up)},
          {"leftBehind", failures_of(play.gone)}};
}

}  // namespace

bool DemoReport::holds() const {
  return error.empty() && plays_meant > 0 && plays.size() == plays_meant &&
         std::ranges::all_of(plays, &PlayReport::holds);
}

std::vector<PodRow> rows_of(const Expectation& expectation, const Observation& seen,
                            const std::map<std::string, PodStory>& stories) {
  std::vector<PodRow> rows;
  for (const SeenPod& pod : seen.pods) {
    const auto port = std::ranges::find(seen.ports, fmt::format("{}.{}", pod.name, pod.ns), &SeenPort::name);
    const auto story = stories.find(pod.uid);
    PodRow row;
    row.ns = pod.ns;
    row.pod = pod.name;
    row.node = or_dash(pod.node);
    row.subnet = or_dash(port == seen.ports.end() ? "" : port->logical_switch);
    row.address = or_dash(api::join(pod.addresses, ","));
    const bool bound = story != stories.end() && story->second.bound.has_value();
    row.waited = bound ? format_duration(story->second.waited(*story->second.bound)) : "-";
    row.hook = hook_of(meant_for(expectation, pod), pod, seen.datapath);
    rows.push_back(std::move(row));
  }
  std::ranges::sort(rows, {}, [](const PodRow& row) { return std::tie(row.ns, row.pod); });
  return rows;
}

std::vector<std::string> table_of(const std::vector<PodRow>& rows) {
  std::vector<std::vector<std::string>> cells;
  for (const PodRow& row : rows) {
    cells.push_back({row.ns, row.pod, row.node, row.subnet, row.address, row.waited, row.hook});
  }
  return format_table({"namespace", "pod", "node", "subnet", "address", "waited", "hook"}, cells);
}

std::vector<std::string> summary_of(const PlayReport& play) {
  std::vector<std::string> lines;
  if (!play.error.empty()) lines.push_back(play.error);
  std::vector<std::string> tallies;
  const auto add = [&](const std::string& what, std::string_view says) {
    if (play.up.count(what) > 0) tallies.push_back(fmt::format("{} {}", tally(play.up, what), says));
  };
  add("address", "pods with an address of the Subnet meant for them");
  add("hook", "hooks succeeded");
  add("ping", "pings answered");
  if (!tallies.empty()) lines.push_back(api::join(tallies, ", "));
  for (const Verdict* verdict : {&play.up, &play.gone}) {
    for (const Check& check : verdict->failures()) {
      lines.push_back(fmt::format("{}: {}: {}", check.what, check.subject, check.detail));
    }
  }
  if (play.gone.holds()) lines.emplace_back("deleted at once, and nothing is left");
  return lines;
}

boost::json::object to_json(const DemoReport& report) {
  boost::json::array plays;
  for (const PlayReport& play : report.plays) plays.push_back(to_json(play));
  return {{"holds", report.holds()},
          {"sender", {{"name", report.helm ? "helm" : "berth-dev"}, {"is", report.sender}}},
          {"datapath", report.datapath},
          {"sabotage", report.sabotage},
          {"controllerKills", report.controller_kills},
          {"seconds", seconds(report.took)},
          {"error", report.error},
          {"plays", std::move(plays)}};
}

}  // namespace berth::dev
