#include "dev/kubelet/container_logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

namespace berth::dev {

namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;

}  // namespace

void ContainerLogs::begin(const PodSpec& pod, const std::string& container, int run, const std::string& file) {
  const std::lock_guard lock(mutex_);
  Pod& known = pods_[pod.key()];
  if (known.uid != pod.uid) {
    known = {};
    known.uid = pod.uid;
    for (const auto& spec : pod.init_containers) known.containers.push_back(spec.name);
    for (const auto& spec : pod.containers) known.containers.push_back(spec.name);
    if (!pod.containers.empty()) known.first = pod.containers.front().name;
  }
  auto& files = known.files[container];
  files.resize(static_cast<std::size_t>(run) + 1);
  files.back() = file;
}

void ContainerLogs::end(const PodSpec& pod) {
  const std::lock_guard lock(mutex_);
  const auto found = pods_.find(pod.key());
  if (found != pods_.end() && found->second.uid == pod.uid) found->second.ended = true;
}

void ContainerLogs::forget(const PodSpec& pod) {
  const std::lock_guard lock(mutex_);
  const auto found = pods_.find(pod.key());
  if (found != pods_.end() && found->second.uid == pod.uid) pods_.erase(found);
}

Result<LogChunk> ContainerLogs::read(const LogRequest& request, std::uint64_t offset) const {
  std::string file;
  LogChunk chunk;
  {
    const std::lock_guard lock(mutex_);
    const auto pod = pods_.find(request.ns + "/" + request.pod);
    if (pod == pods_.end()) {
      return fail(ErrorCode::invalid, fmt::format("no container of pod {} has started yet", request.pod));
    }
    const std::string& name = request.container.empty() ? pod->second.first : request.container;
    if (std::ranges::find(pod->second.containers, name) == pod->second.containers.end()) {
      return fail(ErrorCode::not_found, fmt::format("container {} is not in pod {}", name, request.pod));
    }
    const auto files = pod->second.files.find(name);
    const std::size_t runs = files == pod->second.files.end() ? 0 : files->second.size();
    const std::size_t back = request.previous ? 2 : 1;
    if (runs < back) {
      return fail(ErrorCode::invalid, fmt::format("{}container {} in pod {} has not started yet",
                                                  request.previous ? "previous " : "", name, request.pod));
    }
    file = files->second[runs - back];
    chunk.ended = pod->second.ended || request.previous;
  }
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  chunk.text.resize(kChunk);
  in.read(chunk.text.data(), static_cast<std::streamsize>(chunk.text.size()));
  chunk.text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  // More may follow at once: the end is told with the last bytes only.
  chunk.ended = chunk.ended && chunk.text.size() < kChunk;
  return chunk;
}

}  // namespace berth::dev
