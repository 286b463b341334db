// Layers: net
#include "fuzz/fuzz.h"
#include "net/mac.h"

BERTH_FUZZ_TEXT(text) { berth::fuzz::round_trips<berth::net::Mac>(text); }
