#include "dev/cluster/run_dir.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace berth::dev {

namespace {

// Room for the longest that follows: "/nodes/<node>/run/openvswitch/ovn-controller.<pid>.ctl".
constexpr std::size_t kLongestRoot = 32;

Status make_link(Ledger& ledger, const std::string& link) {
  // Planted by somebody else, the link could lead anywhere.
  struct stat there{};
  if (::lstat(link.c_str(), &there) == 0) {
    return fail(ErrorCode::already_exists, fmt::format("{} is in the way; remove it", link));
  }
  if (auto added = ledger.add({.kind = LedgerRecord::Kind::file, .name = link}); !added) return fail(added.error());
  if (::symlink(ledger.dir().c_str(), link.c_str()) != 0) {
    return fail(ErrorCode::unavailable, fmt::format("link {}: {}", link, std::strerror(errno)));
  }
  return {};
}

}  // namespace

Result<RunDir> RunDir::make(Ledger& ledger, const std::string& logs, const std::string& links) {
  RunDir dir;
  dir.id_ = ledger.id();
  for (const std::string folder : {"logs", "nodes", "ovn"}) {
    if (folder == "logs" && !logs.empty()) continue;
    if (auto made = ledger.make_tree(ledger.dir() + "/" + folder); !made) return fail(made.error());
  }
  dir.root_ = ledger.dir();
  if (dir.root_.size() > kLongestRoot) {
    dir.root_ = fmt::format("{}/berth-{}", links, dir.id_);
    if (auto linked = make_link(ledger, dir.root_); !linked) return fail(linked.error());
  }
  dir.logs_ = logs.empty() ? dir.path("logs") : std::filesystem::absolute(logs).string();
  std::error_code error;
  std::filesystem::create_directories(dir.logs_, error);
  if (error) return fail(ErrorCode::unavailable, fmt::format("make {}: {}", dir.logs_, error.message()));
  return dir;
}

std::string RunDir::path(std::string_view name) const { return fmt::format("{}/{}", root_, name); }
std::string RunDir::log_of(std::string_view name) const { return fmt::format("{}/{}.log", logs_, name); }
std::string RunDir::node_dir(std::string_view node) const { return fmt::format("{}/nodes/{}", root_, node); }
std::string RunDir::namespace_of(std::string_view name) const { return fmt::format("berth-{}-{}", id_, name); }

}  // namespace berth::dev
