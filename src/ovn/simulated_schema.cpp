#include "ovn/simulated_schema.h"

namespace berth::ovn {

// clang-format off
const char kSimulatedSchema[] = R"schema(
{"name": "OVN_Northbound", "version": "7.0.0", "tables": {
  "NB_Global": {"columns": {
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "hv_cfg": {"type": {"key": "integer"}},
    "hv_cfg_timestamp": {"type": {"key": "integer"}},
    "ipsec": {"type": "boolean"},
    "name": {"type": "string"},
    "nb_cfg": {"type": {"key": "integer"}},
    "nb_cfg_timestamp": {"type": {"key": "integer"}},
    "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "sb_cfg": {"type": {"key": "integer"}},
    "sb_cfg_timestamp": {"type": {"key": "integer"}}}, "maxRows": 1, "isRoot": true},
  "Address_Set": {"columns": {
    "addresses": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "name": {"type": "string"}}, "indexes": [["name"]], "isRoot": true},
  "Logical_Switch": {"columns": {
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "name": {"type": "string"},
    "other_config": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "acls": {"type": {"key": {"type": "uuid", "refTable": "ACL", "refType": "strong"}, "min": 0, "max": "unlimited"}},
    "ports": {"type": {"key": {"type": "uuid", "refTable": "Logical_Switch_Port", "refType": "strong"}, "min": 0, "max": "unlimited"}}}, "isRoot": true},
  "ACL": {"columns": {
    "name": {"type": {"key": {"type": "string", "maxLength": 63}, "min": 0, "max": 1}},
    "priority": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 32767}}},
    "direction": {"type": {"key": {"type": "string", "enum": ["set", ["from-lport", "to-lport"]]}}},
    "match": {"type": "string"},
    "action": {"type": {"key": {"type": "string", "enum": ["set", ["allow", "allow-related", "allow-stateless", "drop", "reject"]]}}},
    "log": {"type": "boolean"},
    "severity": {"type": {"key": {"type": "string", "enum": ["set", ["alert", "warning", "notice", "info", "debug"]]}, "min": 0, "max": 1}},
    "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}, "isRoot": false},
  "DHCP_Options": {"columns": {
    "cidr": {"type": "string"},
    "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}, "isRoot": true},
  "Port_Group": {"columns": {
    "name": {"type": "string"},
    "ports": {"type": {"key": {"type": "uuid", "refTable": "Logical_Switch_Port", "refType": "weak"}, "min": 0, "max": "unlimited"}},
    "acls": {"type": {"key": {"type": "uuid", "refTable": "ACL", "refType": "strong"}, "min": 0, "max": "unlimited"}},
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}, "indexes": [["name"]], "isRoot": true},
  "Logical_Switch_Port": {"columns": {
    "addresses": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
    "dhcpv4_options": {"type": {"key": {"type": "uuid", "refTable": "DHCP_Options", "refType": "weak"}, "min": 0, "max": 1}},
    "dhcpv6_options": {"type": {"key": {"type": "uuid", "refTable": "DHCP_Options", "refType": "weak"}, "min": 0, "max": 1}},
    "dynamic_addresses": {"type": {"key": "string", "min": 0, "max": 1}},
    "enabled": {"type": {"key": "boolean", "min": 0, "max": 1}},
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "name": {"type": "string"},
    "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "parent_name": {"type": {"key": "string", "min": 0, "max": 1}},
    "port_security": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
    "tag": {"type": {"key": {"type": "integer", "minInteger": 1, "maxInteger": 4095}, "min": 0, "max": 1}},
    "tag_request": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 4095}, "min": 0, "max": 1}},
    "type": {"type": "string"},
    "up": {"type": {"key": "boolean", "min": 0, "max": 1}}}, "indexes": [["name"]], "isRoot": false},
  "Logical_Router": {"columns": {
    "enabled": {"type": {"key": "boolean", "min": 0, "max": 1}},
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "name": {"type": "string"},
    "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "policies": {"type": {"key": {"type": "uuid", "refTable": "Logical_Router_Policy", "refType": "strong"}, "min": 0, "max": "unlimited"}},
    "ports": {"type": {"key": {"type": "uuid", "refTable": "Logical_Router_Port", "refType": "strong"}, "min": 0, "max": "unlimited"}},
    "static_routes": {"type": {"key": {"type": "uuid", "refTable": "Logical_Router_Static_Route", "refType": "strong"}, "min": 0, "max": "unlimited"}}}, "isRoot": true},
  "Logical_Router_Port": {"columns": {
    "enabled": {"type": {"key": "boolean", "min": 0, "max": 1}},
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "ipv6_prefix": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
    "ipv6_ra_configs": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "mac": {"type": "string"},
    "name": {"type": "string"},
    "networks": {"type": {"key": "string", "min": 1, "max": "unlimited"}},
    "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "peer": {"type": {"key": "string", "min": 0, "max": 1}}}, "indexes": [["name"]], "isRoot": false},
  "Logical_Router_Policy": {"columns": {
    "action": {"type": {"key": {"type": "string", "enum": ["set", ["allow", "drop", "reroute"]]}}},
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "match": {"type": "string"},
    "nexthop": {"type": {"key": "string", "min": 0, "max": 1}},
    "nexthops": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
    "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "priority": {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 32767}}}}, "isRoot": false},
  "Logical_Router_Static_Route": {"columns": {
    "external_ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "ip_prefix": {"type": "string"},
    "nexthop": {"type": "string"},
    "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
    "output_port": {"type": {"key": "string", "min": 0, "max": 1}},
    "policy": {"type": {"key": {"type": "string", "enum": ["set", ["src-ip", "dst-ip"]]}, "min": 0, "max": 1}},
    "route_table": {"type": "string"}}, "isRoot": false}}}
)schema";
// clang-format on

}  // namespace berth::ovn
