#pragma once

#include "binding/knowledge.h"

namespace berth::admission {

// Of nothing: for reading what a pod asks for where the rest of the cluster is not known.
class NoKnowledge final : public binding::Knowledge {
 public:
  [[nodiscard]] const binding::Safeguards& safeguards() const override { return safeguards_; }
  [[nodiscard]] TimePoint now() const override { return {}; }
  [[nodiscard]] const api::Namespace* find_namespace(const std::string&) const override { return nullptr; }
  [[nodiscard]] const api::NetworkAttachmentDefinition* find_network(const std::string&,
                                                                     const std::string&) const override {
    return nullptr;
  }
  [[nodiscard]] const api::IpPool* find_pool(const std::string&) const override { return nullptr; }
  [[nodiscard]] std::optional<binding::SubnetView> subnet(const std::string&) const override { return std::nullopt; }
  [[nodiscard]] std::vector<binding::SubnetView> claimants(const std::string&) const override { return {}; }
  [[nodiscard]] std::vector<binding::SubnetView> of_provider(const std::string&) const override { return {}; }
  [[nodiscard]] std::vector<const api::IpPool*> pools(const std::string&, const std::string&) const override {
    return {};
  }
  [[nodiscard]] const api::Vpc* vpc_of(const std::string&) const override { return nullptr; }
  [[nodiscard]] std::vector<binding::SubnetView> defaults_of(const std::string&) const override { return {}; }
  [[nodiscard]] bool has_room(const std::string&, const std::string&, std::optional<net::Family>,
                              const std::string&) const override {
    return false;
  }
  [[nodiscard]] std::optional<std::string> inferred_expectation(const std::string&) const override {
    return std::nullopt;
  }
  [[nodiscard]] TimePoint settled_at(const std::string&) const override { return {}; }
  [[nodiscard]] bool is_fresh_for(const api::Pod&) const override { return false; }

 private:
  binding::Safeguards safeguards_;
};

}  // namespace berth::admission
