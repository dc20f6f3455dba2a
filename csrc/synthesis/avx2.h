// Vectors of AVX2.
#include <immintrin.h>

#include <cstdint>

#include "common/integer_math.h"
#include "synthesis/vectors.h"

#define NQ_TARGET __attribute__((target("avx2")))

namespace nq {
namespace {

// 12 accumulators, 2 inputs and a weight of 16 registers.
constexpr int32_t kLanes = 8, kBlock = 6, kTiles = 12;
constexpr bool kGates = false;
constexpr int32_t kPeakSums = kTiles < kMostPeakSums ? kTiles : kMostPeakSums;
using Vec = __m256i;

NQ_TARGET inline Vec vec_set(int32_t v) { return _mm256_set1_epi32(v); }
NQ_TARGET inline Vec vec_load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
NQ_TARGET inline void vec_store(void* p, Vec v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
NQ_TARGET inline void vec_store_narrow(int16_t* p, Vec v) {
  const Vec packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(v, v), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}
NQ_TARGET inline void vec_store_two_narrow(int16_t* p, Vec a, Vec b) {
  vec_store(p, _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8));
}
NQ_TARGET inline Vec vec_widen(const int16_t* p) {
  return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
NQ_TARGET inline Vec vec_dot(Vec sum, Vec pairs, Vec weights) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, weights));
}
NQ_TARGET inline void vec_dot_all(Vec* sums, Vec x, Vec w) {
  Vec product;
#pragma GCC unroll 16
  for (int32_t i = 0; i < kPeakSums; ++i) {
    __asm__ volatile("vpmaddwd %2, %3, %1\n\tvpaddd %1, %0, %0" : "+x"(sums[i]), "=&x"(product) : "x"(x), "x"(w));
  }
}
NQ_TARGET inline Vec vec_clamp(Vec v, Vec low, Vec high) { return _mm256_min_epi32(_mm256_max_epi32(v, low), high); }

NQ_TARGET inline Vec vec_deviation(Vec v, Vec mean) {
  return _mm256_sub_epi32(_mm256_slli_epi32(v, kNqMeanBits), mean);
}
// AVX2 shifts 64 bits without sign only: 2^50, a multiple of what is dropped, makes products positive before.
NQ_TARGET inline Vec vec_scale(Vec v, Vec multiplier, const Scale& scale) {
  constexpr int64_t above = int64_t{1} << 50;
  const Vec offset = _mm256_set1_epi64x(scale.half + above);
  const __m128i shift = _mm_cvtsi32_si128(scale.shift);
  const Vec odd_v = _mm256_srli_epi64(v, 32), odd_multiplier = _mm256_srli_epi64(multiplier, 32);
  const Vec even = _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epi32(v, multiplier), offset), shift);
  const Vec odd = _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epi32(odd_v, odd_multiplier), offset), shift);
  const Vec merged = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  return _mm256_sub_epi32(merged, _mm256_set1_epi32(static_cast<int32_t>(above >> scale.shift)));
}
NQ_TARGET inline Vec vec_upper(Vec v, Vec multiplier) {
  const Vec half = _mm256_set1_epi64x(int64_t{1} << 31);
  const Vec even = _mm256_add_epi64(_mm256_mul_epi32(v, multiplier), half);
  const Vec odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(v, 32), multiplier), half);
  return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}
NQ_TARGET inline Vec vec_pairs_low(Vec a, Vec b) { return _mm256_unpacklo_epi16(a, b); }
NQ_TARGET inline Vec vec_pairs_high(Vec a, Vec b) { return _mm256_unpackhi_epi16(a, b); }
NQ_TARGET inline Vec vec_join(Vec low, Vec high) { return _mm256_packs_epi32(low, high); }
NQ_TARGET inline Vec vec_shift_right(Vec v, int32_t by) { return _mm256_sra_epi32(v, _mm_cvtsi32_si128(by)); }
NQ_TARGET inline Vec vec_pairs_from(const int16_t* p) {
  const Vec first = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_or_si256(first, _mm256_slli_epi32(vec_widen(p + 1), 16));
}
NQ_TARGET inline Vec vec_gather_pairs(const int16_t* p, Vec offsets) {
  return _mm256_i32gather_epi32(reinterpret_cast<const int32_t*>(p), offsets, 2);
}
NQ_TARGET inline void vec_gather_two_pairs(const int16_t* p, Vec offsets, Vec& first, Vec& second) {
  const auto* const from = reinterpret_cast<const long long*>(p);
  const __m256 low = _mm256_castsi256_ps(_mm256_i32gather_epi64(from, _mm256_castsi256_si128(offsets), 2));
  const __m256 high = _mm256_castsi256_ps(_mm256_i32gather_epi64(from, _mm256_extracti128_si256(offsets, 1), 2));
  first = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(low, high, 0x88)), 0xD8);
  second = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(low, high, 0xDD)), 0xD8);
}
NQ_TARGET inline void vec_store_pairs(int16_t* p, Vec a, Vec b) {
  const Vec low = vec_pairs_low(a, b), high = vec_pairs_high(a, b);
  vec_store(p, _mm256_permute2x128_si256(low, high, 0x20));
  vec_store(p + 2 * kLanes, _mm256_permute2x128_si256(low, high, 0x31));
}

}  // namespace
}  // namespace nq
