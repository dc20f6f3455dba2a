// Entropy coding of one piece (formats/nq.md, 3): the interface that nqcodec/entropy/native.py declares to ctypes.
// Pieces are independent, and every function is reentrant.
#ifndef NQ_CODER_H
#define NQ_CODER_H

#include <cstdint>

#include "nq_abi.h"

enum NqCoderStatus : int32_t {
  kNqCoderOk = 0,
  kNqCoderNoRoom = 1,       // the output buffer is too small
  kNqCoderBadEvent = 2,     // an interval that is empty or leaves [0, 2^16]
  kNqCoderBadValue = 3,     // a value that the model cannot code
  kNqCoderBadLength = 4,    // a piece of more or fewer bytes than its symbols take
  kNqCoderBadEscape = 5,    // an escape of more than 20 bits
  kNqCoderBadArgument = 6,  // a scale index over 63, or adaptive bits outside 2..8
};

// The table of 3.3. `first[r][t >> 8]` is the symbol of row r that holds t with its low 8 bits cleared.
struct NqGaussianTable {
  const int32_t* half_width;  // [32]
  const int32_t* cumulative;  // [32][257], 65536 from each row's end on
  const uint8_t* first;       // [32][256]
};

// The scale index of value j of a piece is scales[(start + j) / inner % channels].
struct NqScales {
  const uint8_t* scales;
  int64_t channels;
  int64_t inner;
  int64_t start;
};

extern "C" {

// Each encoder writes a piece of *size bytes to `out`, or fewer if it answers kNqCoderNoRoom.
NQ_API int32_t nq_encode_events(const uint32_t* low, const uint32_t* high, int64_t count, uint8_t* out,
                                int64_t capacity, int64_t* size);
NQ_API int32_t nq_gaussian_encode(const NqGaussianTable* table, const int32_t* values, int64_t count,
                                  const NqScales* scales, int32_t offset, uint8_t* out, int64_t capacity,
                                  int64_t* size);
NQ_API int32_t nq_adaptive_encode(const int32_t* values, int64_t count, int32_t bits, uint8_t* out, int64_t capacity,
                                  int64_t* size);

// Intervals of a piece under the adaptive model: one a value if bits <= 4, two above.
NQ_API int32_t nq_adaptive_events(const int32_t* values, int64_t count, int32_t bits, uint32_t* low, uint32_t* high);

// The decoders read `size` bytes and no more. Values may leave the tensor's bits, which is the caller's to check.
NQ_API int32_t nq_gaussian_decode(const NqGaussianTable* table, const uint8_t* data, int64_t size,
                                  const NqScales* scales, int32_t offset, int32_t* values, int64_t count);
NQ_API int32_t nq_adaptive_decode(const uint8_t* data, int64_t size, int32_t bits, int32_t* values, int64_t count);
}

#endif  // NQ_CODER_H
