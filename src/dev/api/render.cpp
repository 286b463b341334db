#include "dev/api/render.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

namespace berth::dev {
namespace {

namespace json = boost::json;

json::object list_metadata(const sim::ObjectList& list) {
  json::object metadata{{"resourceVersion", std::to_string(list.version)}};
  if (!list.continue_token.empty()) {
    metadata["continue"] = list.continue_token;
    metadata["remainingItemCount"] = list.remaining_items;
  }
  return metadata;
}

}  // namespace

Renderer::Renderer(Form form, sim::TypePtr type, std::string include_object)
    : form_(form), type_(std::move(type)), include_object_(std::move(include_object)) {
  if (form_ == Form::table) printer_ = TablePrinter::for_type(*type_);
}

json::object Renderer::partial(const json::object& object) const {
  const json::value* metadata = object.if_contains("metadata");
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", metadata == nullptr ? json::value(json::object()) : *metadata}};
}

json::object Renderer::row(const json::object& object, WallTime now) const {
  json::object row{{"cells", printer_->cells(object, now)}};
  if (include_object_ == "Object") {
    row["object"] = object;
  } else if (include_object_ != "None") {
    row["object"] = partial(object);
  }
  return row;
}

json::object Renderer::table(json::array rows, json::object metadata, bool columns) const {
  return {{"kind", "Table"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", std::move(metadata)},
          {"columnDefinitions", columns ? json::value(printer_->column_definitions()) : json::value(nullptr)},
          {"rows", std::move(rows)}};
}

std::string Renderer::object(const json::object& object, WallTime now) const {
  switch (form_) {
    case Form::table: {
      const json::value* version = nullptr;
      if (const json::object* metadata = sim::object_at(object, {"metadata"}))
        version = metadata->if_contains("resourceVersion");
      json::object metadata;
      if (version != nullptr) metadata["resourceVersion"] = *version;
      return json::serialize(table({row(object, now)}, std::move(metadata), true));
    }
    case Form::partial:
      return json::serialize(partial(object));
    case Form::object:
    case Form::aggregated_discovery:
      break;
  }
  return json::serialize(object);
}

std::string Renderer::list(const sim::ObjectList& list, WallTime now) const {
  if (form_ == Form::table) {
    json::array rows;
    for (const sim::Object& item : list.items) rows.push_back(row(*item, now));
    return json::serialize(table(std::move(rows), list_metadata(list), true));
  }
  const bool partials = form_ == Form::partial;
  std::string text =
      fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":{},"items":[)",
                  partials ? "PartialObjectMetadataList" : type_->list_kind,
                  partials ? "meta.k8s.io/v1" : type_->api_version(), json::serialize(list_metadata(list)));
  for (const sim::Object& item : list.items) {
    if (text.back() != '[') text.push_back(',');
    text += partials ? json::serialize(partial(*item)) : json::serialize(*item);
  }
  return text + "]}";
}

std::string Renderer::event(const sim::WatchEvent& event, WallTime now) {
  const bool bookmark = event.type == sim::WatchEvent::Type::bookmark;
  std::string object;
  if (form_ == Form::table) {
    if (bookmark) {
      const json::value* metadata = event.object->if_contains("metadata");
      object = json::serialize(table({}, metadata == nullptr ? json::object() : metadata->as_object(), false));
    } else {
      const json::value version(sim::string_at(*event.object, {"metadata", "resourceVersion"}));
      object = json::serialize(table({row(*event.object, now)}, {{"resourceVersion", version}}, !columns_sent_));
      columns_sent_ = true;
    }
  } else {
    object = form_ == Form::partial ? json::serialize(partial(*event.object)) : json::serialize(*event.object);
  }
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", to_string(event.type), object);
}

http::ServerResponse json_response(int status, std::string body, std::string_view content_type) {
  return {
      status, {{"Content-Type", std::string(content_type)}, {"Cache-Control", "no-cache, private"}}, std::move(body)};
}

http::ServerResponse error_response(const sim::ApiError& error) {
  return json_response(error.code, json::serialize(error.to_status()));
}

}  // namespace berth::dev
