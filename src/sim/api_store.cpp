#include "sim/api_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <charconv>

#include "sim/api/crd.h"
#include "sim/api_store_table.h"

namespace berth::sim {

namespace json = boost::json;

namespace {

constexpr std::size_t kPagesKept = 64;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

ApiStore::ApiStore(std::function<WallTime()> now, Random& random) : ApiStore(std::move(now), random, Options{}) {}

ApiStore::ApiStore(std::function<WallTime()> now, Random& random, Options options)
    : now_(std::move(now)), random_(random), options_(std::move(options)) {
  for (const TypePtr& type : registry_.all()) {
    tables_.emplace(type->group_resource(), std::make_unique<Table>(options_.history_limit, version_));
  }
  const TypePtr namespaces = registry_.find("", "v1", "namespaces");
  for (const std::string& name : options_.initial_namespaces) {
    [[maybe_unused]] const auto made = create(*namespaces, "", {{"metadata", {{"name", name}}}});
  }
}

ApiStore::~ApiStore() = default;

ApiStore::Table* ApiStore::table_of(const ResourceType& type) const {
  const auto found = tables_.find(type.group_resource());
  return found == tables_.end() ? nullptr : found->second.get();
}

Object ApiStore::find(const ResourceType& type, std::string_view ns, std::string_view name) const {
  const Table* table = table_of(type);
  if (!table) return nullptr;
  const auto found = table->objects.find(key_of(type, ns, name));
  return found == table->objects.end() ? nullptr : found->second;
}

ApiResult<Object> ApiStore::get(const ResourceType& type, std::string_view ns, std::string_view name) const {
  if (!table_of(type)) return tl::unexpected(no_such_resource());
  const Object object = find(type, ns, name);
  if (!object) return tl::unexpected(not_found(type, name));
  return present(type, object);
}

namespace {

ApiResult<Selection> parse_selection(const ResourceType& type, std::string_view ns, std::string_view labels,
                                     std::string_view fields) {
  auto label_selector = LabelSelector::parse(labels);
  if (!label_selector) return tl::unexpected(label_selector.error());
  auto field_selector = FieldSelector::parse(fields, type);
  if (!field_selector) return tl::unexpected(field_selector.error());
  return Selection{std::string(type.namespaced ? ns : ""), std::move(*label_selector), std::move(*field_selector)};
}

}  // namespace

std::vector<Object> ApiStore::select(const Table& table, const Selection& selection) const {
  const std::string prefix = selection.ns.empty() ? "" : selection.ns + "/";
  std::vector<Object> out;
  for (auto at = table.objects.lower_bound(prefix); at != table.objects.end() && at->first.starts_with(prefix); ++at) {
    if (selection.matches(*at->second)) out.push_back(at->second);
  }
  return out;
}

ApiResult<ObjectList> ApiStore::list(const ResourceType& type, std::string_view ns, const ListOptions& options) {
  const Table* table = table_of(type);
  if (!table) return tl::unexpected(no_such_resource());
  if (!options.continue_token.empty()) return next_page(type, options.continue_token, options.limit);
  auto selection = parse_selection(type, ns, options.label_selector, options.field_selector);
  if (!selection) return tl::unexpected(selection.error());

  auto page = std::make_unique<Page>(Page{type.group_resource(), version_, select(*table, *selection)});
  if (options.limit == 0 || page->items.size() <= options.limit) {
    ObjectList out{{}, version_, {}, 0};
    out.items.reserve(page->items.size());
    for (const Object& object : page->items) out.items.push_back(present(type, object));
    return out;
  }
  const std::uint64_t id = next_page_++;
  pages_.emplace(id, std::move(page));
  if (pages_.size() > kPagesKept) pages_.erase(pages_.begin());
  return next_page(type, fmt::format("{}.0", id), options.limit);
}

// A token is "<snapshot>.<offset>": it can be used again, and shows the same page.
ApiResult<ObjectList> ApiStore::next_page(const ResourceType& type, std::string_view token, std::size_t limit) {
  const std::size_t dot = token.find('.');
  const auto id = parse_number(token.substr(0, dot));
  const auto offset = dot == std::string_view::npos ? std::nullopt : parse_number(token.substr(dot + 1));
  if (!id || !offset) return tl::unexpected(bad_request("continue key is not valid"));
  const auto found = pages_.find(*id);
  if (found == pages_.end() || found->second->group_resource != type.group_resource()) {
    return tl::unexpected(
        expired("The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without "
                "the continue parameter."));
  }
  const Page& page = *found->second;
  const std::size_t begin = std::min<std::size_t>(*offset, page.items.size());
  const std::size_t end = limit == 0 ? page.items.size() : std::min(page.items.size(), begin + limit);
  ObjectList out{{}, page.version, {}, page.items.size() - end};
  for (std::size_t i = begin; i < end; ++i) out.items.push_back(present(type, page.items[i]));
  if (out.remaining_items > 0) out.continue_token = fmt::format("{}.{}", *id, end);
  return out;
}

ApiResult<std::unique_ptr<Watch>> ApiStore::watch(const ResourceType& type, std::string_view ns, WatchOptions options) {
  const Table* table = table_of(type);
  if (!table) return tl::unexpected(no_such_resource());
  auto selection = parse_selection(type, ns, options.label_selector, options.field_selector);
  if (!selection) return tl::unexpected(selection.error());
  const auto asked = options.resource_version.empty() ? std::uint64_t{0} : parse_number(options.resource_version);
  if (!asked)
    return tl::unexpected(bad_request(fmt::format("invalid resource version \"{}\"", options.resource_version)));
  if (*asked > version_) {
    return tl::unexpected(expired(fmt::format("too large resource version: {}, current: {}", *asked, version_)));
  }
  const bool from_now = *asked == 0 || options.send_initial;
  if (!from_now && table->history->too_old(*asked)) {
    return tl::unexpected(expired(fmt::format("too old resource version: {}", *asked)));
  }

  std::unique_ptr<Watch> watch(new Watch(std::make_shared<const ResourceType>(type), table->history, *selection,
                                         from_now ? version_ : *asked, std::move(options.wake)));
  if (from_now) {
    for (const Object& object : select(*table, *selection)) {
      watch->initial_.push_back({WatchEvent::Type::added, present(type, object)});
    }
  }
  if (options.send_initial) {
    json::object complete = *watch->bookmark().object;
    metadata_of(complete)["annotations"] = json::object{{"k8s.io/initial-events-end", "true"}};
    watch->initial_.push_back({WatchEvent::Type::bookmark, std::make_shared<const json::object>(std::move(complete))});
  }
  return watch;
}

void ApiStore::forget_history() {
  for (const auto& [name, table] : tables_) table->history->forget();
}

ApiStore::ObserverId ApiStore::observe(Observer observer) {
  observers_.emplace(next_observer_, std::move(observer));
  return next_observer_++;
}

void ApiStore::stop_observing(ObserverId id) { observers_.erase(id); }

Object ApiStore::store(const ResourceType& type, json::object object, const Object& previous) {
  object["apiVersion"] = registry_.find_stored(type.group, type.plural)->api_version();
  object["kind"] = type.kind;
  metadata_of(object)["resourceVersion"] = std::to_string(version_ + 1);
  const auto stored = std::make_shared<const json::object>(std::move(object));
  table_of(type)->objects[key_of(type, namespace_of(*stored), name_of(*stored))] = stored;
  if (is_crd(type)) crd_stored(*stored);
  publish(type, {previous ? Change::Type::modified : Change::Type::added, 0, stored, previous});
  return stored;
}

Object ApiStore::drop(const ResourceType& type, const Object& object) {
  json::object last = *object;
  metadata_of(last)["resourceVersion"] = std::to_string(version_ + 1);
  const auto dropped = std::make_shared<const json::object>(std::move(last));
  table_of(type)->objects.erase(key_of(type, namespace_of(*object), name_of(*object)));
  publish(type, {Change::Type::deleted, 0, dropped, object});
  if (is_crd(type)) {
    crd_dropped(*dropped);
  } else if (type.custom) {
    finish_crd_of(type);
  }
  return dropped;
}

void ApiStore::publish(const ResourceType& type, Change change) {
  assert(!notifying_ && "an observer or a watch's wake called into the store");
  notifying_ = true;
  change.version = ++version_;
  for (const auto& [id, observer] : observers_) observer(type, change);
  table_of(type)->history->append(std::move(change));
  notifying_ = false;
}

void ApiStore::crd_stored(const json::object& crd) {
  registry_.put_crd(crd);
  auto& table = tables_[std::string(name_of(crd))];
  if (!table) table = std::make_unique<Table>(options_.history_limit, version_);
}

void ApiStore::crd_dropped(const json::object& crd) {
  registry_.remove_crd(name_of(crd));
  const auto table = tables_.find(name_of(crd));
  if (table == tables_.end()) return;
  table->second->history->close();
  tables_.erase(table);
}

}  // namespace berth::sim
