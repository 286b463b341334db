#include "agent/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <string_view>

namespace berth::agent {

struct Metrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& refused = prometheus::BuildCounter()
                                                         .Name("berth_agent_refused_total")
                                                         .Help("Confirmations that failed, by reason.")
                                                         .Register(registry);
  prometheus::Counter& prevented =
      prometheus::BuildCounter()
          .Name("berth_wrong_subnet_prevented_total")
          .Help("Addresses that were not delivered because they were not, or no longer, right.")
          .Register(registry)
          .Add({});
  prometheus::Family<prometheus::Counter>& calls = prometheus::BuildCounter()
                                                       .Name("berth_agent_cni_calls_total")
                                                       .Help("CNI calls that were answered.")
                                                       .Register(registry);
  prometheus::Histogram& add =
      prometheus::BuildHistogram()
          .Name("berth_agent_add_seconds")
          .Help("From an ADD's arrival until its interface was wired.")
          .Register(registry)
          .Add({}, prometheus::Histogram::BucketBoundaries{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60});
  prometheus::Gauge& waiting = prometheus::BuildGauge()
                                   .Name("berth_agent_waiting_interfaces")
                                   .Help("Interfaces whose ADD is under way.")
                                   .Register(registry)
                                   .Add({});
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::refused(Reason reason) { impl_->refused.Add({{"reason", std::string(to_string(reason))}}).Increment(); }

void Metrics::prevented_wrong_subnet() { impl_->prevented.Increment(); }

void Metrics::answered(std::string_view command, bool ok) {
  impl_->calls.Add({{"command", std::string(command)}, {"result", ok ? "ok" : "error"}}).Increment();
}

void Metrics::attached(Duration from_request) {
  impl_->add.Observe(std::chrono::duration<double>(from_request).count());
}

void Metrics::set_waiting(std::size_t interfaces) { impl_->waiting.Set(static_cast<double>(interfaces)); }

double Metrics::refusals(Reason reason) const {
  return impl_->refused.Add({{"reason", std::string(to_string(reason))}}).Value();
}

double Metrics::wrong_subnets_prevented() const { return impl_->prevented.Value(); }

std::string Metrics::text() const { return prometheus::TextSerializer().Serialize(impl_->registry.Collect()); }

}  // namespace berth::agent
