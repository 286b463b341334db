#include "ovsdb/reply.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace berth::ovsdb {

namespace json = boost::json;

namespace {

std::string text_member(const json::object& o, std::string_view member) {
  const auto* v = o.if_contains(member);
  if (v == nullptr || v->is_null()) return {};
  return v->is_string() ? std::string(v->get_string()) : json::serialize(*v);
}

ErrorCode classify(std::string_view error, std::size_t position, bool at_commit) {
  if (error == "timed out") return position == 0 ? ErrorCode::fenced : ErrorCode::conflict;
  if (error == "referential integrity violation") return ErrorCode::conflict;
  if (error == "constraint violation") return at_commit ? ErrorCode::conflict : ErrorCode::invalid;
  if (error == "not owner") return ErrorCode::fenced;
  if (error == "resources exhausted" || error == "I/O error" || error == "cluster error" || error == "not leader" ||
      error == "canceled") {
    return ErrorCode::unavailable;
  }
  return ErrorCode::invalid;
}

std::string operation_name(const json::value& operation) {
  const auto* o = operation.if_object();
  if (o == nullptr) return "operation";
  const std::string table = text_member(*o, "table");
  return text_member(*o, "op") + (table.empty() ? "" : " " + table);
}

}  // namespace

Result<json::array> read_results(const json::array& operations, json::array results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto* o = results[i].if_object();
    if (o == nullptr || !o->contains("error")) continue;
    const bool at_commit = i >= operations.size();
    const std::string error = text_member(*o, "error");
    const std::string details = text_member(*o, "details");
    return fail(classify(error, i, at_commit),
                fmt::format("OVSDB {}: {}{}{}",
                            at_commit ? "commit" : fmt::format("operation {} ({})", i, operation_name(operations[i])),
                            error, details.empty() ? "" : ": ", details));
  }
  if (results.size() != operations.size()) {
    return fail(ErrorCode::internal,
                fmt::format("OVSDB: {} results for {} operations", results.size(), operations.size()));
  }
  return results;
}

Error read_rpc_error(const json::value& error) {
  if (const auto* o = error.if_object()) {
    const std::string name = text_member(*o, "error");
    return {classify(name, 1, true), fmt::format("OVSDB: {}: {}", name, text_member(*o, "details"))};
  }
  const std::string name = error.is_string() ? std::string(error.get_string()) : json::serialize(error);
  return {classify(name, 1, true), "OVSDB: " + name};
}

}  // namespace berth::ovsdb
