#pragma once

// Structured logging: one message, then key-value fields. The library behind it (spdlog) stays in log.cpp.
// Thread-safe. Nothing is written before init() below Level::warn.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace berth::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };

struct Options {
  Format format = Format::text;
  Level level = Level::info;
  std::string program;  // "berth-controller"; a field of every JSON line
  bool background =
      false;  // a thread of its own writes: a standard error that takes nothing delays nobody, lines are lost
};

// Writes to standard error from now on. Call once, before threads start.
void init(const Options& options);

using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

void write(Level level, std::string_view message, Fields fields);

inline void debug(std::string_view message, Fields fields = {}) { write(Level::debug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::info, message, fields); }
inline void warn(std::string_view message, Fields fields = {}) { write(Level::warn, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::error, message, fields); }

}  // namespace berth::log
