#include "sim/api/patch.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>
#include <string>
#include <vector>

namespace berth::sim {

namespace json = boost::json;

namespace {

struct Pointer {
  std::vector<std::string> tokens;

  static std::optional<Pointer> parse(std::string_view text) {
    Pointer out;
    if (text.empty()) return out;
    if (text.front() != '/') return std::nullopt;
    for (std::size_t at = 0; at != std::string_view::npos;) {
      const std::size_t next = text.find('/', at + 1);
      std::string token;
      const std::string_view raw = text.substr(at + 1, next == std::string_view::npos ? next : next - at - 1);
      for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] == '~' && i + 1 < raw.size() && (raw[i + 1] == '0' || raw[i + 1] == '1')) {
          token += raw[++i] == '0' ? '~' : '/';
        } else {
          token += raw[i];
        }
      }
      out.tokens.push_back(std::move(token));
      at = next;
    }
    return out;
  }
};

std::optional<std::size_t> index_of(const std::string& token, std::size_t end) {
  std::size_t index = 0;
  const auto [stop, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || stop != token.data() + token.size() || index >= end) return std::nullopt;
  if (token.size() > 1 && token.front() == '0') return std::nullopt;
  return index;
}

json::value* child(json::value& parent, const std::string& token) {
  if (json::object* object = parent.if_object()) return object->if_contains(token);
  if (json::array* array = parent.if_array()) {
    const auto index = index_of(token, array->size());
    return index ? &(*array)[*index] : nullptr;
  }
  return nullptr;
}

json::value* resolve(json::value& document, const Pointer& pointer, std::size_t count) {
  json::value* here = &document;
  for (std::size_t i = 0; here && i < count; ++i) here = child(*here, pointer.tokens[i]);
  return here;
}

json::value* resolve(json::value& document, const Pointer& pointer) {
  return resolve(document, pointer, pointer.tokens.size());
}

using Outcome = ApiResult<void>;

Outcome cannot(std::string_view op, std::string_view path, std::string_view why) {
  return tl::unexpected(
      unprocessable(fmt::format("{} operation does not apply: doc is missing path: {}: {}", op, path, why)));
}

Outcome add(json::value& document, const Pointer& at, json::value value, std::string_view op, std::string_view path) {
  if (at.tokens.empty()) {
    document = std::move(value);
    return {};
  }
  json::value* parent = resolve(document, at, at.tokens.size() - 1);
  if (!parent) return cannot(op, path, "missing value");
  const std::string& last = at.tokens.back();
  if (json::object* object = parent->if_object()) {
    (*object)[last] = std::move(value);
    return {};
  }
  json::array* array = parent->if_array();
  if (!array) return cannot(op, path, "missing value");
  if (last == "-") {
    array->push_back(std::move(value));
    return {};
  }
  const auto index = index_of(last, array->size() + 1);
  if (!index) return cannot(op, path, "invalid index referenced");
  array->insert(array->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
  return {};
}

Outcome remove(json::value& document, const Pointer& at, std::string_view op, std::string_view path) {
  if (at.tokens.empty()) return cannot(op, path, "the document itself cannot be removed");
  json::value* parent = resolve(document, at, at.tokens.size() - 1);
  if (!parent || !child(*parent, at.tokens.back())) return cannot(op, path, "missing value");
  if (json::object* object = parent->if_object()) {
    object->erase(at.tokens.back());
  } else {
    json::array& array = parent->get_array();
    array.erase(array.begin() + static_cast<std::ptrdiff_t>(*index_of(at.tokens.back(), array.size())));
  }
  return {};
}

struct Operation {
  std::string op;
  std::string path_text;
  std::string from_text;
  Pointer path;
  Pointer from;
  const json::value* value = nullptr;
};

ApiResult<Operation> parse_operation(const json::value& v) {
  const json::object* o = v.if_object();
  if (!o) return tl::unexpected(bad_request("error decoding patch: each operation must be an object"));
  Operation out;
  const json::value* op = o->if_contains("op");
  const json::value* path = o->if_contains("path");
  if (!op || !op->is_string() || !path || !path->is_string()) {
    return tl::unexpected(bad_request("error decoding patch: an operation needs the strings op and path"));
  }
  out.op = std::string(op->get_string());
  out.path_text = std::string(path->get_string());
  auto pointer = Pointer::parse(out.path_text);
  if (!pointer) return tl::unexpected(unprocessable(fmt::format("path {} must begin with /", out.path_text)));
  out.path = std::move(*pointer);
  out.value = o->if_contains("value");
  if (out.op == "move" || out.op == "copy") {
    const json::value* from = o->if_contains("from");
    if (!from || !from->is_string()) return tl::unexpected(bad_request("error decoding patch: from is missing"));
    out.from_text = std::string(from->get_string());
    auto source = Pointer::parse(out.from_text);
    if (!source) return tl::unexpected(unprocessable(fmt::format("path {} must begin with /", out.from_text)));
    out.from = std::move(*source);
  }
  if ((out.op == "add" || out.op == "replace" || out.op == "test") && !out.value) {
    return tl::unexpected(bad_request(fmt::format("error decoding patch: {} needs a value", out.op)));
  }
  return out;
}

Outcome apply(json::value& document, const Operation& op) {
  if (op.op == "add") return add(document, op.path, *op.value, op.op, op.path_text);
  if (op.op == "remove") return remove(document, op.path, op.op, op.path_text);
  if (op.op == "replace") {
    json::value* target = resolve(document, op.path);
    if (!target) return cannot(op.op, op.path_text, "missing value");
    *target = *op.value;
    return {};
  }
  if (op.op == "test") {
    const json::value* target = resolve(document, op.path);
    // An absent value passes a test for null, as it does in kube-apiserver.
    if (target ? *target == *op.value : op.value->is_null()) return {};
    return tl::unexpected(unprocessable(fmt::format("testing value {} failed: test failed", op.path_text)));
  }
  if (op.op == "copy" || op.op == "move") {
    const json::value* source = resolve(document, op.from);
    if (!source) return cannot(op.op, op.from_text, "missing value");
    if (op.op == "move" && op.path_text.starts_with(op.from_text + "/")) {
      return cannot(op.op, op.path_text, "a value cannot be moved into itself");
    }
    json::value moved = *source;
    if (op.op == "move") {
      if (Outcome removed = remove(document, op.from, op.op, op.from_text); !removed) return removed;
    }
    return add(document, op.path, std::move(moved), op.op, op.path_text);
  }
  return tl::unexpected(unprocessable(fmt::format("Unexpected kind: {}", op.op)));
}

}  // namespace

ApiResult<json::value> json_patch(json::value document, const json::value& patch) {
  const json::array* operations = patch.if_array();
  if (!operations) return tl::unexpected(bad_request("error decoding patch: a JSON patch is a list of operations"));
  for (const json::value& v : *operations) {
    ApiResult<Operation> op = parse_operation(v);
    if (!op) return tl::unexpected(op.error());
    if (Outcome done = apply(document, *op); !done) return tl::unexpected(done.error());
  }
  return document;
}

void merge_patch(json::value& document, const json::value& patch) {
  const json::object* changes = patch.if_object();
  if (!changes) {
    document = patch;
    return;
  }
  if (!document.is_object()) document.emplace_object();
  json::object& target = document.get_object();
  for (const auto& [key, value] : *changes) {
    if (value.is_null()) {
      target.erase(key);
    } else {
      merge_patch(target[key], value);
    }
  }
}

}  // namespace berth::sim
