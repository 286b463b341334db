#pragma once

// What the demo prints: lines that stay, and on a terminal a live part below them that is drawn anew. Thread-safe.

#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

namespace berth::dev {

class Screen {
 public:
  // `out` must outlive the screen. Colours and the live part only if `terminal`.
  Screen(std::FILE* out, bool terminal) : out_(out), terminal_(terminal) {}
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  enum class Tone { plain, faint, good, bad, title };

  void line(const std::string& text, Tone tone = Tone::plain);
  void live(std::vector<std::string> lines);  // replaces the live part; empty takes it away

 private:
  void erase_live();
  void draw_live();

  std::FILE* out_;
  bool terminal_;
  std::mutex mutex_;
  std::vector<std::string> live_;  // guarded by mutex_
};

}  // namespace berth::dev
