// The limits that are checked before anything is allocated for a file (formats/nq.md, 8), and counts that saturate.
#ifndef NQ_DECODER_LIMITS_H
#define NQ_DECODER_LIMITS_H

#include <cstdint>
#include <string_view>

#include "nq/nq.h"

namespace nq {

// Sizes that a file states may be of any magnitude: sums and products stop at kMostCount, which is over every limit.
using Count = uint64_t;
constexpr Count kMostCount = INT64_MAX;

inline Count add(Count a, Count b) { return a > kMostCount - b ? kMostCount : a + b; }
inline Count multiply(Count a, Count b) { return b && a > kMostCount / b ? kMostCount : a * b; }

template <class... More>
Count multiply(Count a, Count b, Count c, More... more) {
  return multiply(multiply(a, b), c, more...);
}

// Most bytes that an integer of a tensor takes while a network is decoded and checked, working space included.
constexpr Count kParameterBytes = 40;

struct LimitKind {
  const char* name;
  const char* what;  // it counts
  uint64_t most;     // that it can be raised to; above it, numbers overflow the decoders' integers
  uint64_t NqLimits::* member;
};

constexpr LimitKind kLimitKinds[] = {
    {"parameters", "parameters", uint64_t{1} << 28, &NqLimits::parameters},
    {"macs_per_pixel", "multiply-accumulates a pixel", uint64_t{1} << 40, &NqLimits::macs_per_pixel},
    {"map_bytes", "bytes of feature maps", uint64_t{1} << 40, &NqLimits::map_bytes},
    {"picture_pixels", "pixels a picture", uint64_t{1} << 30, &NqLimits::picture_pixels},
    {"frames", "frames", (uint64_t{1} << 31) - 1, &NqLimits::frames},
    {"memory", "bytes of memory", uint64_t{1} << 44, &NqLimits::memory},
};

constexpr NqLimits kDefaultLimits = {uint64_t{1} << 26, uint64_t{1} << 22, uint64_t{1} << 31,
                                     uint64_t{1} << 26, uint64_t{1} << 24, uint64_t{1} << 33};

// Throws Error, which says how to lift the limit, if a file asks for more of it than is allowed.
void check_limit(const NqLimits& limits, uint64_t NqLimits::* limit, Count asked, std::string_view file);

}  // namespace nq

#endif  // NQ_DECODER_LIMITS_H
