// Walsh-Hadamard kernels for AVX2 and F16C, called only where the CPU has AVX2; every CPU that has it has F16C as well.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#include "common/float16.h"

#define NQ_TARGET __attribute__((target("avx2,f16c")))

namespace nq {
namespace {

// 8 vectors of 16 registers; the rest hold signs and what is being permuted.
constexpr int32_t kLaneStages = 3, kMaxStages = 3;
constexpr bool kPrefetchRows = false;

NQ_TARGET inline __m256i load_int(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
NQ_TARGET inline __m128i load_half(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }

NQ_TARGET inline __m256 vec_load(const float* p) { return _mm256_loadu_ps(p); }
NQ_TARGET inline __m256 vec_load(const Float16* p) { return _mm256_cvtph_ps(load_half(p)); }
NQ_TARGET inline __m256 vec_load(const Bfloat16* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_half(p)), 16));
}
NQ_TARGET inline __m256i vec_load(const int32_t* p) { return load_int(p); }

NQ_TARGET inline void vec_store(float* p, __m256 v) { _mm256_storeu_ps(p, v); }
NQ_TARGET inline void vec_store(Float16* p, __m256 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
NQ_TARGET inline void vec_store(Bfloat16* p, __m256 v) {
  const __m256i bits = _mm256_castps_si256(v), high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const __m256i words = _mm256_blendv_epi8(rounded, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}
NQ_TARGET inline void vec_store(int32_t* p, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }

NQ_TARGET inline __m256 vec_add(__m256 a, __m256 b) { return _mm256_add_ps(a, b); }
NQ_TARGET inline __m256 vec_sub(__m256 a, __m256 b) { return _mm256_sub_ps(a, b); }
NQ_TARGET inline __m256i vec_add(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
NQ_TARGET inline __m256i vec_sub(__m256i a, __m256i b) { return _mm256_sub_epi32(a, b); }
NQ_TARGET inline __m256 vec_scale(__m256 v, float scale) { return _mm256_mul_ps(v, _mm256_set1_ps(scale)); }
NQ_TARGET inline __m256i vec_scale(__m256i v, float) { return v; }

// -1 in lanes whose bit kStage is set, else 1.
template <int kStage>
NQ_TARGET inline __m256i lane_signs() {
  if constexpr (kStage == 0) return _mm256_setr_epi32(1, -1, 1, -1, 1, -1, 1, -1);
  if constexpr (kStage == 1) return _mm256_setr_epi32(1, 1, -1, -1, 1, 1, -1, -1);
  return _mm256_setr_epi32(1, 1, 1, 1, -1, -1, -1, -1);
}

// Each lane's partner at distance 2^kStage.
template <int kStage>
NQ_TARGET inline __m256 partners(__m256 v) {
  if constexpr (kStage == 0) return _mm256_permute_ps(v, 0xb1);
  if constexpr (kStage == 1) return _mm256_permute_ps(v, 0x4e);
  return _mm256_permute2f128_ps(v, v, 1);
}

template <int kStage>
NQ_TARGET inline __m256 lane_butterfly(__m256 v) {
  const __m256 flips = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_srli_epi32(lane_signs<kStage>(), 31), 31));
  return _mm256_add_ps(partners<kStage>(v), _mm256_xor_ps(v, flips));
}

template <int kStage>
NQ_TARGET inline __m256i lane_butterfly(__m256i v) {
  const __m256i others = _mm256_castps_si256(partners<kStage>(_mm256_castsi256_ps(v)));
  return _mm256_add_epi32(others, _mm256_sign_epi32(v, lane_signs<kStage>()));
}

}  // namespace
}  // namespace nq

#include "hadamard/kernels.h"

const nq::HadamardKernels& nq::avx2_hadamard() { return kHadamardKernels; }

#endif  // __x86_64__
