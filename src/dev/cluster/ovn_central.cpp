#include "dev/cluster/ovn_central.h"

#include <fmt/format.h>

#include "dev/process/ovsdb_process.h"

namespace berth::dev {

namespace {

constexpr std::chrono::seconds kStopGrace{5};
constexpr std::chrono::seconds kCommand{40};

OvsdbProcess database(const RunDir& dir, const std::string& short_name) {
  return {.name = "ovn-" + short_name,
          .schema = fmt::format("/usr/share/ovn/ovn-{}.ovsschema", short_name),
          .database = dir.path(fmt::format("ovn/{}.db", short_name)),
          .socket = dir.path(fmt::format("ovn/{}.sock", short_name)),
          .control = dir.path(fmt::format("ovn/{}.ctl", short_name)),
          .log_file = dir.log_of("ovn-" + short_name)};
}

}  // namespace

Result<std::unique_ptr<OvnCentral>> OvnCentral::start(Supervisor& supervisor, const RunDir& dir) {
  std::unique_ptr<OvnCentral> central(new OvnCentral(supervisor));
  for (const char* name : {"nb", "sb"}) {
    auto id = start_ovsdb(supervisor, database(dir, name));
    if (!id) return fail(id.error());
    central->processes_.push_back(*id);
  }
  central->northbound_ = "unix:" + dir.path("ovn/nb.sock");
  central->southbound_ = "unix:" + dir.path("ovn/sb.sock");
  auto northd = supervisor.start(
      {.name = "ovn-northd",
       .argv = {"ovn-northd", "--ovnnb-db=" + central->northbound_, "--ovnsb-db=" + central->southbound_,
                "--unixctl=" + dir.path("ovn/northd.ctl"), "--no-chdir"},
       .log_file = dir.log_of("ovn-northd")},
      {});
  if (!northd) return fail(northd.error());
  central->processes_.push_back(*northd);
  return central;
}

OvnCentral::~OvnCentral() { supervisor_.stop_and_wait(processes_, kStopGrace); }

Status OvnCentral::await_chassis(const std::string& name) {
  auto waited = run_command(
      supervisor_, {.name = "ovn-sbctl",
                    .argv = {"ovn-sbctl", "--db=" + southbound_, "--timeout=30", "wait-until", "Chassis", name},
                    .timeout = kCommand});
  if (!waited) return fail(waited.error().with_context(fmt::format("chassis {} does not appear", name)));
  return {};
}

}  // namespace berth::dev
