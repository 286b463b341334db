#pragma once

// Lines to a file descriptor that may be slow: a terminal that was stopped, a pipe that nobody reads. Whoever writes
// never waits for it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace berth {

// One thread writes, in order. Lines beyond the limit are lost; how many, the next line that fits says (`lost` words
// it).
class LineWriter {
 public:
  struct Options {
    std::size_t limit = 8192;  // lines that may wait
    std::function<std::string(std::uint64_t count)> lost;
  };

  // The descriptor stays the caller's and must stay open for ever.
  LineWriter(int fd, Options options);

  // Gives what waits half a second; does not hang on a descriptor that takes nothing.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // With its newline. Any thread.
  void write(std::string line);

  // True once everything written before is out; false if that takes longer. Any thread.
  bool flush(std::chrono::milliseconds within);

 private:
  struct Queue;
  static void run(const std::shared_ptr<Queue>& queue, int fd);
  std::shared_ptr<Queue> queue_;  // shared with the thread, which may be stuck in write(2) when this is destroyed
};

}  // namespace berth
