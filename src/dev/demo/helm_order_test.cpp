#include "dev/demo/helm_order.h"

#include <gtest/gtest.h>

#include <string>

#include <boost/json/object.hpp>

#include "api/json.h"

namespace berth::dev {
namespace {

Objects objects_of(const std::vector<std::string>& kinds) {
  Objects objects;
  int number = 0;
  for (const std::string& kind : kinds) {
    objects.push_back(boost::json::object{{"kind", kind}, {"metadata", {{"name", std::to_string(number++)}}}});
  }
  return objects;
}

std::string shown(const Objects& objects) {
  std::string text;
  for (const auto& object : objects) {
    text +=
        api::string_at(object.get_object(), {"kind"}) + api::string_at(object.get_object(), {"metadata", "name"}) + " ";
  }
  return text;
}

const std::vector<std::string> kChart = {"Vpc",       "Subnet", "StatefulSet", "Subnet", "NetworkAttachmentDefinition",
                                         "Namespace", "Pod",    "Deployment",  "Pod",    "Namespace"};

TEST(DemoHelmOrder, CustomResourcesAreInstalledLast) {
  EXPECT_EQ(
      shown(install_order(objects_of(kChart))),
      "Namespace5 Namespace9 Pod6 Pod8 Deployment7 StatefulSet2 NetworkAttachmentDefinition4 Subnet1 Subnet3 Vpc0 ");
}

TEST(DemoHelmOrder, UninstallingTakesWorkloadsFirstAndCustomResourcesStillLast) {
  EXPECT_EQ(
      shown(uninstall_order(objects_of(kChart))),
      "StatefulSet2 Deployment7 Pod6 Pod8 Namespace5 Namespace9 NetworkAttachmentDefinition4 Subnet1 Subnet3 Vpc0 ");
}

}  // namespace
}  // namespace berth::dev
