// Synthesis kernels for AVX2, called only where the CPU has it.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx2")))

namespace nq {
namespace {

// 12 accumulators, 2 inputs and a weight of 16 registers.
constexpr int32_t kLanes = 8, kBlock = 6, kSpan = 2;
using Vec = __m256i;

NQ_TARGET inline Vec vec_set(int32_t v) { return _mm256_set1_epi32(v); }
NQ_TARGET inline Vec vec_load(const int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
NQ_TARGET inline void vec_store(int32_t* p, Vec v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
NQ_TARGET inline Vec vec_dot(Vec sum, Vec pairs, Vec weights) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, weights));
}

}  // namespace
}  // namespace nq

#include "synthesis_conv_kernels.h"
#include "synthesis_map_kernels.h"

const nq::ConvKernels& nq::avx2_kernels() { return kKernels; }
const nq::MapKernels& nq::avx2_map_kernels() { return kMapKernels; }

#endif  // __x86_64__
