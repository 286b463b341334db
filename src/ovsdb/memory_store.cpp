#include "ovsdb/memory_store.h"

#include <fmt/format.h>

#include <utility>

namespace berth::ovsdb {

MemoryStore::MemoryStore(Schema schema, std::uint64_t seed) : schema_(std::move(schema)), random_(seed) {}

boost::json::array MemoryStore::execute(const boost::json::array& operations) {
  MemoryTransaction transaction(schema_, data_, [this] { return new_uuid(); });
  auto results = transaction.run(operations);
  const auto changes = transaction.changes();
  if (changes.empty()) return results;
  ++transactions_;
  const auto listeners = listeners_;  // a listener may unsubscribe
  for (const auto& [_, listener] : listeners) listener(changes);
  return results;
}

std::map<std::string, Row> MemoryStore::rows(const std::string& table) const {
  std::map<std::string, Row> out;
  const TableSchema* schema = schema_.table(table);
  const auto rows = data_.tables.find(table);
  if (schema == nullptr || rows == data_.tables.end()) return out;
  for (const auto& [uuid, row] : rows->second) out.emplace(uuid, to_row(*schema, row));
  return out;
}

std::vector<RowChange> MemoryStore::snapshot() const {
  std::vector<RowChange> out;
  for (const auto& [name, table] : data_.tables) {
    for (const auto& [uuid, row] : table) out.push_back({name, uuid, std::nullopt, to_row(*schema_.table(name), row)});
  }
  return out;
}

std::uint64_t MemoryStore::subscribe(Listener listener) {
  listeners_.emplace(next_listener_, std::move(listener));
  return next_listener_++;
}

void MemoryStore::unsubscribe(std::uint64_t id) { listeners_.erase(id); }

std::string MemoryStore::new_uuid() {
  const auto next = [this] {  // splitmix64
    std::uint64_t z = (random_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  };
  const std::uint64_t a = next();
  const std::uint64_t b = next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xFFFF, a & 0xFFF,
                     0x8000 | ((b >> 48) & 0x3FFF), b & 0xFFFF'FFFF'FFFFULL);
}

}  // namespace berth::ovsdb
