#include "agent/hold.h"

namespace berth::agent {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::not_synced:
      return "not_synced";
    case Reason::pod_unknown:
      return "pod_unknown";
    case Reason::not_bound:
      return "not_bound";
    case Reason::api_unreachable:
      return "api_unreachable";
    case Reason::pod_of_another_uid:
      return "pod_of_another_uid";
    case Reason::pod_ending:
      return "pod_ending";
    case Reason::void_record:
      return "void_record";
    case Reason::bad_annotation:
      return "bad_annotation";
    case Reason::subnet_missing:
      return "subnet_missing";
    case Reason::subnet_terminating:
      return "subnet_terminating";
    case Reason::subnet_replaced:
      return "subnet_replaced";
    case Reason::address_outside:
      return "address_outside";
    case Reason::ip_missing:
      return "ip_missing";
    case Reason::ip_deleting:
      return "ip_deleting";
    case Reason::ip_of_another:
      return "ip_of_another";
    case Reason::ip_differs:
      return "ip_differs";
  }
  return "unknown";
}

}  // namespace berth::agent
