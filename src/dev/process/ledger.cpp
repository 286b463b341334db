#include "dev/process/ledger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include "dev/process/netns.h"

namespace berth::dev {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr std::array<std::pair<LedgerRecord::Kind, std::string_view>, 5> kKinds = {{
    {LedgerRecord::Kind::process, "process"},
    {LedgerRecord::Kind::namespace_, "namespace"},
    {LedgerRecord::Kind::file, "file"},
    {LedgerRecord::Kind::tree, "tree"},
    {LedgerRecord::Kind::directory, "directory"},
}};

constexpr auto kKilledWithin = std::chrono::seconds(5);

tl::unexpected<Error> failed(std::string_view what, int error) {
  const ErrorCode code = error == EPERM || error == EACCES ? ErrorCode::forbidden : ErrorCode::unavailable;
  return fail(code, fmt::format("{}: {}", what, std::strerror(error)));
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::string id_of(std::string_view dir) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : dir) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:08x}", static_cast<std::uint32_t>(hash ^ (hash >> 32)));
}

std::string boot_id() { return slurp("/proc/sys/kernel/random/boot_id"); }

// Makes the directory and its missing parents; returns those that it made, outermost first.
Result<std::vector<std::string>> make_directories(const fs::path& dir) {
  std::vector<std::string> made;
  fs::path path;
  for (const auto& part : dir) {
    path /= part;
    if (::mkdir(path.c_str(), 0755) == 0) {
      made.push_back(path.string());
    } else if (errno != EEXIST) {
      const int error = errno;
      auto failure = failed(fmt::format("make directory {}", path.string()), error);
      if (error == EACCES || error == EROFS || error == EPERM)
        return fail(failure.value().code, failure.value().message + "; choose one that you may write with --dir");
      return failure;
    }
  }
  if (!fs::is_directory(dir)) return fail(ErrorCode::invalid, fmt::format("{} is not a directory", dir.string()));
  return made;
}

Result<UniqueFd> lock_directory(const std::string& dir) {
  UniqueFd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failed(fmt::format("open {}", dir), errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed(fmt::format("lock {}", dir), errno);
    const auto holder = ledger_holder(dir);
    return fail(ErrorCode::conflict, fmt::format("a cluster runs in {} already{}; end it, or choose another directory",
                                                 dir, holder ? fmt::format(" (pid {})", *holder) : ""));
  }
  // An earlier holder may have removed the directory while we waited for it.
  struct stat held{};
  struct stat named{};
  if (::fstat(fd.get(), &held) != 0 || ::stat(dir.c_str(), &named) != 0 || held.st_ino != named.st_ino) {
    return fail(ErrorCode::unavailable, fmt::format("{} was removed meanwhile; try again", dir));
  }
  return fd;
}

json::object to_json(Ledger::Entry entry, const LedgerRecord& record) {
  json::object out{{"made", entry}};
  for (const auto& [kind, text] : kKinds) {
    if (kind == record.kind) out["kind"] = text;
  }
  out["name"] = record.name;
  if (record.kind == LedgerRecord::Kind::process) {
    out["pid"] = record.pid;
    out["start"] = record.start;
  }
  return out;
}

std::optional<LedgerRecord> from_json(const json::object& in) {
  LedgerRecord record;
  const auto* kind = in.if_contains("kind");
  const auto* name = in.if_contains("name");
  if (kind == nullptr || !kind->is_string() || name == nullptr || !name->is_string()) return std::nullopt;
  const auto known =
      std::ranges::find(kKinds, std::string_view(kind->get_string()), &decltype(kKinds)::value_type::second);
  if (known == kKinds.end()) return std::nullopt;
  record.kind = known->first;
  record.name = name->get_string();
  if (record.kind == LedgerRecord::Kind::process) {
    const auto pid = json::try_value_to<pid_t>(in.contains("pid") ? in.at("pid") : json::value());
    const auto start = json::try_value_to<std::uint64_t>(in.contains("start") ? in.at("start") : json::value());
    if (!pid || !start || *pid <= 1) return std::nullopt;
    record.pid = *pid;
    record.start = *start;
  }
  return record;
}

UniqueFd open_process(pid_t pid) { return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

Status await_end(const UniqueFd& pidfd, std::chrono::steady_clock::time_point deadline, std::string_view who) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  pollfd poll{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  if (::poll(&poll, 1, static_cast<int>(std::max<long>(left, 0))) == 1) return {};
  return fail(ErrorCode::timeout, fmt::format("{} does not end after SIGKILL", who));
}

Status kill_group(const LedgerRecord& record, std::chrono::steady_clock::time_point deadline) {
  const UniqueFd pidfd = open_process(record.pid);
  // The start time is read after the pidfd is held, so that it speaks of the same process.
  const auto start = process_start(record.pid);
  if (!pidfd || !start || *start != record.start) return {};
  ::kill(-record.pid, SIGKILL);
  ::kill(record.pid, SIGKILL);
  return await_end(pidfd, deadline, fmt::format("{} (pid {})", record.name, record.pid));
}

Status discard_namespace(const std::string& name, std::chrono::steady_clock::time_point deadline) {
  if (!netns::exists(name)) return {};
  // Again until none is left: one may have forked while it was being killed.
  for (auto pids = netns::members(name); !pids.empty(); pids = netns::members(name)) {
    for (const pid_t pid : pids) {
      const UniqueFd pidfd = open_process(pid);
      if (!pidfd) continue;
      ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
      if (auto ended = await_end(pidfd, deadline, fmt::format("pid {} in network namespace {}", pid, name)); !ended) {
        return ended;
      }
    }
  }
  return netns::remove(name);
}

Status remove_record(const LedgerRecord& record, std::chrono::steady_clock::time_point deadline) {
  std::error_code error;
  switch (record.kind) {
    case LedgerRecord::Kind::process:
      return kill_group(record, deadline);
    case LedgerRecord::Kind::namespace_:
      return discard_namespace(record.name, deadline);
    case LedgerRecord::Kind::file:
      if (::unlink(record.name.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) {
        return failed(fmt::format("remove {}", record.name), errno);
      }
      return {};
    case LedgerRecord::Kind::tree:
      fs::remove_all(record.name, error);
      if (error) return fail(ErrorCode::unavailable, fmt::format("remove {}: {}", record.name, error.message()));
      return {};
    case LedgerRecord::Kind::directory:
      if (record.name == netns::folder()) return netns::remove_folder();
      if (::rmdir(record.name.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST) {
        return failed(fmt::format("remove {}", record.name), errno);
      }
      return {};
  }
  return {};
}

int order_of(LedgerRecord::Kind kind) {
  switch (kind) {
    case LedgerRecord::Kind::process:
      return 0;
    case LedgerRecord::Kind::namespace_:
      return 1;
    default:
      return 2;
  }
}

}  // namespace

Result<std::uint64_t> process_start(pid_t pid) {
  const std::string stat = slurp(fmt::format("/proc/{}/stat", pid));
  // Field 2 is the program's name in brackets and may hold anything: count from the last bracket.
  const auto bracket = stat.rfind(')');
  if (bracket == std::string::npos) return fail(ErrorCode::not_found, fmt::format("there is no process {}", pid));
  std::istringstream fields(stat.substr(bracket + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  std::uint64_t start = 0;
  if (!(fields >> start)) return fail(ErrorCode::internal, fmt::format("/proc/{}/stat has no start time", pid));
  return start;
}

Result<pid_t> ledger_holder(const std::string& dir) {
  const UniqueFd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(ErrorCode::not_found, fmt::format("{}: {}", dir, std::strerror(errno)));
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) {
    return fail(ErrorCode::not_found, fmt::format("no cluster runs in {}", dir));
  }
  const std::string text = slurp(dir + "/pid");
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  if (pid <= 1) return fail(ErrorCode::unavailable, fmt::format("{}/pid is not written yet", dir));
  return pid;
}

Ledger::Ledger(Ledger&& other) noexcept
    : dir_(std::move(other.dir_)),
      id_(std::move(other.id_)),
      lock_(std::move(other.lock_)),
      file_(std::move(other.file_)),
      open_(std::move(other.open_)),
      next_(other.next_) {}

Result<Ledger> Ledger::open(const std::string& dir) {
  std::error_code error;
  const fs::path path = fs::weakly_canonical(fs::absolute(dir, error), error);
  if (error || dir.empty()) return fail(ErrorCode::invalid, fmt::format("'{}' cannot be a directory", dir));
  auto made = make_directories(path);
  if (!made) return fail(made.error());

  Ledger ledger;
  ledger.dir_ = path.string();
  ledger.id_ = id_of(ledger.dir_);
  auto lock = lock_directory(ledger.dir_);
  if (!lock) return fail(lock.error());
  ledger.lock_ = std::move(*lock);

  const std::string file = ledger.dir_ + "/ledger";
  const std::string before = slurp(file);
  ledger.file_.reset(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!ledger.file_) return failed(fmt::format("open {}", file), errno);
  if (auto read = ledger.read(before); !read) return fail(read.error());
  // Ends a torn line, and says which boot the pids that follow belong to.
  if (auto begun = ledger.append("\n" + json::serialize(json::object{{"boot", boot_id()}})); !begun) {
    return fail(begun.error());
  }
  for (auto& directory : *made) {
    if (auto added = ledger.add({.kind = LedgerRecord::Kind::directory, .name = directory}); !added) {
      return fail(added.error());
    }
  }
  std::ofstream(ledger.dir_ + "/pid", std::ios::trunc) << ::getpid() << '\n';
  return ledger;
}

Status Ledger::read(const std::string& text) {
  std::istringstream lines(text);
  std::string boot;
  const std::string this_boot = boot_id();
  for (std::string line; std::getline(lines, line);) {
    boost::system::error_code error;
    const json::value value = json::parse(line, error);
    if (error || !value.is_object()) continue;
    const auto& object = value.get_object();
    if (const auto* since = object.if_contains("boot"); since != nullptr && since->is_string()) {
      boot = since->get_string();
    } else if (const auto* gone = object.if_contains("gone")) {
      if (const auto entry = json::try_value_to<Entry>(*gone)) open_.erase(*entry);
    } else if (const auto* entry = object.if_contains("made")) {
      const auto number = json::try_value_to<Entry>(*entry);
      auto record = from_json(object);
      if (!number || !record) continue;
      next_ = std::max(next_, *number + 1);
      if (record->kind == LedgerRecord::Kind::process && boot != this_boot) continue;
      open_.insert_or_assign(*number, std::move(*record));
    }
  }
  return {};
}

Status Ledger::append(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(file_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return failed(fmt::format("write {}/ledger", dir_), errno);
  }
  return {};
}

std::vector<LedgerRecord> Ledger::records() const {
  const std::lock_guard lock(mutex_);
  std::vector<LedgerRecord> out;
  for (const auto& [entry, record] : open_) out.push_back(record);
  return out;
}

Result<Ledger::Entry> Ledger::add(LedgerRecord record) {
  const std::lock_guard lock(mutex_);
  const Entry entry = next_++;
  if (auto written = append(json::serialize(to_json(entry, record))); !written) return fail(written.error());
  open_.emplace(entry, std::move(record));
  return entry;
}

void Ledger::remove(Entry entry) {
  const std::lock_guard lock(mutex_);
  if (open_.erase(entry) == 0) return;
  // Not written: then a later clean-up looks for a thing that is gone already, which is harmless.
  (void)append(json::serialize(json::object{{"gone", entry}}));
}

Status Ledger::make_tree(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_empty(path, error)) {
    return fail(ErrorCode::already_exists, fmt::format("{} exists and is not this cluster's; move it away", path));
  }
  if (auto added = add({.kind = LedgerRecord::Kind::tree, .name = path}); !added) return fail(added.error());
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return failed(fmt::format("make {}", path), errno);
  return {};
}

Status Ledger::make_namespace(const std::string& name) {
  if (!fs::exists(netns::folder())) {
    auto added = add({.kind = LedgerRecord::Kind::directory, .name = netns::folder()});
    if (!added) return fail(added.error());
  }
  auto entry = add({.kind = LedgerRecord::Kind::namespace_, .name = name});
  if (!entry) return fail(entry.error());
  auto made = netns::create(name);
  if (!made && made.error().code == ErrorCode::already_exists) remove(*entry);
  return made;
}

Status Ledger::remove_namespace(const std::string& name) {
  if (auto removed = discard_namespace(name, std::chrono::steady_clock::now() + kKilledWithin); !removed)
    return removed;
  std::vector<Entry> entries;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [entry, record] : open_) {
      if (record.kind == LedgerRecord::Kind::namespace_ && record.name == name) entries.push_back(entry);
    }
  }
  for (const Entry entry : entries) remove(entry);
  return {};
}

Status Ledger::clean_up() {
  std::vector<std::pair<Entry, LedgerRecord>> all;
  {
    const std::lock_guard lock(mutex_);
    all.assign(open_.rbegin(), open_.rend());
  }
  std::ranges::stable_sort(all, {}, [](const auto& item) { return order_of(item.second.kind); });
  const auto deadline = std::chrono::steady_clock::now() + kKilledWithin;
  Status first;
  for (const auto& [entry, record] : all) {
    Status removed = remove_record(record, deadline);
    if (removed) {
      // A directory that is still in use stays on record for close().
      if (record.kind != LedgerRecord::Kind::directory || !fs::exists(record.name)) remove(entry);
    } else if (first) {
      first = std::move(removed);
    }
  }
  return first;
}

Status Ledger::close() {
  const auto left = records();
  for (const auto& record : left) {
    if (record.kind != LedgerRecord::Kind::directory) {
      return fail(ErrorCode::conflict, fmt::format("{} is left behind: {}/ledger is kept", record.name, dir_));
    }
  }
  for (const char* own : {"/pid", "/ledger"}) {
    if (::unlink((dir_ + own).c_str()) != 0 && errno != ENOENT)
      return failed(fmt::format("remove {}{}", dir_, own), errno);
  }
  for (auto record = left.rbegin(); record != left.rend(); ++record) {
    if (auto removed = remove_record(*record, {}); !removed) return removed;
  }
  return {};
}

}  // namespace berth::dev
