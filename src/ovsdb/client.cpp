#include "ovsdb/client.h"

#include <utility>

#include "ovsdb/client_io.h"

namespace berth::ovsdb {

Result<std::unique_ptr<Client>> Client::create(Scheduler& scheduler, ClientOptions options) {
  auto remotes = Remote::parse_list(options.remotes);
  if (!remotes) return fail(remotes.error());
  auto io = std::make_unique<Io>(std::move(*remotes), std::move(options));
  if (auto ok = io->open(); !ok) return fail(ok.error());
  return std::unique_ptr<Client>(new Client(scheduler, std::move(io)));
}

Client::Client(Scheduler& scheduler, std::unique_ptr<Io> io)
    : scheduler_(scheduler), self_(std::make_shared<Client*>(this)), io_(std::move(io)) {}

Client::~Client() {
  self_.reset();
  io_->stop();
}

void Client::start(Observer observer) {
  observer_ = std::move(observer);
  // Runs on the I/O thread; `fn` later, on the Scheduler's, if the client is still there.
  const auto post = [&scheduler = scheduler_, self = std::weak_ptr(self_)](auto fn) {
    scheduler.post([self, fn = std::move(fn)]() mutable {
      Client* client = nullptr;
      if (const auto locked = self.lock()) client = *locked;
      if (client != nullptr) fn(*client);
    });
  };
  io_->start({
      .on_connected =
          [post](std::vector<RowChange> all, std::shared_ptr<const Schema> schema) {
            post([all = std::move(all), schema = std::move(schema)](Client& c) mutable {
              c.on_connected(std::move(all), std::move(schema));
            });
          },
      .on_change =
          [post](std::vector<RowChange> changes) {
            post([changes = std::move(changes)](Client& c) mutable {
              if (c.observer_.on_change) c.observer_.on_change(std::move(changes));
            });
          },
      .on_reply =
          [post](std::uint64_t id, Result<boost::json::array> reply) {
            post([id, reply = std::move(reply)](Client& c) mutable {
              auto pending = c.pending_.extract(id);
              if (!pending.empty()) pending.mapped()(std::move(reply));
            });
          },
      .on_disconnected =
          [post](Error error) { post([error = std::move(error)](Client& c) { c.on_disconnected(error); }); },
  });
}

void Client::transact(boost::json::array operations, Reply done) {
  const auto id = next_id_++;
  pending_.emplace(id, std::move(done));
  io_->transact(id, std::move(operations));
}

bool Client::has_column(const std::string& table, const std::string& column) const {
  if (!schema_) return false;
  return column.empty() ? schema_->table(table) != nullptr : schema_->column(table, column) != nullptr;
}

void Client::on_connected(std::vector<RowChange> all, std::shared_ptr<const Schema> schema) {
  schema_ = std::move(schema);
  connected_ = true;
  if (observer_.on_snapshot) observer_.on_snapshot(std::move(all));
}

void Client::on_disconnected(const Error& error) {
  connected_ = false;
  const std::weak_ptr alive(self_);
  for (auto& [_, done] : std::exchange(pending_, {})) {
    done(fail(ErrorCode::unavailable, error.message));
    if (alive.expired()) return;
  }
  if (observer_.on_disconnect) observer_.on_disconnect(error);
}

}  // namespace berth::ovsdb
