#pragma once

#include <string>

#include "base/result.h"

namespace berth::dev {

// Makes the kernel compute the checksums of what is sent through the interface (of the calling thread's network
// namespace). The userspace datapath passes packets on as they are: what a veth leaves unfinished, the receiver drops.
[[nodiscard]] Status disable_checksum_offload(const std::string& interface);

}  // namespace berth::dev
