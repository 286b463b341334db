#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ovsdb/message_splitter.h"

namespace berth::test {

// A connection that sends one transaction and waits for its result.
class RawConnection {
 public:
  explicit RawConnection(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~RawConnection() { ::close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  boost::json::array transact(const std::string& database, const boost::json::array& operations) {
    boost::json::array params{database};
    params.insert(params.end(), operations.begin(), operations.end());
    const std::string text =
        boost::json::serialize(boost::json::object{{"method", "transact"}, {"params", std::move(params)}, {"id", 1}});
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    boost::json::array result;
    bool answered = false;
    while (!answered) {
      char buffer[65536];
      const auto n = ::recv(fd_, buffer, sizeof(buffer), 0);
      if (n <= 0) {
        ADD_FAILURE() << "the server hung up";
        return result;
      }
      const auto status = splitter_.feed({buffer, static_cast<std::size_t>(n)}, [&](std::string_view message) {
        const auto v = boost::json::parse(message).get_object();
        if (v.contains("method")) return;  // the server's inactivity probe; the test is faster than its patience
        answered = true;
        if (v.contains("result") && v.at("result").is_array()) result = v.at("result").get_array();
      });
      EXPECT_TRUE(status);
    }
    return result;
  }

 private:
  int fd_;
  ovsdb::MessageSplitter splitter_;
};

}  // namespace berth::test
