#include "dev/api/pod_logs.h"

#include <fmt/format.h>

#include <charconv>

#include "dev/api/render.h"

namespace berth::dev {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFollowEvery = 300ms;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Asks the source for more, again and again, until the container has ended or the client is gone.
struct Follower : std::enable_shared_from_this<Follower> {
  std::shared_ptr<const LogSource> source;
  LogRequest request;
  std::uint64_t offset;
  http::Stream stream;
  Workers& workers;

  Follower(std::shared_ptr<const LogSource> from, LogRequest of, std::uint64_t begin, http::Stream to, Workers& threads)
      : source(std::move(from)), request(std::move(of)), offset(begin), stream(std::move(to)), workers(threads) {}

  void go_on() {
    workers.post_after(kFollowEvery, [self = shared_from_this()] { self->look(); });
  }

  void look() {
    if (stream.gone()) return;
    if (stream.pending() > 0) return go_on();
    const auto chunk = (*source)(request, offset);
    if (!chunk) return stream.finish();
    offset += chunk->text.size();
    stream.write(chunk->text);
    if (chunk->ended) return stream.finish();
    go_on();
  }
};

sim::ApiResult<std::string> container_of(const sim::ResourceType& type, const boost::json::object& pod,
                                         std::string_view asked) {
  std::vector<std::string> names;
  for (const char* list : {"containers", "initContainers"}) {
    if (const auto* containers = sim::array_at(pod, {"spec", list})) {
      for (const auto& container : *containers) {
        if (container.is_object()) names.emplace_back(sim::string_at(container.get_object(), {"name"}));
      }
    }
  }
  if (asked.empty() && !names.empty()) return names.front();
  for (const auto& name : names) {
    if (name == asked) return name;
  }
  return tl::unexpected(
      sim::bad_request(fmt::format("container {} is not valid for {} {}", asked, type.singular, sim::name_of(pod))));
}

}  // namespace

std::string_view tail_of(std::string_view text, std::uint64_t lines) {
  if (lines == 0) return {};
  std::size_t from = text.size();
  if (text.ends_with('\n')) --from;
  while (from > 0) {
    const auto before = text.rfind('\n', from - 1);
    if (before == std::string_view::npos) return text;
    if (--lines == 0) return text.substr(before + 1);
    from = before;
  }
  return text;
}

void PodLogs::set_source(LogSource source) {
  const std::lock_guard lock(mutex_);
  source_ = source ? std::make_shared<const LogSource>(std::move(source)) : nullptr;
}

std::shared_ptr<const LogSource> PodLogs::source() {
  const std::lock_guard lock(mutex_);
  return source_;
}

void PodLogs::answer(const ResourceRequest& request, const http::Responder& responder) {
  const http::ServerRequest& http = request.http;
  if (http.method != "GET") return responder.send(error_response(not_allowed(http)));
  const auto pod = [&] {
    const std::lock_guard lock(store_.mutex());
    return store_.get(*request.type, request.path.ns, request.path.name);
  }();
  if (!pod) return responder.send(error_response(pod.error()));
  const auto container = container_of(*request.type, **pod, http.parameter("container"));
  if (!container) return responder.send(error_response(container.error()));
  const auto source = this->source();
  if (!source) {
    return responder.send(error_response({404, "NotFound", "this server has no logs: no kubelet runs in it", {}}));
  }
  const auto is_set = [&http](std::string_view name) {
    return http.parameter(name) == "true" || http.parameter(name) == "1";
  };
  const LogRequest wanted{request.path.ns, request.path.name, *container, is_set("previous")};
  const auto chunk = (*source)(wanted, 0);
  if (!chunk) return responder.send(error_response(sim::bad_request(chunk.error().message)));

  std::string_view text = chunk->text;
  if (const auto lines = number(http.parameter("tailLines"))) text = tail_of(text, *lines);
  if (const auto limit = number(http.parameter("limitBytes"))) text = text.substr(0, *limit);
  const http::HeaderList headers{{"Content-Type", "text/plain"}};
  if (!is_set("follow") || chunk->ended) return responder.send({200, headers, std::string(text)});
  const http::Stream stream = responder.start(200, headers);
  stream.write(std::string(text));
  std::make_shared<Follower>(source, wanted, chunk->text.size(), stream, workers_)->go_on();
}

}  // namespace berth::dev
