#include "ipam/holder.h"

#include <new>

namespace berth::ipam {

HolderStore::Id HolderStore::add(std::string_view owner, std::uint32_t subnet, bool room_for_v6) {
  const bool is_far = owner.size() > Holder::kLongestName;
  const std::size_t in_record = is_far ? sizeof(Holder::Far) : owner.size();
  const std::size_t size = sizeof(Holder) + (room_for_v6 ? sizeof(net::Uint128) : 0) + in_record;
  const Id id = take((size + kUnit - 1) / kUnit);
  Holder& holder = *::new (place(id)) Holder();
  holder.subnet_ = subnet;
  holder.name_length_ = static_cast<std::uint8_t>(in_record);
  holder.far_name_ = is_far;
  holder.room_for_v6_ = room_for_v6;
  if (is_far) {
    char* text = new char[owner.size()];
    std::memcpy(text, owner.data(), owner.size());
    const Holder::Far far{text, owner.size()};
    std::memcpy(holder.name_place(), &far, sizeof far);
  } else {
    std::memcpy(holder.name_place(), owner.data(), owner.size());
  }
  return id;
}

void HolderStore::remove(Id id) {
  Holder& holder = at(id);
  if (holder.far_name_) delete[] holder.owner().data();
  Id& free = free_[(holder.size() + kUnit - 1) / kUnit];
  holder.v4_ = free;
  free = id;
}

HolderStore::Id HolderStore::take(std::size_t units) {
  if (const Id id = free_[units]; id != kNone) {
    free_[units] = at(id).v4_;
    return id;
  }
  if (used_ + units > kUnits) {  // what is left of the last block is forgotten
    blocks_.push_back(std::make_unique_for_overwrite<Block>());
    used_ = 0;
  }
  const auto id = static_cast<Id>((blocks_.size() - 1) * kUnits + used_);
  used_ += units;
  return id;
}

}  // namespace berth::ipam
