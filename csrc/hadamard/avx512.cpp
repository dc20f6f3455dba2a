// Walsh-Hadamard kernels for AVX-512 (F), called only where the CPU has it.
#if defined(__x86_64__)

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 warns of its own header, which leaves the unused operand of unmasked intrinsics undefined.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <cstdint>

#include "common/float16.h"

#define NQ_TARGET __attribute__((target("avx512f")))

namespace nq {
namespace {

// 16 vectors of 32 registers: blocks of up to 256 values never leave them.
constexpr int32_t kLaneStages = 4, kMaxStages = 4;
// Measured at n = 1024 over 16 MiB: a quarter less time. With AVX2's pace the processor keeps up by itself.
constexpr bool kPrefetchRows = true;

NQ_TARGET inline __m256i load_half(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
NQ_TARGET inline void store_half(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

NQ_TARGET inline __m512 vec_load(const float* p) { return _mm512_loadu_ps(p); }
NQ_TARGET inline __m512 vec_load(const Float16* p) { return _mm512_cvtph_ps(load_half(p)); }
NQ_TARGET inline __m512 vec_load(const Bfloat16* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_half(p)), 16));
}
NQ_TARGET inline __m512i vec_load(const int32_t* p) { return _mm512_loadu_si512(p); }

NQ_TARGET inline void vec_store(float* p, __m512 v) { _mm512_storeu_ps(p, v); }
NQ_TARGET inline void vec_store(Float16* p, __m512 v) {
  store_half(p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
NQ_TARGET inline void vec_store(Bfloat16* p, __m512 v) {
  const __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  store_half(p, _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40))));
}
NQ_TARGET inline void vec_store(int32_t* p, __m512i v) { _mm512_storeu_si512(p, v); }

NQ_TARGET inline __m512 vec_add(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
NQ_TARGET inline __m512 vec_sub(__m512 a, __m512 b) { return _mm512_sub_ps(a, b); }
NQ_TARGET inline __m512i vec_add(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
NQ_TARGET inline __m512i vec_sub(__m512i a, __m512i b) { return _mm512_sub_epi32(a, b); }
NQ_TARGET inline __m512 vec_scale(__m512 v, float scale) { return _mm512_mul_ps(v, _mm512_set1_ps(scale)); }
NQ_TARGET inline __m512i vec_scale(__m512i v, float) { return v; }

// Lanes whose bit kStage is set.
template <int kStage>
constexpr __mmask16 kUpper = kStage == 0   ? 0xaaaa
                             : kStage == 1 ? 0xcccc
                             : kStage == 2 ? 0xf0f0
                                           : 0xff00;

// Each lane's partner at distance 2^kStage.
template <int kStage>
NQ_TARGET inline __m512 partners(__m512 v) {
  if constexpr (kStage == 0) return _mm512_permute_ps(v, 0xb1);
  if constexpr (kStage == 1) return _mm512_permute_ps(v, 0x4e);
  if constexpr (kStage == 2) return _mm512_shuffle_f32x4(v, v, 0xb1);
  return _mm512_shuffle_f32x4(v, v, 0x4e);
}

// A product by 1 or -1 is exact, so the fused sum rounds as a plain one does.
template <int kStage>
NQ_TARGET inline __m512 lane_butterfly(__m512 v) {
  const __m512 signs = _mm512_mask_blend_ps(kUpper<kStage>, _mm512_set1_ps(1.0f), _mm512_set1_ps(-1.0f));
  return _mm512_fmadd_ps(v, signs, partners<kStage>(v));
}

template <int kStage>
NQ_TARGET inline __m512i lane_butterfly(__m512i v) {
  const __m512i others = _mm512_castps_si512(partners<kStage>(_mm512_castsi512_ps(v)));
  return _mm512_mask_sub_epi32(_mm512_add_epi32(others, v), kUpper<kStage>, others, v);
}

}  // namespace
}  // namespace nq

#include "hadamard/kernels.h"

const nq::HadamardKernels& nq::avx512_hadamard() { return kHadamardKernels; }

#endif  // __x86_64__
