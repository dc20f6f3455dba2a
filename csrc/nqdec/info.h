// --info: what a file says of itself without being decoded.
#ifndef NQDEC_INFO_H
#define NQDEC_INFO_H

#include <string>
#include <vector>

#include "decoder/container.h"
#include "json.h"

namespace nqdec {

// The clips of a file; none where it does not say any.
struct Clip {
  std::string name;
  uint32_t first, frames;
  uint32_t start;  // number that its first frame has in the clip as it was encoded
};

std::vector<Clip> clips_of(const nq::Container& file);

// The clip of a name, or of a number counted from 0; throws Failure for none, or for several of the name.
Clip find_clip(const nq::Container& file, const std::string& words);

// Everything as data, and as lines of text. Throw nq::Error where a segment is damaged.
Json info_json(const nq::Container& file, const NqLimits& limits);
std::string info_text(const nq::Container& file, const NqLimits& limits);

}  // namespace nqdec

#endif  // NQDEC_INFO_H
