// What the decoder of many pieces (entropy/parts.cpp) has of the coder beyond nq/coder.h.
#ifndef NQ_CODER_PIECES_H
#define NQ_CODER_PIECES_H

#include <cstdint>

#include "nq/coder.h"

namespace nq {

// Two pieces of the adaptive model in turns, value by value: each waits for its own last event, so that together they
// take little longer than one. Answers other than OK if `bits` are not the model's; `status` has what comes of each.
int32_t decode_adaptive_pair(const uint8_t* const data[2], const int64_t size[2], int32_t bits,
                             int32_t* const values[2], const int64_t count[2], int32_t status[2]);

}  // namespace nq

#endif  // NQ_CODER_PIECES_H
