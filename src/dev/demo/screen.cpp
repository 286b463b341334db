#include "dev/demo/screen.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string_view>

#include "dev/demo/table.h"

namespace berth::dev {

namespace {

std::string_view code_of(Screen::Tone tone) {
  switch (tone) {
    case Screen::Tone::plain:
      return "";
    case Screen::Tone::faint:
      return "\033[2m";
    case Screen::Tone::good:
      return "\033[32m";
    case Screen::Tone::bad:
      return "\033[1;31m";
    case Screen::Tone::title:
      return "\033[1m";
  }
  return "";
}

std::size_t columns_of(std::FILE* out) {
  winsize size{};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// A wrapped line would break the count of lines to erase.
std::string cut(std::string text, std::size_t columns) {
  while (width_of(text) > columns && !text.empty()) text.pop_back();
  return text;
}

}  // namespace

Screen::~Screen() { live({}); }

void Screen::line(const std::string& text, Tone tone) {
  const std::scoped_lock lock(mutex_);
  erase_live();
  const std::string_view code = terminal_ ? code_of(tone) : "";
  fmt::print(out_, "{}{}{}\n", code, text, code.empty() ? "" : "\033[0m");
  draw_live();
  std::fflush(out_);
}

void Screen::live(std::vector<std::string> lines) {
  if (!terminal_) return;
  const std::scoped_lock lock(mutex_);
  erase_live();
  live_ = std::move(lines);
  draw_live();
  std::fflush(out_);
}

void Screen::erase_live() {
  if (!terminal_ || live_.empty()) return;
  fmt::print(out_, "\033[{}F\033[J", live_.size());
}

void Screen::draw_live() {
  const std::size_t columns = columns_of(out_);
  for (const std::string& text : live_) fmt::print(out_, "\033[36m{}\033[0m\n", cut(text, columns));
}

}  // namespace berth::dev
