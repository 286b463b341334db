#pragma once

// Brings the chart into the cluster and out of it again: by Helm, or, without Helm, the same objects in Helm's order.

#include <memory>
#include <string>

#include "base/result.h"
#include "dev/demo/api.h"
#include "dev/demo/helm_order.h"
#include "dev/demo/plays.h"
#include "dev/process/supervisor.h"

namespace berth::dev {

class Sender {
 public:
  virtual ~Sender() = default;

  [[nodiscard]] virtual std::string describe() const = 0;  // "helm v3.19.5"
  [[nodiscard]] virtual bool is_helm() const = 0;

  // Returns when all objects are sent; whether they come to life is another matter.
  [[nodiscard]] virtual Status install(const Release& release) = 0;
  [[nodiscard]] virtual Status upgrade(const Release& release) = 0;
  [[nodiscard]] virtual Status uninstall() = 0;
};

// What both need to know. `chart` is the folder of the tenant chart.
struct ChartOptions {
  std::string chart;
  std::string ns = "default";  // where the release is kept
  std::string name = "tenant";
};

struct HelmOptions {
  std::string helm;        // the program
  std::string kubeconfig;  // file
  std::string home;        // folder for Helm's own caches and settings; it makes what it needs there
};

// Error invalid: the program does not run. The Supervisor must outlive the sender, here and below.
[[nodiscard]] Result<std::unique_ptr<Sender>> helm_sender(Supervisor& supervisor, HelmOptions helm, ChartOptions chart);

// Reads the chart as rendered beforehand. Error not_found or invalid: it is not there, or no YAML.
[[nodiscard]] Result<std::unique_ptr<Sender>> api_sender(Api& api, ChartOptions chart);

// The objects of the chart for a release, as rendered beforehand; of kinds that the release leaves out there are none.
[[nodiscard]] Result<Objects> rendered_objects(const std::string& chart, const Release& release);

// "--set" and its values for a release.
[[nodiscard]] std::vector<std::string> helm_values(const Release& release);

}  // namespace berth::dev
