// Synthesis kernels for AVX-512 (F and BW), called only where the CPU has both.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx512f,avx512bw")))

namespace nq {
namespace {

// 16 accumulators, 2 inputs and a weight of 32 registers.
constexpr int32_t kLanes = 16, kBlock = 8, kSpan = 2;
using Vec = __m512i;

NQ_TARGET inline Vec vec_set(int32_t v) { return _mm512_set1_epi32(v); }
NQ_TARGET inline Vec vec_load(const int16_t* p) { return _mm512_loadu_si512(p); }
NQ_TARGET inline void vec_store(int32_t* p, Vec v) { _mm512_storeu_si512(p, v); }
NQ_TARGET inline Vec vec_dot(Vec sum, Vec pairs, Vec weights) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, weights));
}

}  // namespace
}  // namespace nq

#include "synthesis_conv_kernels.h"
#include "synthesis_map_kernels.h"

const nq::ConvKernels& nq::avx512_kernels() { return kKernels; }
const nq::MapKernels& nq::avx512_map_kernels() { return kMapKernels; }

#endif  // __x86_64__
