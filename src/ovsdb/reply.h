#pragma once

#include <boost/json/array.hpp>

#include "base/result.h"

namespace berth::ovsdb {

// The `result` of a transact reply (RFC 7047, section 4.1.3), by the rules that Database::Reply states. `operations` is
// what was sent: results of a length that does not fit are ErrorCode::internal.
[[nodiscard]] Result<boost::json::array> read_results(const boost::json::array& operations, boost::json::array results);

// The `error` of a reply that has no result.
[[nodiscard]] Error read_rpc_error(const boost::json::value& error);

}  // namespace berth::ovsdb
