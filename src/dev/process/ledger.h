#pragma once

// What a cluster makes on the machine, written down in its run directory before (or in the moment) it is made, so that
// a later start or `berth-dev down` removes exactly that and nothing else, even after SIGKILL.
//
// Links (bridges, veths, taps) need no records of their own: the cluster makes them only inside namespaces of its own,
// and they go with those. The file is DIR/ledger, one JSON object a line, only appended to while the cluster lives; a
// torn last line is ignored. Records survive the writer's death, not a power cut: a reboot removes all but the files
// anyway.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dev/process/unique_fd.h"

namespace berth::dev {

struct LedgerRecord {
  enum class Kind {
    process,     // the leader `pid` of a process group, started at `start`: the group is killed
    namespace_,  // the network namespace `name`: whatever runs in it is killed, then it is removed
    file,        // the file, socket or symbolic link at path `name`
    tree,        // the directory at path `name` with all that is in it
    // the directory at path `name`, if it is empty; the folder of network namespaces is unmounted first
    directory,
  };
  Kind kind = Kind::file;
  std::string name{};
  pid_t pid = 0;
  std::uint64_t start = 0;  // field 22 of /proc/PID/stat: ticks since boot

  friend bool operator==(const LedgerRecord&, const LedgerRecord&) = default;
};

// Thread-safe.
class Ledger {
 public:
  using Entry = std::uint64_t;

  // Makes the directory if need be and locks it against other clusters until this object dies: conflict, with the
  // holder's pid in the message, if one runs there. Reads what an earlier run left behind.
  [[nodiscard]] static Result<Ledger> open(const std::string& dir);

  Ledger(Ledger&& other) noexcept;
  Ledger& operator=(Ledger&&) = delete;
  ~Ledger() = default;

  // Canonical.
  [[nodiscard]] const std::string& dir() const { return dir_; }

  // Eight hexadecimal digits derived from the directory: in the names of all that lives outside of it.
  [[nodiscard]] const std::string& id() const { return id_; }

  // Records still open, oldest first: directly after open(), what an earlier run left.
  [[nodiscard]] std::vector<LedgerRecord> records() const;

  // Writes the record down; when this has returned, a crash does not lose it.
  [[nodiscard]] Result<Entry> add(LedgerRecord record);

  // The thing is gone.
  void remove(Entry entry);

  // Make and record in one; a tree or directory that exists already is taken over only if it is empty.
  [[nodiscard]] Status make_tree(const std::string& path);

  // Makes a network namespace that is on record before it exists; one of that name that exists is left alone.
  [[nodiscard]] Status make_namespace(const std::string& name);

  // Kills what runs in it and takes it away; none of that name is no error.
  [[nodiscard]] Status remove_namespace(const std::string& name);

  // Removes all that the open records name: processes first, then namespaces, then files, each newest first. Goes on
  // after a failure and returns the first one; what could not be removed stays on record. Waits at most some seconds
  // for the killed.
  [[nodiscard]] Status clean_up();

  // After clean_up(): takes away the ledger itself, and the directory with its parents if open() made them.
  [[nodiscard]] Status close();

 private:
  Ledger() = default;

  [[nodiscard]] Status read(const std::string& text);
  [[nodiscard]] Status append(const std::string& line);

  std::string dir_;
  std::string id_;
  UniqueFd lock_;  // the directory itself, flock()ed
  UniqueFd file_;
  mutable std::mutex mutex_;
  std::map<Entry, LedgerRecord> open_;  // guarded by mutex_
  Entry next_ = 1;                      // guarded by mutex_
};

// The pid written by the cluster that holds the directory; not_found if none does.
[[nodiscard]] Result<pid_t> ledger_holder(const std::string& dir);

// Field 22 of /proc/PID/stat: with the pid it names one process for the life of the machine. not_found if there is
// none.
[[nodiscard]] Result<std::uint64_t> process_start(pid_t pid);

}  // namespace berth::dev
