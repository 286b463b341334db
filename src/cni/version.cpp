#include "cni/version.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace berth::cni {

bool is_supported(std::string_view version) {
  return std::find(kVersions.begin(), kVersions.end(), version) != kVersions.end();
}

bool at_least(std::string_view version, std::string_view than) {
  return std::find(kVersions.begin(), kVersions.end(), version) >= std::find(kVersions.begin(), kVersions.end(), than);
}

std::string print_versions(std::string_view asked) {
  boost::json::array supported;
  for (const auto version : kVersions) supported.emplace_back(boost::json::string_view(version));
  boost::json::object reply;
  reply["cniVersion"] = boost::json::string_view(is_supported(asked) ? asked : kLatestVersion);
  reply["supportedVersions"] = std::move(supported);
  return boost::json::serialize(reply);
}

}  // namespace berth::cni
