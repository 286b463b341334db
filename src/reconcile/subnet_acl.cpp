#include "reconcile/subnet_acl.h"

#include <fmt/core.h>

#include "reconcile/subnet_rows.h"

namespace berth::reconcile {
namespace {

// Kube-OVN's priorities.
constexpr int kDrop = 1000;
constexpr int kAllow = 1001;
constexpr int kEastWest = 1900;
constexpr int kNodes = 3000;

std::string between(const net::Cidr& a, const net::Cidr& b) {
  const std::string ip = family_name(a.family());
  return fmt::format("{}.src == {} && {}.dst == {}", ip, a.to_string(), ip, b.to_string());
}

class Rules {
 public:
  explicit Rules(const std::string& name) : name_(name) {}

  void add(const std::string& direction, int priority, std::string match, const std::string& action,
           const std::string& log_name = "") {
    out_.insert({direction, priority, std::move(match), action, log_name, {{"parent", name_}}});
  }
  void add_from_spec(const api::SubnetAcl& acl) {
    out_.insert({acl.direction,
                 static_cast<int>(acl.priority),
                 acl.match,
                 acl.action,
                 "",
                 {{"parent", name_}, {"subnet", name_}}});
  }
  std::set<world::Acl> take() { return std::move(out_); }

 private:
  const std::string& name_;
  std::set<world::Acl> out_;
};

void add_private(const api::Subnet& subnet, const std::vector<net::Cidr>& cidrs, const std::vector<net::Cidr>& join,
                 Rules& rules) {
  rules.add("to-lport", kDrop, "ip", "drop", subnet.meta.name);
  for (const net::Cidr& nodes : join)
    rules.add("to-lport", kNodes, fmt::format("{}.src == {}", family_name(nodes.family()), nodes.to_string()),
              "allow-related");
  for (const net::Cidr& cidr : cidrs) {
    for (const net::Cidr& other : cidrs) {
      if (other.family() == cidr.family()) rules.add("to-lport", kAllow, between(cidr, other), "allow-related");
    }
    for (const std::string& text : subnet.allow_subnets) {
      const auto allowed = net::Cidr::parse(text);
      if (!allowed || allowed->family() != cidr.family()) continue;
      rules.add("to-lport", kAllow, fmt::format("({}) || ({})", between(cidr, *allowed), between(*allowed, cidr)),
                "allow-related");
    }
  }
}

}  // namespace

std::set<world::Acl> wanted_acls(const api::Subnet& subnet, const std::vector<net::Cidr>& cidrs,
                                 const std::vector<net::Cidr>& join) {
  Rules rules(subnet.meta.name);
  if (subnet.private_) add_private(subnet, cidrs, join, rules);
  for (const api::SubnetAcl& acl : subnet.acls) rules.add_from_spec(acl);
  if (subnet.allow_ew_traffic && !subnet.acls.empty()) {
    for (const net::Cidr& cidr : cidrs) {
      for (const net::Cidr& other : cidrs) {
        if (other.family() != cidr.family()) continue;
        for (const char* direction : {"from-lport", "to-lport"})
          rules.add(direction, kEastWest, between(cidr, other), "allow");
      }
    }
  }
  return rules.take();
}

}  // namespace berth::reconcile
