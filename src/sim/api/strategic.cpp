#include "sim/api/patch.h"

namespace berth::sim {
ApiResult<boost::json::object> strategic_merge_patch(boost::json::object document, const boost::json::object& patch,
                                                     const ResourceType&) {
  boost::json::value v(std::move(document));
  merge_patch(v, patch);
  return std::move(v.get_object());
}
}  // namespace berth::sim
