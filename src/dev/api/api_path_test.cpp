#include "dev/api/api_path.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace berth::dev {
namespace {

std::string show(std::string_view path) {
  const auto p = parse_api_path(path);
  if (!p) return "none";
  return fmt::format("{}/{} ns={} {} name={} sub={} rest={}", p->group, p->version, p->ns, p->plural, p->name,
                     p->subresource, p->rest);
}

TEST(ApiPath, NamesWhatTheUrlNames) {
  EXPECT_EQ(show("/api/v1/pods"), "/v1 ns= pods name= sub= rest=");
  EXPECT_EQ(show("/api/v1/namespaces/a/pods/p"), "/v1 ns=a pods name=p sub= rest=");
  EXPECT_EQ(show("/api/v1/namespaces/a/pods/p/status"), "/v1 ns=a pods name=p sub=status rest=");
  EXPECT_EQ(show("/api/v1/namespaces/a/pods/p/proxy/x/y"), "/v1 ns=a pods name=p sub=proxy rest=x/y");
  EXPECT_EQ(show("/apis/kubeovn.io/v1/subnets/s"), "kubeovn.io/v1 ns= subnets name=s sub= rest=");
  EXPECT_EQ(show("/apis/apps/v1/namespaces/a/deployments/d/scale"), "apps/v1 ns=a deployments name=d sub=scale rest=");
}

TEST(ApiPath, KnowsTheNamespaceFromItsContents) {
  EXPECT_EQ(show("/api/v1/namespaces"), "/v1 ns= namespaces name= sub= rest=");
  EXPECT_EQ(show("/api/v1/namespaces/a"), "/v1 ns= namespaces name=a sub= rest=");
  EXPECT_EQ(show("/api/v1/namespaces/a/finalize"), "/v1 ns= namespaces name=a sub=finalize rest=");
  EXPECT_EQ(show("/api/v1/namespaces/a/status"), "/v1 ns= namespaces name=a sub=status rest=");
  EXPECT_EQ(show("/api/v1/namespaces/status/pods"), "/v1 ns=status pods name= sub= rest=");
}

TEST(ApiPath, IgnoresOtherShapes) {
  for (const char* path : {"/", "/api", "/api/v1", "/apis/apps/v1", "/healthz", "/apis//", "pods"}) {
    EXPECT_EQ(show(path), "none") << path;
  }
  EXPECT_EQ(show("//api//v1//pods/"), "/v1 ns= pods name= sub= rest=");
}

}  // namespace
}  // namespace berth::dev
