#pragma once

#include <random>

namespace berth {

// The one source of randomness, always passed in: production seeds it from the system, the simulator from its seed.
using Random = std::mt19937_64;

}  // namespace berth
