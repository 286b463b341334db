#include "cni/exchange.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <utility>

namespace berth::cni {
namespace {

using namespace std::chrono_literals;

class ExchangeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/berth-exchange-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/agent.sock";
  }

  void TearDown() override {
    if (server_.joinable()) server_.join();
    if (listener_ >= 0) ::close(std::exchange(listener_, -1));
    ::unlink(path_.c_str());
    ::rmdir(directory_.c_str());
  }

  // Accepts one connection on a thread of its own and gives it to serve.
  void listen(std::function<void(int)> serve) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_, 4), 0);
    server_ = std::thread([this, serve = std::move(serve)] {
      const int connection = ::accept(listener_, nullptr, nullptr);
      serve(connection);
      ::close(connection);
    });
  }

  // Reads one request, head and body.
  static std::string read_request(int fd) {
    std::string text;
    char c = 0;
    while (!text.ends_with("\r\n\r\n") && ::read(fd, &c, 1) == 1) text += c;
    const std::string field = "Content-Length: ";
    auto left = std::stoul(text.substr(text.find(field) + field.size()));
    for (; left > 0 && ::read(fd, &c, 1) == 1; --left) text += c;
    return text;
  }

  static void wait_for_hangup(int fd) {
    char c = 0;
    while (::read(fd, &c, 1) > 0) {
    }
  }

  static void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
      const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  std::string directory_;
  std::string path_;

 private:
  int listener_ = -1;
  std::thread server_;
};

TEST_F(ExchangeTest, CarriesAMessageEachWay) {
  const std::string request(100'000, 'q');
  const std::string answer(400'000, 'a');
  std::string received;
  listen([&](int fd) {
    received = read_request(fd);
    write_all(fd, "HTTP/1.1 200 OK\r\ncontent-LENGTH: 400000\r\n\r\n" + answer);
    wait_for_hangup(fd);
  });
  const auto reply = exchange_message(path_, request, 20s);
  ASSERT_TRUE(reply) << reply.error().details;
  EXPECT_EQ(*reply, answer);
  EXPECT_TRUE(received.starts_with("POST /v1/cni HTTP/1.1\r\n"));
  EXPECT_TRUE(received.ends_with("\r\n\r\n" + request));
}

TEST_F(ExchangeTest, NobodyListensIsAnErrorThatNamesTheSocket) {
  const auto reply = exchange_message(path_, "x", 5s);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, kIoFailure);
  EXPECT_EQ(reply.error().details, path_ + ": No such file or directory");
}

TEST_F(ExchangeTest, AClosedConnectionIsAnError) {
  listen([](int fd) {
    (void)read_request(fd);
    write_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  });
  const auto reply = exchange_message(path_, "x", 20s);
  ASSERT_FALSE(reply);
  EXPECT_TRUE(reply.error().details.contains("without an answer")) << reply.error().details;
}

TEST_F(ExchangeTest, ASilentAgentIsGivenUpAtTheDeadline) {
  listen([](int fd) { wait_for_hangup(fd); });
  const auto reply = exchange_message(path_, "x", 100ms);
  ASSERT_FALSE(reply);
  EXPECT_TRUE(reply.error().details.contains("no answer in time")) << reply.error().details;
}

TEST_F(ExchangeTest, AnAnswerThatIsNoneIsAnError) {
  const std::pair<std::string, std::string> bad[] = {
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "403 Forbidden"},
      {"HTTP/1.1 200 OK\r\n\r\n", "no Content-Length"},
      {"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "not a number"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "too long"},
      {std::string(40'000, 'h'), "too long"},
  };
  for (const auto& [answer, words] : bad) {
    TearDown();
    SetUp();
    listen([&answer = answer](int fd) {
      (void)read_request(fd);
      write_all(fd, answer);
      wait_for_hangup(fd);
    });
    const auto reply = exchange_message(path_, "x", 20s);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, kIoFailure);
    EXPECT_TRUE(reply.error().details.contains(words)) << reply.error().details;
  }
}

TEST_F(ExchangeTest, APathThatNoSocketCanHaveIsAnError) {
  const auto reply = exchange_message("/" + std::string(200, 'p'), "x", 5s);
  ASSERT_FALSE(reply);
  EXPECT_TRUE(reply.error().details.contains("too long"));
}

}  // namespace
}  // namespace berth::cni
