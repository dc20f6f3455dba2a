// The context rate over runs of consecutive values, compiled once for each instruction set
// (context_rate_{scalar,avx2,avx512}.cpp).
//
// With values y, offsets o_j, weights a_j and factors f_j = softplus(scale_j), the residuals e and the scales s are
//   e_i = y_i - sum_j a_j y_{i+o_j}        s_i = least + softplus(base) + sum_j f_j |e_{i+o_j}|
// and value i costs L(e_i, s_i). Backwards, with g_i and h_i the derivatives of all bits by e_i and s_i:
//   h_i = dL/ds   g_i = dL/de + sign(e_i) sum_j f_j h_{i-o_j}   bits by y_i = g_i - sum_j a_j g_{i-o_j}
// and by a_j -sum_i g_i y_{i+o_j}, by f_j sum_i h_i |e_{i+o_j}|.
#ifndef NQ_CONTEXT_RATE_RUNS_H
#define NQ_CONTEXT_RATE_RUNS_H

#include <cstdint>

namespace nq {

// A run's length is a multiple of this, so that no kernel needs a remainder and every level sums in the same order.
constexpr int64_t kRunValues = 16;

// Weighted neighbours: the sum at i is that of weights[j] * arrays[j][i].
struct NeighbourRuns {
  const float* const* arrays;
  const float* weights;
  int32_t count;
};

struct RunTotals {
  float nats, slopes;  // sums of L and of h
};

// The kernels of one instruction set. `mask` is all ones at values and 0 at margins, whose results are 0. Within a call
// sums are single precision, in kRunValues lanes.
struct ContextRateKernels {
  // e and |e| of values `y` with neighbours in y.
  void (*residuals)(const float* y, NeighbourRuns from, const int32_t* mask, int64_t length, float* e,
                    float* magnitudes);
  // L, h and dL/de with neighbours in |e|, in nats; `least` is the scale without neighbours.
  RunTotals (*rates)(const float* e, NeighbourRuns from, float least, const int32_t* mask, int64_t length, float* h,
                     float* g);
  // Completes g with neighbours in h at -o_j.
  void (*through_scales)(const float* e, NeighbourRuns from, int64_t length, float* g);
  // Bits by y from g in nats, with neighbours in g at -o_j.
  void (*value_gradients)(const float* g, NeighbourRuns from, int64_t length, float* out);
  float (*dot)(const float* a, const float* b, int64_t length);
};

const ContextRateKernels& scalar_context_rate();
#if defined(__x86_64__)
const ContextRateKernels& avx2_context_rate();
const ContextRateKernels& avx512_context_rate();
#endif

}  // namespace nq

#endif  // NQ_CONTEXT_RATE_RUNS_H
