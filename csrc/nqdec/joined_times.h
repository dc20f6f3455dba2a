// The frame times of all segments of a file in one common tick.
#ifndef NQDEC_JOINED_TIMES_H
#define NQDEC_JOINED_TIMES_H

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "decoder/container.h"

namespace nqdec {

// Common ticks of segments whose own differ need more than 64 bits.
#if defined(__SIZEOF_INT128__)
using Wide = unsigned __int128;
#else
using Wide = uint64_t;
#endif

std::string wide_text(Wide number);

struct JoinedTimes {
  Wide tick_num, tick_den;                      // a tick is their quotient in seconds
  Wide start;                                   // ticks from the first frame of the source to the first one of the file
  std::vector<std::pair<Wide, uint64_t>> runs;  // ticks of a frame, and how many frames in a row
};

// None where no segment has times of its own; throws Failure where there is no common tick of so many bits.
std::optional<JoinedTimes> joined_times(const nq::Container& file);

}  // namespace nqdec

#endif  // NQDEC_JOINED_TIMES_H
