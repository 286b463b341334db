#include "base/line_writer.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace berth {
namespace {

// False: the descriptor is of no use (closed, nobody on the other side).
bool write_all(int fd, const std::string& line) {
  std::size_t done = 0;
  while (done < line.size()) {
    const auto n = ::write(fd, line.data() + done, line.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      (void)::poll(&ready, 1, 1000);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct LineWriter::Queue {
  Options options;
  std::mutex mutex;
  std::condition_variable changed;
  // All guarded by mutex.
  std::deque<std::string> lines;
  std::uint64_t lost = 0;
  bool writing = false;  // a line that was taken from `lines` is not out yet
  bool stopping = false;
};

LineWriter::LineWriter(int fd, Options options) : queue_(std::make_shared<Queue>()) {
  queue_->options = std::move(options);
  std::thread([queue = queue_, fd] { run(queue, fd); }).detach();
}

LineWriter::~LineWriter() {
  (void)flush(std::chrono::milliseconds(500));
  const std::lock_guard lock(queue_->mutex);
  queue_->stopping = true;
  queue_->changed.notify_all();
}

void LineWriter::write(std::string line) {
  Queue& queue = *queue_;
  {
    const std::lock_guard lock(queue.mutex);
    if (queue.lines.size() >= queue.options.limit) {
      ++queue.lost;
      return;
    }
    if (const auto lost = std::exchange(queue.lost, 0); lost > 0 && queue.options.lost) {
      queue.lines.push_back(queue.options.lost(lost));
    }
    queue.lines.push_back(std::move(line));
  }
  queue.changed.notify_all();
}

bool LineWriter::flush(std::chrono::milliseconds within) {
  std::unique_lock lock(queue_->mutex);
  return queue_->changed.wait_for(lock, within, [this] { return queue_->lines.empty() && !queue_->writing; });
}

void LineWriter::run(const std::shared_ptr<Queue>& queue, int fd) {
  std::unique_lock lock(queue->mutex);
  for (;;) {
    queue->changed.wait(lock, [&] { return queue->stopping || !queue->lines.empty(); });
    if (queue->stopping) return;
    const std::string line = std::move(queue->lines.front());
    queue->lines.pop_front();
    queue->writing = true;
    lock.unlock();
    (void)write_all(fd, line);
    lock.lock();
    queue->writing = false;
    queue->changed.notify_all();
  }
}

}  // namespace berth
