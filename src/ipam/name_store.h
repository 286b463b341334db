#pragma once

// The texts of owners, packed: 8-byte steps instead of a heap block each. Released places are given to the next text of
// the same length class; blocks are freed with the store.

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace berth::ipam {

class NameStore {
 public:
  [[nodiscard]] const char* add(std::string_view name);
  void remove(const char* text, std::size_t length);  // as add() returned it

 private:
  static constexpr std::size_t kStep = 8;
  static constexpr std::size_t kLargest = 256;  // longer ones are blocks of their own
  struct Place {
    Place* next;
  };

  std::array<Place*, kLargest / kStep + 1> free_{};  // by length in steps
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_size_ = 512;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace berth::ipam
