#pragma once

// Real ovsdb-servers for tests, in a folder of their own under /tmp (unix socket paths must stay short). Whatever was
// started is killed and removed with the objects; a server also dies with the test program.

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace berth::test {

inline constexpr const char* kNorthboundSchema = "/usr/share/ovn/ovn-nb.ovsschema";

// Empty if ovsdb-server, ovsdb-tool and the northbound schema are here; else what is missing, for GTEST_SKIP.
[[nodiscard]] std::string missing_programs();

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// Runs a program to its end; false unless it exits with 0.
[[nodiscard]] bool run_program(const std::vector<std::string>& command);

// A TCP port of 127.0.0.1 that nobody listened on a moment ago.
[[nodiscard]] int free_port();

// One ovsdb-server on a database file that exists.
class Server {
 public:
  // Listens on `name`.sock in the folder, and on a TCP port too if one is given.
  Server(const TempFolder& folder, const std::string& name, int tcp_port = 0);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start();  // returns when the socket accepts connections; a failure to start is a test failure
  void kill();   // SIGKILL; no error if it is not running
  void pause();  // SIGSTOP
  void resume();

  [[nodiscard]] bool running() const { return pid_ > 0; }
  [[nodiscard]] std::string remote() const { return "unix:" + socket_; }
  [[nodiscard]] const std::string& socket() const { return socket_; }
  [[nodiscard]] const std::string& control() const { return control_; }

 private:
  std::string name_;
  std::string database_;
  std::string socket_;
  std::string control_;
  std::string log_;
  int tcp_port_;
  pid_t pid_ = -1;
};

// Three servers of one raft cluster, each on a unix socket and a TCP port.
class Cluster {
 public:
  void start(const TempFolder& folder);

  [[nodiscard]] Server& operator[](std::size_t i) { return *servers_[i]; }
  [[nodiscard]] std::size_t size() const { return servers_.size(); }
  [[nodiscard]] std::string remotes() const;  // by unix socket
  [[nodiscard]] std::string tcp_remotes() const;

  // The server that says of itself that it leads and is connected; waits for one.
  [[nodiscard]] std::optional<std::size_t> leader() const;

 private:
  std::vector<int> ports_;
  std::vector<std::unique_ptr<Server>> servers_;
};

}  // namespace berth::test
