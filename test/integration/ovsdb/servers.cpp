#include "integration/ovsdb/servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "integration/ovsdb/raw_connection.h"

namespace berth::test {

namespace {

std::string find_program(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/usr/local/sbin/", "/usr/local/bin/"}) {
    if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
  }
  return {};
}

pid_t spawn(const std::vector<std::string>& command, const std::string& log) {
  const std::string program = find_program(command[0]);
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

bool accepts(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof(address.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool ok = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return ok;
}

}  // namespace

std::string missing_programs() {
  for (const char* name : {"ovsdb-server", "ovsdb-tool"}) {
    if (find_program(name).empty()) return std::string(name) + " is not installed";
  }
  return std::filesystem::exists(kNorthboundSchema) ? "" : "the OVN northbound schema is not installed";
}

TempFolder::TempFolder() {
  char path[] = "/tmp/berth-ovsdb-XXXXXX";
  if (::mkdtemp(path) == nullptr) ADD_FAILURE() << "mkdtemp: " << std::strerror(errno);
  path_ = path;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool run_program(const std::vector<std::string>& command) {
  const pid_t pid = spawn(command, "/dev/null");
  int status = -1;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  const bool ok = ::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  ::close(fd);
  EXPECT_TRUE(ok) << std::strerror(errno);
  return ntohs(address.sin_port);
}

Server::Server(const TempFolder& folder, const std::string& name, int tcp_port)
    : name_(name),
      database_(folder / (name + ".db")),
      socket_(folder / (name + ".sock")),
      control_(folder / (name + ".ctl")),
      log_(folder / (name + ".log")),
      tcp_port_(tcp_port) {}

Server::~Server() { kill(); }

void Server::start() {
  std::vector<std::string> command{"ovsdb-server",          database_,     "--remote=punix:" + socket_,
                                   "--unixctl=" + control_, "--no-chdir",  "-vconsole:off",
                                   "-vsyslog:off",          "-vfile:info", "--log-file=" + log_};
  if (tcp_port_ != 0) command.push_back("--remote=ptcp:" + std::to_string(tcp_port_) + ":127.0.0.1");
  pid_ = spawn(command, log_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!accepts(socket_)) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      FAIL() << "ovsdb-server " << name_ << " ended";
    }
    if (std::chrono::steady_clock::now() > deadline) FAIL() << "ovsdb-server " << name_ << " does not listen";
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Server::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void Server::pause() { ::kill(pid_, SIGSTOP); }
void Server::resume() { ::kill(pid_, SIGCONT); }

namespace {

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

// Whether the server's own row says that it is connected to its cluster, and that this column holds too.
bool says(const Server& server, const char* column) {
  const auto question =
      boost::json::parse(R"([{"op":"select","table":"Database","where":[["name","==","OVN_Northbound"]]}])")
          .get_array();
  const auto answer = RawConnection(server.socket()).transact("_Server", question);
  const auto& rows = answer.at(0).at("rows").get_array();
  return rows.size() == 1 && rows[0].at(column).get_bool() && rows[0].at("connected").get_bool();
}

}  // namespace

void Cluster::start(const TempFolder& folder) {
  std::string first;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "n" + std::to_string(i);
    const std::string address = "tcp:127.0.0.1:" + std::to_string(free_port());
    if (i == 0) {
      first = address;
      ASSERT_TRUE(run_program({"ovsdb-tool", "create-cluster", folder / (name + ".db"), kNorthboundSchema, address}));
    } else {
      ASSERT_TRUE(
          run_program({"ovsdb-tool", "join-cluster", folder / (name + ".db"), "OVN_Northbound", address, first}));
    }
    ports_.push_back(free_port());
    servers_.push_back(std::make_unique<Server>(folder, name, ports_.back()));
    servers_.back()->start();
    ASSERT_TRUE(eventually([&] { return says(*servers_.back(), "connected"); }))
        << name << " does not join the cluster";
  }
}

std::string Cluster::remotes() const {
  std::string out;
  for (const auto& server : servers_) out += (out.empty() ? "" : ",") + server->remote();
  return out;
}

std::string Cluster::tcp_remotes() const {
  std::string out;
  for (const int port : ports_) out += (out.empty() ? "" : ",") + ("tcp:127.0.0.1:" + std::to_string(port));
  return out;
}

std::optional<std::size_t> Cluster::leader() const {
  std::optional<std::size_t> out;
  (void)eventually([&] {
    for (std::size_t i = 0; i < servers_.size() && !out; ++i) {
      if (servers_[i]->running() && says(*servers_[i], "leader")) out = i;
    }
    return out.has_value();
  });
  return out;
}

}  // namespace berth::test
