// The float warp by rows, compiled once for each instruction set (warp_{scalar,avx2,avx512}.cpp).
#ifndef NQ_TRAINING_WARP_ROWS_H
#define NQ_TRAINING_WARP_ROWS_H

#include <cstdint>

namespace nq {

constexpr int32_t kTaps = 4;  // along an axis

// A row of a warped map.
struct FloatWarpRow {
  const float* maps;                     // [H, W, C] to read from
  const float* vectors;                  // the row's first, down
  int64_t to_right, to_next;             // from it to the first one's other component, and to the next one
  int32_t row, height, width, channels;  // height and width at least 4
  float unit;                            // of vectors, in cells
};

// The kernels of one instruction set.
struct FloatWarpKernels {
  // Fills `warped` [W, C].
  void (*values)(const FloatWarpRow& row, float* warped);
  // Adds to `maps_gradient` [H, W, C] and fills `vectors_gradient`, laid out as the row's vectors, from
  // `warped_gradient` [W, C]. Either may be null.
  void (*gradients)(const FloatWarpRow& row, const float* warped_gradient, float* maps_gradient,
                    float* vectors_gradient);
};

const FloatWarpKernels& scalar_float_warp();
#if defined(__x86_64__)
const FloatWarpKernels& avx2_float_warp();
const FloatWarpKernels& avx512_float_warp();
#endif

}  // namespace nq

#endif  // NQ_TRAINING_WARP_ROWS_H
