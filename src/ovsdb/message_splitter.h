#pragma once

// Cuts a byte stream into JSON-RPC messages: OVSDB puts no delimiter between them. Each byte is looked at once, however
// the stream is cut into reads.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace berth::ovsdb {

class MessageSplitter {
 public:
  static constexpr std::size_t kMaxMessage = 256UL << 20;  // a northbound snapshot of 100,000 ports is about 40 MB

  explicit MessageSplitter(std::size_t max_message = kMaxMessage) : max_message_(max_message) {}

  // Calls on_message for each object that is complete with these bytes; the text is valid during the call. Whether it
  // is well-formed inside its braces is for the parser to say. ErrorCode::internal: something other than an object, or
  // an object above the limit; the stream cannot be followed any further.
  [[nodiscard]] Status feed(std::string_view bytes, const std::function<void(std::string_view message)>& on_message);

  [[nodiscard]] std::size_t buffered() const { return buffer_.size(); }

 private:
  Status append(std::string_view part);

  std::size_t max_message_;
  std::string buffer_;     // the beginning of a message whose end has not arrived
  std::size_t depth_ = 0;  // of braces and brackets; 0: between messages
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace berth::ovsdb
