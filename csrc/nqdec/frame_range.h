// --frames: places in a clip as people write them, as frame numbers.
#ifndef NQDEC_FRAME_RANGE_H
#define NQDEC_FRAME_RANGE_H

#include <cstdint>
#include <string>

#include "nq/nq.h"

namespace nqdec {

struct FrameRange {
  uint32_t first, end;  // the frame after the last
  uint32_t count() const { return end - first; }
};

// A:B with frame numbers or times such as 1.5s, A-B with clock times, or one of them for a single frame. A time's frame
// is the first that is shown at that time or later, frame n being shown at n / fps. The clip has `frames` frames.
// Throws Failure.
FrameRange parse_range(const std::string& words, uint32_t frames, const NqVideo& video);

// The frame rate in lowest terms: 25, or 30000/1001.
std::string rate_text(const NqVideo& video);

}  // namespace nqdec

#endif  // NQDEC_FRAME_RANGE_H
