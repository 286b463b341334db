#pragma once

// A scenario as its file says it. README.md, one folder up, describes the format.

#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"

namespace berth::scenarios {

struct Scenario {
  std::string name;
  std::string claim;
  std::string file;                        // its name without folder
  bool alone = false;                      // it stops or kills the controller, so nothing else is played meanwhile
  std::vector<boost::json::object> steps;  // each with one verb, and perhaps `within`
};

// All scenarios of a file. Errors, all invalid, name the file and the scenario: what is not YAML, an unknown key, verb
// or matcher, a scenario without claim or without anything to be seen.
[[nodiscard]] Result<std::vector<Scenario>> parse_scenarios(std::string_view text, const std::string& file);

// Of every *.yaml in the folder, in order of file names. Also invalid: a name twice.
[[nodiscard]] Result<std::vector<Scenario>> load_scenarios(const std::string& folder);

// "Pod/web/a", "Subnet/blue".
struct ObjectName {
  std::string kind;
  std::string ns;  // empty: cluster-scoped
  std::string name;
};
[[nodiscard]] Result<ObjectName> parse_object_name(std::string_view text);

struct KindInfo {
  std::string kind;
  std::string api_version;
  std::string plural;
  bool namespaced = true;
};
[[nodiscard]] const KindInfo* find_kind(std::string_view kind);

}  // namespace berth::scenarios
