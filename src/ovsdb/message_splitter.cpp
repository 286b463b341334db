#include "ovsdb/message_splitter.h"

#include <fmt/format.h>

namespace berth::ovsdb {

Status MessageSplitter::append(std::string_view part) {
  if (part.size() > max_message_ - buffer_.size()) {
    return fail(ErrorCode::internal, fmt::format("OVSDB: a message of more than {} bytes", max_message_));
  }
  buffer_.append(part);
  return {};
}

Status MessageSplitter::feed(std::string_view bytes, const std::function<void(std::string_view)>& on_message) {
  std::size_t begin = 0;  // where the current message begins or goes on
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (depth_ == 0) {
      if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
      if (c != '{') {
        return fail(ErrorCode::internal,
                    fmt::format("OVSDB: byte {:#04x} where a message should begin", static_cast<unsigned char>(c)));
      }
      depth_ = 1;
      begin = i;
    } else if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      if (auto ok = append(bytes.substr(begin, i + 1 - begin)); !ok) return ok;
      on_message(buffer_);
      buffer_.clear();
      if (buffer_.capacity() > (1U << 20)) buffer_.shrink_to_fit();
    }
  }
  return depth_ == 0 ? Status() : append(bytes.substr(begin));
}

}  // namespace berth::ovsdb
