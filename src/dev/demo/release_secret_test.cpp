#include "dev/demo/release_secret.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>

#include "api/json.h"

namespace berth::dev {
namespace {

std::string unbase64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(kDigits.find(c));
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return bytes;
}

std::string gunzip(const std::string& packed) {
  z_stream stream{};
  inflateInit2(&stream, 15 + 16);
  std::array<char, 65536> text{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  const std::size_t size = stream.total_out;
  inflateEnd(&stream);
  return {text.data(), size};
}

TEST(DemoReleaseSecret, HoldsTheReleaseAsHelmKeepsIt) {
  const Objects objects{boost::json::object{{"kind", "Subnet"}, {"metadata", {{"name", "s"}}}}};
  const auto secret = release_secret("default", "tenant", 2, "deployed", objects);
  EXPECT_EQ(api::string_at(secret, {"type"}), "helm.sh/release.v1");
  EXPECT_EQ(api::string_at(secret, {"metadata", "name"}), "sh.helm.release.v1.tenant.v2");
  EXPECT_EQ(api::string_at(secret, {"metadata", "labels", "status"}), "deployed");

  const auto release = api::parse_json(gunzip(unbase64(unbase64(api::string_at(secret, {"data", "release"})))));
  ASSERT_TRUE(release) << release.error().message;
  const auto& held = release->get_object();
  EXPECT_EQ(api::string_at(held, {"name"}), "tenant");
  EXPECT_EQ(api::int_at(held, {"version"}), 2);
  EXPECT_EQ(api::string_at(held, {"info", "status"}), "deployed");
  EXPECT_EQ(api::string_at(held, {"manifest"}), "---\n{\"kind\":\"Subnet\",\"metadata\":{\"name\":\"s\"}}\n");
}

}  // namespace
}  // namespace berth::dev
