// Vectors of AVX-512 (F and BW), for the files that define NQ_TARGET, vec_dot and its instructions NQ_DOT.
#include <immintrin.h>

#include <cstdint>

#include "common/integer_math.h"
#include "synthesis/vectors.h"

// GCC takes the undefined lanes of its own intrinsics for a mistake of ours.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace nq {
namespace {

// 24 accumulators, up to 4 inputs and a weight of 32 registers.
constexpr int32_t kLanes = 16, kBlock = 12, kTiles = 24;
constexpr bool kGates = true;
constexpr int32_t kPeakSums = kTiles < kMostPeakSums ? kTiles : kMostPeakSums;
using Vec = __m512i;

NQ_TARGET inline Vec vec_set(int32_t v) { return _mm512_set1_epi32(v); }
NQ_TARGET inline Vec vec_load(const void* p) { return _mm512_loadu_si512(p); }
NQ_TARGET inline void vec_store(void* p, Vec v) { _mm512_storeu_si512(p, v); }
NQ_TARGET inline void vec_store_narrow(int16_t* p, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(v));
}
NQ_TARGET inline void vec_store_two_narrow(int16_t* p, Vec a, Vec b) {
  const Vec order = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
  _mm512_storeu_si512(p, _mm512_permutexvar_epi64(order, _mm512_packs_epi32(a, b)));
}
NQ_TARGET inline Vec vec_widen(const int16_t* p) {
  return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
NQ_TARGET inline void vec_dot_all(Vec* sums, Vec x, Vec w) {
  Vec product;
#pragma GCC unroll 16
  for (int32_t i = 0; i < kPeakSums; ++i) {
    __asm__ volatile(NQ_DOT : "+v"(sums[i]), "=&v"(product) : "v"(x), "v"(w));
  }
}
NQ_TARGET inline Vec vec_clamp(Vec v, Vec low, Vec high) { return _mm512_min_epi32(_mm512_max_epi32(v, low), high); }
NQ_TARGET inline Vec vec_deviation(Vec v, Vec mean) {
  return _mm512_sub_epi32(_mm512_slli_epi32(v, kNqMeanBits), mean);
}
NQ_TARGET inline Vec vec_scale(Vec v, Vec multiplier, const Scale& scale) {
  const Vec half = _mm512_set1_epi64(scale.half);
  const __m128i shift = _mm_cvtsi32_si128(scale.shift);
  const Vec odd_v = _mm512_srli_epi64(v, 32), odd_multiplier = _mm512_srli_epi64(multiplier, 32);
  const Vec even = _mm512_sra_epi64(_mm512_add_epi64(_mm512_mul_epi32(v, multiplier), half), shift);
  const Vec odd = _mm512_sra_epi64(_mm512_add_epi64(_mm512_mul_epi32(odd_v, odd_multiplier), half), shift);
  return _mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA);
}
NQ_TARGET inline Vec vec_upper(Vec v, Vec multiplier) {
  const Vec half = _mm512_set1_epi64(int64_t{1} << 31);
  const Vec even = _mm512_add_epi64(_mm512_mul_epi32(v, multiplier), half);
  const Vec odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(v, 32), multiplier), half);
  return _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
}
NQ_TARGET inline Vec vec_pairs_low(Vec a, Vec b) { return _mm512_unpacklo_epi16(a, b); }
NQ_TARGET inline Vec vec_pairs_high(Vec a, Vec b) { return _mm512_unpackhi_epi16(a, b); }
NQ_TARGET inline Vec vec_join(Vec low, Vec high) { return _mm512_packs_epi32(low, high); }
NQ_TARGET inline Vec vec_shift_right(Vec v, int32_t by) { return _mm512_sra_epi32(v, _mm_cvtsi32_si128(by)); }
NQ_TARGET inline Vec vec_pairs_from(const int16_t* p) {
  const Vec first = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_or_si512(first, _mm512_slli_epi32(vec_widen(p + 1), 16));
}
NQ_TARGET inline Vec vec_gather_pairs(const int16_t* p, Vec offsets) { return _mm512_i32gather_epi32(offsets, p, 2); }
NQ_TARGET inline void vec_gather_two_pairs(const int16_t* p, Vec offsets, Vec& first, Vec& second) {
  const Vec low = _mm512_i32gather_epi64(_mm512_castsi512_si256(offsets), p, 2);
  const Vec high = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(offsets, 1), p, 2);
  const Vec even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  first = _mm512_permutex2var_epi32(low, even, high);
  second = _mm512_permutex2var_epi32(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high);
}
NQ_TARGET inline void vec_store_pairs(int16_t* p, Vec a, Vec b) {
  const Vec low = vec_pairs_low(a, b), high = vec_pairs_high(a, b);
  const Vec first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
  vec_store(p, _mm512_permutex2var_epi64(low, first, high));
  vec_store(p + 2 * kLanes, _mm512_permutex2var_epi64(low, second, high));
}

}  // namespace
}  // namespace nq
