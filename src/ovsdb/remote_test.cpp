#include "ovsdb/remote.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

namespace berth::ovsdb {
namespace {

TEST(RemoteTest, ReadsEachKind) {
  const auto list = Remote::parse_list("unix:/run/ovn/ovnnb_db.sock,tcp:10.0.0.1:6641,tcp:[fd00::1]:6641");
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->size(), 3U);
  sockaddr_un un{};
  std::memcpy(&un, &(*list)[0].address, sizeof(un));
  EXPECT_STREQ(un.sun_path, "/run/ovn/ovnnb_db.sock");
  sockaddr_in in{};
  std::memcpy(&in, &(*list)[1].address, sizeof(in));
  EXPECT_EQ(ntohl(in.sin_addr.s_addr), 0x0A000001U);
  EXPECT_EQ(ntohs(in.sin_port), 6641);
  EXPECT_EQ((*list)[2].address.ss_family, AF_INET6);
  EXPECT_EQ((*list)[2].length, sizeof(sockaddr_in6));
}

TEST(RemoteTest, NamesWhatIsWrong) {
  const std::string too_long = "unix:/" + std::string(120, 'a');
  for (const std::string& text :
       {std::string(), std::string("unix:"), too_long, std::string("tcp:10.0.0.1"), std::string("tcp:10.0.0.1:0"),
        std::string("tcp:10.0.0.1:99999"), std::string("tcp:10.0.0:1"), std::string("tcp:[::g]:1"),
        std::string("tcp:::1:6641"), std::string("ssl:10.0.0.1:6641"), std::string("unix:/a,"),
        std::string("/run/x.sock")}) {
    const auto list = Remote::parse_list(text);
    ASSERT_FALSE(list) << text;
    EXPECT_EQ(list.error().code, ErrorCode::invalid);
    EXPECT_NE(list.error().message.find("unix:PATH"), std::string::npos) << list.error().message;
  }
}

}  // namespace
}  // namespace berth::ovsdb
