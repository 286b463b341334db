#include "dev/demo/screen.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

namespace berth::dev {
namespace {

std::string printed(bool terminal) {
  char* data = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&data, &size);
  {
    Screen screen(out, terminal);
    screen.line("one", Screen::Tone::good);
    screen.live({"x", "y"});
    screen.line("two");
  }
  std::fclose(out);
  const std::unique_ptr<char, void (*)(void*)> owner(data, std::free);
  return {data, size};
}

TEST(DemoScreen, PlainLinesWhenNotOnATerminal) { EXPECT_EQ(printed(false), "one\ntwo\n"); }

TEST(DemoScreen, TheLivePartStaysBelowTheLinesAndGoesAtTheEnd) {
  const std::string live = "\033[36mx\033[0m\n\033[36my\033[0m\n";
  EXPECT_EQ(printed(true), "\033[32mone\033[0m\n" + live + "\033[2F\033[Jtwo\n" + live + "\033[2F\033[J");
}

}  // namespace
}  // namespace berth::dev
