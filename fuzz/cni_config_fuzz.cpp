// Layers: cni base
//
// berth-cni on any environment and configuration, and the agent on any request: neither may crash, what the plugin
// prints is always JSON, and what it sends to the agent the agent can read.

#include <string>
#include <string_view>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "cni/plugin.h"
#include "cni/protocol.h"
#include "fuzz/fuzz.h"

namespace {

// The input is "command\ncontainer id\nifname\nnetns\nagent's answer\nconfiguration".
std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace

BERTH_FUZZ_TEXT(text) {
  using namespace berth::cni;
  using berth::fuzz::require;
  auto rest = text;
  (void)decode_request(rest);
  (void)decode_reply(rest);

  const std::string command(take_line(rest));
  const std::string container(take_line(rest));
  const std::string ifname(take_line(rest));
  const std::string netns(take_line(rest));
  const std::string answer(take_line(rest));
  const Environment environment = [&](const char* name) {
    const std::string_view key = name;
    if (key == "CNI_COMMAND") return command;
    if (key == "CNI_CONTAINERID") return container;
    if (key == "CNI_IFNAME") return ifname;
    if (key == "CNI_NETNS") return netns;
    return std::string();
  };
  const auto output = run(environment, rest, [&](const Call&, const std::string& message) -> Result<std::string> {
    require(decode_request(message).has_value(), "the agent can read what the plugin sends");
    return answer;
  });
  if (!output.text.empty()) {
    boost::json::error_code ec;
    const auto printed = boost::json::parse(output.text, ec);
    require(!ec && printed.is_object(), "what is printed is JSON");
  }
  require(output.exit_status == 0 || !output.text.empty(), "a failure says why");
}
