#include "dev/demo/release_secret.h"

#include <fmt/core.h>
#include <zlib.h>

#include <cassert>

#include <boost/json/serialize.hpp>

#include "base/base64.h"

namespace berth::dev {

namespace {

std::string gzip(const std::string& text) {
  constexpr int kGzipWindow = 15 + 16;
  z_stream stream{};
  [[maybe_unused]] int result =
      deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY);
  assert(result == Z_OK);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  result = deflate(&stream, Z_FINISH);
  assert(result == Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace

std::string release_secret_name(std::string_view name, int revision) {
  return fmt::format("sh.helm.release.v1.{}.v{}", name, revision);
}

boost::json::object release_secret(std::string_view ns, std::string_view name, int revision, std::string_view status,
                                   const Objects& objects) {
  std::string manifest;
  for (const boost::json::value& object : objects) manifest += "---\n" + boost::json::serialize(object) + "\n";
  const boost::json::object release{{"name", name},
                                    {"namespace", ns},
                                    {"version", revision},
                                    {"info", {{"status", status}}},
                                    {"chart", {{"metadata", {{"name", name}}}}},
                                    {"manifest", manifest}};
  return {
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"type", "helm.sh/release.v1"},
      {"metadata",
       {{"name", release_secret_name(name, revision)},
        {"namespace", ns},
        {"labels", {{"name", name}, {"owner", "helm"}, {"status", status}, {"version", std::to_string(revision)}}}}},
      {"data", {{"release", base64_encode(base64_encode(gzip(boost::json::serialize(release))))}}}};
}

}  // namespace berth::dev
