// Words for what a header says in numbers: chroma formats, and the code points of ITU-T H.273.
#ifndef NQDEC_WORDS_H
#define NQDEC_WORDS_H

#include <string>

#include "nq/nq.h"

namespace nqdec {

// Two lines: size, format and rate; colour.
std::string video_text(const NqVideo& video);

}  // namespace nqdec

#endif  // NQDEC_WORDS_H
