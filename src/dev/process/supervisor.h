#pragma once

// Child processes: started in a process group of their own, written into the ledger before they execute anything,
// killed by the kernel if we die, awaited through pidfds.
//
// One thread of the Supervisor's forks and reaps, because the kernel's "die with the parent" (PR_SET_PDEATHSIG) means
// the forking *thread*. A child waits at a gate until its pid is in the ledger, so no crash of ours leaves an unknown
// process.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/scheduler.h"
#include "dev/process/ledger.h"

namespace berth::dev {

struct ProcessSpec {
  std::string name{};               // for messages and the ledger: "ovn-northd"
  std::vector<std::string> argv{};  // argv[0] is looked up in PATH unless it has a slash
  std::vector<std::string> env{};   // "NAME=value", over our own environment
  bool clean_env = false;           // env is all there is
  std::string netns{};              // name of the network namespace to run in; empty: ours
  std::string run_dir{};            // a directory that it sees as its /run (with the network namespaces in netns)
  std::string hostname{};           // if set, what the process sees as its host's name
  std::string working_dir{};        // empty: ours
  std::string input{};              // standard input holds this; empty: /dev/null
  std::string log_file{};           // standard output and error are appended here; empty: /dev/null
  bool capture = false;             // standard output and error are kept (up to 1 MiB each) for ProcessEnd, not logged
  Duration timeout{0};              // killed when this has passed; 0: never
};

struct ProcessEnd {
  int code = -1;   // exit status; -1 if ended by a signal
  int signal = 0;  // the signal that ended it, else 0
  bool timed_out = false;
  std::string output{};  // capture only
  std::string error{};   // capture only

  [[nodiscard]] bool ok() const { return code == 0; }

  // What the shell would say: the status, or 128 + the signal.
  [[nodiscard]] int shell_status() const { return signal != 0 ? 128 + signal : code; }

  // "exit status 3", "killed by signal 9", "timed out".
  [[nodiscard]] std::string describe() const;
};

class Supervisor {
 public:
  using Id = std::uint64_t;  // 0 is never a process
  using OnEnd = std::function<void(ProcessEnd)>;

  // The ledger, if any, must outlive the supervisor.
  explicit Supervisor(Ledger* ledger);

  // Kills what still runs, and waits for it. Callbacks of those processes do not run.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Returns once the program executes. on_end (may be empty) runs once, on the supervisor's thread, after the process
  // and the rest of its group are dead; it must not block. Errors: invalid (no such program, folder), not_found
  // (namespace), unavailable. From any thread, also from on_end.
  [[nodiscard]] Result<Id> start(ProcessSpec spec, OnEnd on_end);

  // To the whole group. A process that ended already is no error, here and below.
  void signal(Id id, int signal_number);

  // SIGTERM to the group now, SIGKILL when the grace has passed; on_end tells when it has ended. A later call may
  // shorten the grace.
  void stop(Id id, Duration grace);

  // stop() for all of these at once, then waits until they have ended. Not from on_end.
  void stop_and_wait(const std::vector<Id>& ids, Duration grace);

  [[nodiscard]] bool running(Id id) const;

  // 0 if it has ended.
  [[nodiscard]] pid_t pid_of(Id id) const;

  // Starts and waits. Set spec.timeout. Not from on_end.
  [[nodiscard]] Result<ProcessEnd> run(ProcessSpec spec);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// run() with capture, for commands that must succeed: standard output, or the reason with the command and its standard
// error.
[[nodiscard]] Result<std::string> run_command(Supervisor& supervisor, ProcessSpec spec);

}  // namespace berth::dev
