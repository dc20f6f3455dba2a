// Entropy coding (formats/nq.md, 3): the interface that nqcodec/entropy/native.py declares to ctypes.
// Functions code one piece, those of the context model all pieces of a latent, and nq_decode_parts many of both at
// once. Every function is reentrant.
#ifndef NQ_CODER_H
#define NQ_CODER_H

#include <cstdint>

#include "nq/abi.h"

// A table of `rows` rows: 32 in 3.3, 160 in 3.6. `first[r][t >> 8]` is the symbol of row r that holds t with its low 8
// bits cleared.
struct NqFrequencyTable {
  const int32_t* half_width;  // [rows]
  const int32_t* cumulative;  // [rows][257], 65536 from each row's end on
  const uint8_t* first;       // [rows][256]
};

// The scale index of value j of a piece is scales[(start + j) / inner % channels].
struct NqScales {
  const uint8_t* scales;
  int64_t channels;
  int64_t inner;
  int64_t start;
};

// A latent's shape and bits, the weights of its context model (3.6) by neighbour, and the values of a piece.
struct NqContext {
  int64_t times, channels, height, width;
  int64_t piece;
  int32_t bits, base;
  int32_t mean[14], scale[14];
};

enum NqCoderModel : int32_t { kNqGaussian = 0, kNqAdaptive = 1, kNqInContext = 2 };

// Values that decode by themselves: a piece, two pieces of the adaptive model, or all pieces of a latent in context.
struct NqCodedPart {
  const uint8_t* data;   // the pieces, one after another
  const int64_t* sizes;  // bytes of each
  int32_t* values;       // [count]
  int64_t count;
  int64_t pieces;
  NqContext context;  // in context; its `bits` and `piece` are read for every model
  NqScales scales;    // Gaussian
  int32_t offset;     // Gaussian
  int32_t model;      // NqCoderModel
  int32_t status;     // result: NqStatus
  int64_t failed;     // result: number of the piece that failed, where one did
};

extern "C" {

// Each encoder writes a piece of *size bytes to `out`, or fewer if it answers kNqNoRoom.
NQ_API int32_t nq_encode_events(const uint32_t* low, const uint32_t* high, int64_t count, uint8_t* out,
                                int64_t capacity, int64_t* size);
NQ_API int32_t nq_gaussian_encode(const NqFrequencyTable* table, const int32_t* values, int64_t count,
                                  const NqScales* scales, int32_t offset, uint8_t* out, int64_t capacity,
                                  int64_t* size);
NQ_API int32_t nq_adaptive_encode(const int32_t* values, int64_t count, int32_t bits, uint8_t* out, int64_t capacity,
                                  int64_t* size);

// Intervals of a piece under the adaptive model: one a value if bits <= 4, two above.
NQ_API int32_t nq_adaptive_events(const int32_t* values, int64_t count, int32_t bits, uint32_t* low, uint32_t* high);

// The decoders read `size` bytes and no more. Values may leave the tensor's bits, which is the caller's to check.
NQ_API int32_t nq_gaussian_decode(const NqFrequencyTable* table, const uint8_t* data, int64_t size,
                                  const NqScales* scales, int32_t offset, int32_t* values, int64_t count);
NQ_API int32_t nq_adaptive_decode(const uint8_t* data, int64_t size, int32_t bits, int32_t* values, int64_t count);

// A latent of int32 values [times, channels, height, width] in context. The pieces follow one another in `out` and
// `data`, and `sizes` has the bytes of each.
NQ_API int32_t nq_context_encode(const NqFrequencyTable* logistic, const NqContext* context, const int32_t* values,
                                 uint8_t* out, int64_t capacity, int64_t* sizes);

// Cross-entropy of the values in bits, low bits and escapes included.
NQ_API int32_t nq_context_bits(const NqFrequencyTable* logistic, const NqContext* context, const int32_t* values,
                               double* bits);

// Reads what `sizes` says and no more. Where it fails, `failed` is the number of the piece.
NQ_API int32_t nq_context_decode(const NqFrequencyTable* logistic, const NqContext* context, const uint8_t* data,
                                 const int64_t* sizes, int32_t* values, int64_t* failed);

// Decodes all parts, whatever comes of any, on up to `threads` threads, the caller's among them. Every part has its
// result, the same whatever their number, and values outside `bits` are kNqOutOfRange. Parts' values must not
// overlap. Answers kNqNoResources, with nothing decoded, or kNqOk.
NQ_API int32_t nq_decode_parts(const NqFrequencyTable* gaussian, const NqFrequencyTable* logistic, NqCodedPart* parts,
                               int64_t count, int32_t threads);
}

#endif  // NQ_CODER_H
