// R'G'B' as limited-range 4:4:4 YUV, for y4m (formats/nq.md, 9.1 and 9.3).
#ifndef NQDEC_COLOUR_H
#define NQDEC_COLOUR_H

#include <cstdint>
#include <vector>

#include "nq/nq.h"

namespace nqdec {

// Appends the planes Y, U and V of a picture whose planes are G, B and R.
void append_as_yuv(const NqPicture& picture, const NqVideo& video, std::vector<uint8_t>& bytes);

}  // namespace nqdec

#endif  // NQDEC_COLOUR_H
