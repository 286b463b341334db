// Layers: base ovsdb
// What an OVSDB server may send. The first byte says whether the rest is a stream to split, the talk of a server to a
// client that is connected or is just beginning, or one value.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "fuzz/fuzz.h"
#include "ovsdb/message_splitter.h"
#include "ovsdb/session.h"
#include "ovsdb/value.h"

namespace {

using namespace berth;
using namespace berth::ovsdb;
using berth::fuzz::require;
namespace json = boost::json;

constexpr std::string_view kHandshake =
    R"({"id":"leader","error":null,"result":{"Database":{"u":{"new":{"name":"D","model":"clustered","leader":true,"connected":true}}}}})"
    R"({"id":"schema","error":null,"result":{"name":"D","version":"1","tables":{"T":{"isRoot":true,"columns":{"s":{"type":"string"},)"
    R"("o":{"type":{"key":"integer","min":0,"max":1}},"u":{"type":{"key":{"type":"uuid","refTable":"T"},"min":0,"max":"unlimited"}},)"
    R"("m":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}})"
    R"({"id":"monitor","error":null,"result":[false,"00000000-0000-0000-0000-000000000000",{"T":{"a":{"initial":{"s":"x","m":["map",[["k","v"]]]}}}}]})";

// Cut into reads of `step` bytes; nullopt if the stream is refused.
std::optional<std::vector<std::string>> split(std::string_view bytes, std::size_t step) {
  MessageSplitter splitter(1 << 16);
  std::vector<std::string> out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (!splitter.feed(bytes.substr(at, step), [&](std::string_view m) { out.emplace_back(m); })) return std::nullopt;
  }
  return out;
}

void fuzz_splitter(std::string_view bytes) {
  const auto whole = split(bytes, std::max<std::size_t>(bytes.size(), 1));
  require(whole == split(bytes, 1) && whole == split(bytes, 7), "how a stream is cut does not matter");
  for (const auto& message : whole.value_or(std::vector<std::string>())) {
    require(message.size() >= 2 && message.front() == '{', "a message is an object");
  }
}

// An observer that holds what it is told must never be told of a row that it cannot have.
void fuzz_session(std::string_view bytes, bool connected) {
  const Session::Options options{"D", {{"T", {}}}, true, std::chrono::seconds(5)};
  ReplicaState kept;
  std::map<std::string, Row> rows;
  const auto apply = [&rows](const std::vector<RowChange>& changes) {
    for (const auto& change : changes) {
      const auto held = rows.find(change.uuid);
      require(change.before.has_value() == (held != rows.end()),
              "a row is inserted once and changed while it is there");
      require(!change.before || *change.before == held->second, "what a row was is what it was");
      if (change.after) {
        require(change.after->size() == 4, "a row has all its columns");
        rows.insert_or_assign(change.uuid, *change.after);
      } else {
        rows.erase(held);
      }
    }
  };
  Session session(options,
                  {.on_connected =
                       [&](const std::vector<RowChange>& all, const std::shared_ptr<const Schema>& schema) {
                         require(schema != nullptr, "connected with a schema");
                         if (!connected) return;
                         rows.clear();
                         apply(all);
                       },
                   .on_change =
                       [&](const std::vector<RowChange>& changes) {
                         if (connected) apply(changes);
                       },
                   .on_reply = [](std::uint64_t id,
                                  const Result<json::array>&) { require(id == 1, "replies are to what was sent"); }},
                  kept, TimePoint());
  if (connected) {
    require(!session.on_bytes(kHandshake, TimePoint()), "the handshake holds");
    require(session.state() == Session::State::connected, "and connects");
    session.transact(1, json::array{json::object{{"op", "comment"}}});
  }
  const auto end = session.on_bytes(bytes, TimePoint());
  require(!end || !end->message.empty(), "an end has a reason");
}

void fuzz_value(std::string_view bytes) {
  boost::system::error_code ec;
  const json::value v = json::parse(bytes, ec);
  if (ec) return;
  for (const auto key : {AtomType::integer, AtomType::real, AtomType::boolean, AtomType::string, AtomType::uuid}) {
    for (const bool map : {false, true}) {
      for (const auto& [min, max] :
           {std::pair(1UL, 1UL), std::pair(0UL, 1UL), std::pair(0UL, ColumnType::kUnlimited)}) {
        ColumnType type;
        type.key.type = key;
        if (map) type.value = BaseType{};
        type.min = min;
        type.max = max;
        const auto datum = parse_datum(v, type);
        if (!datum) {
          require(!datum.error().error.empty(), "a violation has a name");
          continue;
        }
        const auto canonical = to_json(*datum, type);
        const auto again = parse_datum(canonical, type);
        require(again && *again == *datum, "what is written can be read and is the same");
        require(json::serialize(to_json(*again, type)) == json::serialize(canonical),
                "and is written in one form only");
        require(!type.is_composite() || apply_difference(*datum, *datum).empty(), "a value less itself is nothing");
      }
    }
  }
}

}  // namespace

BERTH_FUZZ_TEXT(text) {
  if (text.empty()) return;
  const auto rest = text.substr(1);
  switch (text[0]) {
    case 's':
      return fuzz_splitter(rest);
    case 'v':
      return fuzz_value(rest);
    case 'b':
      return fuzz_session(rest, false);
    default:
      return fuzz_session(rest, true);
  }
}
