#include "base/log.h"

#include <fmt/core.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <memory>

#include <boost/json.hpp>

#include "base/line_writer.h"

namespace berth::log {
namespace {

// Stands where spdlog's own sink for standard error would.
class BackgroundSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit BackgroundSink(std::function<std::string(std::uint64_t)> lost)
      : writer_(STDERR_FILENO, {8192, std::move(lost)}) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    writer_.write(std::string(text.data(), text.size()));
  }
  void flush_() override {}

 private:
  LineWriter writer_;
};

struct State {
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("berth", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  Options options{Format::text, Level::warn, {}};

  State() { apply(); }
  void apply() {
    logger->set_level(to_spdlog(options.level));
    logger->flush_on(spdlog::level::trace);
    if (options.format == Format::json) {
      logger->set_pattern("%v");
    } else {
      logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %-5l %v", spdlog::pattern_time_type::utc);
    }
  }
  static spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
      case Level::debug:
        return spdlog::level::debug;
      case Level::info:
        return spdlog::level::info;
      case Level::warn:
        return spdlog::level::warn;
      case Level::error:
        return spdlog::level::err;
    }
    return spdlog::level::info;
  }
};

State& state() {
  static State instance;
  return instance;
}

constexpr std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
  }
  return "info";
}

std::string utc_now() {
  timespec ts{};
  ::clock_gettime(CLOCK_REALTIME, &ts);
  std::tm tm{};
  ::gmtime_r(&ts.tv_sec, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                     tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1'000'000);
}

std::string as_json(Level level, std::string_view message, Fields fields, const std::string& program) {
  boost::json::object line;
  line["time"] = utc_now();
  line["level"] = name_of(level);
  if (!program.empty()) line["program"] = program;
  line["message"] = message;
  for (const auto& [key, value] : fields) line[key] = value;
  return boost::json::serialize(line);
}

std::string as_text(std::string_view message, Fields fields) {
  std::string line(message);
  for (const auto& [key, value] : fields) {
    const bool quote = value.empty() || value.find_first_of(" \"=\n") != std::string::npos;
    line += quote ? fmt::format(" {}={}", key, boost::json::serialize(boost::json::string(value)))
                  : fmt::format(" {}={}", key, value);
  }
  return line;
}

}  // namespace

void init(const Options& options) {
  state().options = options;
  if (options.background) {
    auto lost = [options](std::uint64_t count) {
      constexpr std::string_view kMessage = "standard error is too slow, lines of the log were lost";
      const Fields fields{{"lines", std::to_string(count)}};
      if (options.format == Format::json) return as_json(Level::warn, kMessage, fields, options.program) + "\n";
      return fmt::format("{} warn  {}\n", utc_now(), as_text(kMessage, fields));
    };
    state().logger = std::make_shared<spdlog::logger>("berth", std::make_shared<BackgroundSink>(std::move(lost)));
  }
  state().apply();
}

void write(Level level, std::string_view message, Fields fields) {
  State& s = state();
  const auto spd = State::to_spdlog(level);
  if (!s.logger->should_log(spd)) return;
  const bool json = s.options.format == Format::json;
  s.logger->log(spd, "{}", json ? as_json(level, message, fields, s.options.program) : as_text(message, fields));
}

}  // namespace berth::log
