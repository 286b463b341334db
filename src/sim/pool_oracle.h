#pragma once

// What must hold of IPPools and Vips, asserted on the truth like the rest (oracle.h).

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/ip.h"
#include "api/ip_pool.h"
#include "api/vip.h"
#include "sim/api_store.h"
#include "sim/nodes.h"

namespace berth::sim {

class PoolOracle {
 public:
  using Fail = std::function<void(const std::string&)>;
  explicit PoolOracle(Fail fail) : fail_(std::move(fail)) {}

  // The newest leader's epoch, and whether an older one may still be writing.
  void set_leader(std::uint64_t epoch, bool alone) { epoch_ = epoch, alone_ = alone; }

  void on_change(const ResourceType& type, const Change& change);

  // True: the pod named an IPPool or a Vip, and was judged by that.
  bool on_wired(const WiredPod& wired);
  // The pods of that namespace are, or were, bound to what a pool has.
  [[nodiscard]] bool has_pool(const std::string& ns) const { return pooled_namespaces_.contains(ns); }
  // Whether a pod takes this Vip's address over by naming it.
  [[nodiscard]] bool takes_over(const std::string& pod_uid, const std::string& vip) const;

  // At rest. ready: the ranges of the Subnets that are ready and that nobody has edited wrongly; ips: all IP objects.
  void check_published(const std::map<std::string, std::vector<net::Cidr>>& ready,
                       const std::vector<api::Ip>& ips) const;
  // What Vips hold that no IP object does: subnet -> addresses.
  [[nodiscard]] std::map<std::string, std::set<net::Address>> held_by_vips(const std::vector<api::Ip>& ips) const;

  std::map<std::string, std::uint64_t> occurred;

 private:
  struct PoolTruth {
    std::string subnet;
    std::set<net::Range> ever;         // every range that a text of this name ever had
    std::set<std::string> namespaces;  // every namespace that it ever listed
    std::vector<net::Range> in_force;  // while Ready speaks of this very text
    std::uint64_t since = 0;           // version of the API when that began
    std::uint64_t epoch = 0;           // leaders from this on know it
    std::uint64_t deleted = 0;         // version when its deletion was asked for
  };
  void on_pool(const Change& change);
  void on_ip(const Change& change);
  void on_pod(const Change& change);
  void check_exclusive(const api::Ip& ip, std::uint64_t version) const;
  void check_vips(const WiredPod& wired) const;
  void check_pool(const std::string& name, const api::IpPool& pool,
                  const std::map<std::string, std::vector<net::Cidr>>& ready, const std::vector<api::Ip>& ips) const;

  Fail fail_;
  std::uint64_t epoch_ = 0;
  bool alone_ = true;
  std::map<std::string, std::vector<net::Cidr>> ranges_;         // of the Subnets that are there, as their text says
  std::map<std::string, PoolTruth> pools_;                       // by name
  std::map<std::string, api::IpPool> live_pools_;                // by name
  std::map<std::string, api::Vip> live_vips_;                    // by name
  std::map<std::string, std::set<net::Address>> vip_addresses_;  // by name: every address that it was ever given
  std::map<std::string, std::pair<api::Ip, std::uint64_t>>
      live_ips_;  // and the version since which it has its addresses
  struct PodWish {
    std::uint64_t created = 0;
    std::string pool;
    std::string vip;
    bool addresses = false;
  };
  std::map<std::string, PodWish> wishes_;  // by pod UID
  std::set<std::string> pooled_namespaces_;
};

}  // namespace berth::sim
