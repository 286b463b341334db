#pragma once

// Plain text tables and durations for people.

#include <string>
#include <string_view>
#include <vector>

#include "base/scheduler.h"

namespace berth::dev {

// Columns as wide as their widest cell, two blanks between them, no blanks at the end of a line. Rows may be shorter
// than the header. One string a line, the header first, in capitals.
[[nodiscard]] std::vector<std::string> format_table(const std::vector<std::string>& header,
                                                    const std::vector<std::vector<std::string>>& rows);

// "0.0 s", "12.3 s", "2 min 3 s".
[[nodiscard]] std::string format_duration(Duration duration);

// How many columns UTF-8 text takes on a terminal, all characters being one wide.
[[nodiscard]] std::size_t width_of(std::string_view text);

}  // namespace berth::dev
