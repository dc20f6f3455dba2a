// The float warp of four taps that a fit computes, and its gradients: the interface that
// nqcodec/training/native_warp.py declares to ctypes. `warp_by_torch` of nqcodec/training/operations.py defines what is
// computed.
#ifndef NQ_WARP_GRADIENT_H
#define NQ_WARP_GRADIENT_H

#include <cstdint>

#include "nq/abi.h"

// Maps and vectors. The value at (y, x) of a warped map is read at row y + unit * down and column x + unit * right,
// clamped to the map, by cubic convolution with a = -3/4 over the 4 x 4 cells around, each clamped to the map.
struct NqFloatWarp {
  const float* maps;          // [B, H, W, C], contiguous
  const float* vectors;       // [B, 2, H, W]: down, right
  int64_t vector_strides[4];  // of `vectors`, in values
  int32_t shape[4];           // B, C, H, W: B and C at least 1, H and W at least 4, H * W below 2^31
  float unit;                 // cells
};

// Both run in the caller's thread alone, at a `level` of 0..nq_cpu_level(), and allocate nothing. Arrays do not
// overlap. The results depend on the input alone: every level gives the same bits, NaN payloads apart. They return
// kNqOk, kNqBadArgument or kNqBadLevel.

// Warped maps [B, H, W, C], contiguous.
NQ_API int32_t nq_float_warp(const NqFloatWarp* warp, float* warped, int32_t level);

// The gradients with respect to maps [B, H, W, C], contiguous, and to vectors, with the strides of those, from the
// gradient with respect to the warped maps [B, H, W, C], contiguous. One of the two may be null, and is left out then.
// A vector's component has gradient 0 where it leads beyond the map.
NQ_API int32_t nq_float_warp_gradients(const NqFloatWarp* warp, const float* warped_gradient, float* maps_gradient,
                                       float* vectors_gradient, int32_t level);

#endif  // NQ_WARP_GRADIENT_H
