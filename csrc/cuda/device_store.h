// Where a convolution's values go on a CUDA device: through the rescale and activation, then, if its plan says so, into
// a shuffle's or fold's places and an add or mul.
#ifndef NQ_DEVICE_STORE_H
#define NQ_DEVICE_STORE_H

#include <cuda_runtime.h>

#include "common/integer_math.h"

namespace nq {

// A map of one frame, or of several, `stride` values apart; a stride of 0 is one map for all of them.
struct DeviceMap {
  int16_t* data = nullptr;
  int64_t stride = 0;
};

struct Rescales {
  const int32_t* multiplier;
  const int32_t* shift;
};

enum class Pairing : int32_t { kNone, kAdd, kMul };

struct ConvStore {
  DeviceMap out;
  DeviceMap other;        // of the pair
  int32_t height, width;  // of `out`
  int32_t rows, columns;  // of the fold; 1 and 1 without
  Pairing pairing;
  NqPair pair;
  const int32_t* bias;
  Rescales rescales;
  NqEpilogue epilogue;
};

// Where output channel o of a convolution goes: its value at (y, x) to first + y * down + x * right.
struct ChannelPlace {
  int64_t first, down;
  int32_t right;
};

__device__ __forceinline__ ChannelPlace channel_place(const ConvStore& s, int32_t o) {
  const int32_t cells = s.rows * s.columns, c = o / cells, cell = o % cells;
  const int64_t line = int64_t{c} * s.height + cell / s.columns;
  return {line * s.width + cell % s.columns, int64_t{s.rows} * s.width, s.columns};
}

// A finished accumulator of output channel o, without the bias, to a map value of the convolution.
__device__ __forceinline__ int32_t conv_value(const ConvStore& s, int32_t o, int32_t acc) {
  const int32_t sum = static_cast<int32_t>(static_cast<uint32_t>(acc) + static_cast<uint32_t>(__ldg(s.bias + o)));
  const int32_t multiplier = __ldg(s.rescales.multiplier + o), shift = __ldg(s.rescales.shift + o);
  return nq_activate(nq_requantize(sum, multiplier, shift, s.epilogue.p_low, s.epilogue.p_high), s.epilogue);
}

// What the pair makes of it at a place of `out` (formats/nq.md 6.11).
__device__ __forceinline__ int32_t paired_value(const ConvStore& s, int64_t frame, int64_t place, int32_t v) {
  if (s.pairing == Pairing::kNone) return v;
  const int32_t other = s.other.data[frame * s.other.stride + place];
  return s.pairing == Pairing::kAdd ? nq_add<int64_t>(v, other, s.pair) : nq_mul<int64_t>(v, other, s.pair);
}

}  // namespace nq

#endif  // NQ_DEVICE_STORE_H
