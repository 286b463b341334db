#include "ipam/name_store.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace berth::ipam {

const char* NameStore::add(std::string_view name) {
  char* to = nullptr;
  const std::size_t steps = std::max<std::size_t>(1, (name.size() + kStep - 1) / kStep);
  if (steps * kStep > kLargest) {
    to = new char[name.size()];
  } else if (Place*& place = free_[steps]; place != nullptr) {
    to = reinterpret_cast<char*>(place);
    place = place->next;
  } else {
    if (left_ < steps * kStep) {  // what is left of the old block is forgotten
      block_size_ = std::min<std::size_t>(block_size_ * 2, std::size_t{1} << 16);
      next_ = blocks_.emplace_back(std::make_unique_for_overwrite<char[]>(block_size_)).get();
      left_ = block_size_;
    }
    to = next_;
    next_ += steps * kStep;
    left_ -= steps * kStep;
  }
  std::memcpy(to, name.data(), name.size());
  return to;
}

void NameStore::remove(const char* text, std::size_t length) {
  const std::size_t steps = std::max<std::size_t>(1, (length + kStep - 1) / kStep);
  if (steps * kStep > kLargest) {
    delete[] text;
    return;
  }
  free_[steps] = ::new (const_cast<char*>(text)) Place{free_[steps]};
}

}  // namespace berth::ipam
