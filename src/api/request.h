#pragma once

// One call to the Kubernetes API as a value: what a Plan contains, what a Transport sends.

#include <string>

#include <boost/json/value.hpp>

#include "api/resource.h"

namespace berth::api {

enum class Verb {
  get,
  list,         // consistent (resourceVersion unset): what it returns is not older than the moment it was sent
  create,       // POST body to the collection
  update,       // PUT body; metadata.resourceVersion in the body is the precondition
  merge_patch,  // PATCH body (RFC 7396); metadata.uid or metadata.resourceVersion in the body are preconditions
  remove,       // DELETE; body is DeleteOptions (preconditions.uid, preconditions.resourceVersion, gracePeriodSeconds)
};

struct Request {
  Verb verb = Verb::get;
  Kind kind = Kind::pod;
  std::string ns;    // empty: all namespaces (list), or a cluster-scoped kind
  std::string name;  // empty for list and create
  std::string subresource;
  boost::json::value body;
  std::string label_selector;  // list only
  std::string field_selector;  // list only
};

}  // namespace berth::api
