// What a batch of new ports costs the deciding thread when their switch has many already: the plan, and the observation
// of what was written. The store's own work is the server's in production, and is measured by itself.

#include <benchmark/benchmark.h>

#include <boost/json/parse.hpp>

#include "ovn/feed.h"
#include "ovn/planner.h"
#include "ovn/simulated_schema.h"
#include "ovn/transaction.h"
#include "ovsdb/memory_store.h"

namespace berth::ovn {
namespace {

constexpr int kBatch = 100;

world::LogicalPort pod(int n) {
  world::LogicalPort out;
  out.name = "pod-" + std::to_string(n) + ".namespace";
  out.switch_name = "ovn-default";
  out.mac = net::Mac(0x020000000000ULL + static_cast<std::uint64_t>(n));
  out.addresses = {net::Address(net::Family::v4, 0x0A100000U + static_cast<unsigned>(n))};
  out.external_ids = {{"pod", "namespace/pod-" + std::to_string(n)},
                      {"berth-owner", "3d2b1f0c-0000-0000-0000-000000000000"}};
  return out;
}

Transaction::Built plan(Model& model, const std::vector<world::OvnChange>& changes) {
  Transaction transaction([](const std::string&, const std::string&) { return true; }, model.journal);
  model.journal.recording = true;
  Planner planner(model, transaction);
  for (const auto& change : changes) benchmark::DoNotOptimize(planner.apply(change));
  auto built = transaction.build({});
  model.journal.roll_back(0);
  model.journal.recording = false;
  return built;
}

struct Loaded {
  explicit Loaded(int ports) {
    store.subscribe([this](const std::vector<ovsdb::RowChange>& c) { last = c; });
    write({world::PutSwitch{{"ovn-default", "", {}, {}}}});
    std::vector<world::OvnChange> all;
    for (int i = 0; i < ports; ++i) all.emplace_back(world::PutPort{pod(i)});
    write(all);
  }
  void write(const std::vector<world::OvnChange>& changes) {
    store.execute(plan(model, changes).operations);
    Touched touched;
    feed(model, last, touched);
  }
  std::vector<world::OvnChange> batch(int first) const {
    std::vector<world::OvnChange> out;
    for (int i = first; i < first + kBatch; ++i) out.emplace_back(world::PutPort{pod(i)});
    return out;
  }

  ovsdb::MemoryStore store{*ovsdb::Schema::parse(kSimulatedSchema)};
  Model model;
  std::vector<ovsdb::RowChange> last;
};

void BM_PlanBatch(benchmark::State& state) {
  Loaded loaded(static_cast<int>(state.range(0)));
  const auto batch = loaded.batch(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(plan(loaded.model, batch));
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_PlanBatch)->Arg(0)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void BM_ObserveBatch(benchmark::State& state) {
  Loaded loaded(static_cast<int>(state.range(0)));
  loaded.store.execute(plan(loaded.model, loaded.batch(static_cast<int>(state.range(0)))).operations);
  const auto forth = loaded.last;
  auto back = forth;
  for (auto& change : back) std::swap(change.before, change.after);
  for (auto _ : state) {
    Touched touched;
    feed(loaded.model, forth, touched);
    for (const auto& name : touched.ports) benchmark::DoNotOptimize(observe_port(loaded.model, name));
    state.PauseTiming();
    feed(loaded.model, back, touched);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_ObserveBatch)->Arg(0)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace berth::ovn
