// Bits of a latent of real values under the context model, and their gradients: the interface that
// nqcodec/methods/rate_aware/native.py declares to ctypes. nqcodec/methods/rate_aware/likelihood.py defines what is
// computed.
#ifndef NQ_CONTEXT_RATE_H
#define NQ_CONTEXT_RATE_H

#include <cstdint>

#include "nq/abi.h"

// Arrays are contiguous and do not overlap. The gradients are those of `bits`.
struct NqContextRate {
  const float* values;         // [T, C, H, W], in units of the step size
  const int32_t* places;       // [neighbours, 4]: (dt, dc, dy, dx), with |dy| and |dx| at most 2
  const float* mean;           // [neighbours]: weights of the neighbours' values
  const float* scale;          // [neighbours]: softplus of it weighs the magnitudes of the neighbours' residuals
  float* values_gradient;      // [T, C, H, W]
  float* mean_gradient;        // [neighbours]; 0 for a neighbour that no value of this shape has
  float* scale_gradient;       // [neighbours]; the same
  double bits, base_gradient;  // results
  float base, least_scale;     // a scale is least_scale + softplus(base) + the neighbours' part
  int32_t shape[4];            // T, C, H, W, each at least 1
  int32_t neighbours;          // 0..32
};

// One thread, which is the caller's; `level` is 0..nq_cpu_level(). The results depend on the input alone: every level
// gives the same bits, NaN payloads apart. Returns kNqOk, kNqBadArgument, kNqBadLevel or kNqNoResources.
NQ_API int32_t nq_context_rate(NqContextRate* rate, int32_t level);

#endif  // NQ_CONTEXT_RATE_H
