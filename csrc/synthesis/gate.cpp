#include "synthesis/gate.h"

#include <algorithm>

#include "common/integer_math.h"

#if defined(__x86_64__)
#include <immintrin.h>

// GCC takes the undefined lanes of its own intrinsics for a mistake of ours.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#endif

namespace nq {
namespace {

constexpr int32_t kOne = 1 << 15;
constexpr int32_t kBlock = 128;  // bytes that one instruction looks up in
constexpr int32_t kUnit = 16;    // values that are loaded and stored together

}  // namespace

bool fill_gate(const int32_t* table, GateTable& gate) {
  const int32_t* const zero = table + kNqTableSize / 2;
  for (int32_t n = 0; n <= kNqTableSize / 2; ++n) {
    const int32_t t = zero[-n];
    if (t < 0 || t > kOne / 2) return false;
    // A gate of 1 less 2^-15 leaves a p of 14 bits as it is, as a gate of 1 does.
    if (n < kNqTableSize / 2 && zero[n] != kOne - t && !(t == 0 && zero[n] == kOne - 1)) return false;
    if ((n >= kGateSize - 1 && t != 0) || (n >= kGateWide && t > 255)) return false;
    if (n < kGateSize) gate.low[n] = static_cast<uint8_t>(t & 255);
    if (n < kGateWide) gate.high[n] = static_cast<uint8_t>(t >> 8);
  }
  return true;
}

#if defined(__x86_64__)

#define NQ_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

namespace {

// Bytes 128 k + i of a table where `block` is k, else 0; bits from the eighth of i on are not looked at.
NQ_TARGET inline __m512i bytes_of(const uint8_t* table, int32_t k, __mmask64 block, __m512i i) {
  const uint8_t* const at = table + kBlock * k;
  return _mm512_maskz_permutex2var_epi8(block, _mm512_load_si512(at), i, _mm512_load_si512(at + 64));
}

// |i| of 6.5, at most `last`.
NQ_TARGET inline __m512i index_of(__m512i p, __m512i half, __m128i shift, __m512i last) {
  return _mm512_min_epu16(_mm512_abs_epi16(_mm512_sra_epi16(_mm512_add_epi16(p, half), shift)), last);
}

// (a & mask) | b
NQ_TARGET inline __m512i joined(__m512i a, __m512i mask, __m512i b) {
  return _mm512_ternarylogic_epi64(a, mask, b, 0xEA);
}

// max(p, 0) - |p| T, with T in 2^-15.
NQ_TARGET inline __m512i gated(__m512i p, __m512i t) {
  const __m512i zero = _mm512_setzero_si512(), below = _mm512_min_epi16(p, _mm512_sub_epi16(zero, p));
  return _mm512_add_epi16(_mm512_max_epi16(p, zero), _mm512_mulhrs_epi16(below, t));
}

// Goes over rows of values, kUnit columns at a time.
class Units {
 public:
  explicit Units(const GateRows& rows) : rows_(rows), out_(rows.out) {}

  bool done() const { return row_ == rows_.rows; }

  // Where the next unit's values that are wanted go, as a mask of its columns, and its place.
  NQ_TARGET int16_t* next(__mmask16* wanted) {
    if (done()) {
      *wanted = 0;
      return rows_.out;
    }
    const int32_t left = rows_.valid - column_;
    *wanted = static_cast<__mmask16>(left >= kUnit ? 0xFFFF : left > 0 ? (1 << left) - 1 : 0);
    int16_t* const at = out_ + column_;
    column_ += kUnit;
    if (column_ == rows_.width) {
      column_ = 0;
      ++row_;
      out_ += rows_.stride;
    }
    return at;
  }

 private:
  const GateRows& rows_;
  int16_t* out_;
  int32_t row_ = 0, column_ = 0;
};

// Two units; each was stored by itself, and a load across two stores would wait for both to reach the cache.
NQ_TARGET inline __m512i load_two(const int16_t* p) {
  const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + kUnit));
  return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
}

NQ_TARGET inline void store_two(Units& units, __m512i v) {
  __mmask16 wanted;
  int16_t* at = units.next(&wanted);
  _mm256_mask_storeu_epi16(at, wanted, _mm512_castsi512_si256(v));
  at = units.next(&wanted);
  _mm256_mask_storeu_epi16(at, wanted, _mm512_extracti64x4_epi64(v, 1));
}

// run_gate for |i| of 6.5 below 128 kBlocks.
template <int kBlocks>
NQ_TARGET void run_blocks(const GateTable& gate, int32_t frac, const int16_t* p, const GateRows& rows) {
  constexpr int kHighBlocks = std::min(kBlocks, kGateWide / kBlock);
  const __m128i shift = _mm_cvtsi32_si128(frac - 8);
  const __m512i half = _mm512_set1_epi16(static_cast<int16_t>(frac > 8 ? 1 << (frac - 9) : 0));
  const __m512i last = _mm512_set1_epi16(kGateSize - 1);
  const __m512i high_bytes = _mm512_set1_epi16(-256), low_bytes = _mm512_set1_epi16(255);
  for (Units units(rows); !units.done(); p += kGateValues) {
    const __m512i p0 = load_two(p), p1 = load_two(p + 2 * kUnit);
    const __m512i n0 = index_of(p0, half, shift, last), n1 = index_of(p1, half, shift, last);
    // Values of p0 take the even bytes, those of p1 the odd ones.
    const __m512i i = joined(n0, low_bytes, _mm512_slli_epi16(n1, 8));
    const __m512i block = joined(_mm512_slli_epi16(n1, 1), high_bytes, _mm512_srli_epi16(n0, 7));
    __m512i low = _mm512_setzero_si512(), high = low;
#pragma GCC unroll 9
    for (int k = 0; k < kBlocks; ++k) {
      const __mmask64 here = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(static_cast<char>(k)));
      low = _mm512_or_si512(low, bytes_of(gate.low, k, here, i));
      if (k < kHighBlocks) high = _mm512_or_si512(high, bytes_of(gate.high, k, here, i));
    }
    store_two(units, gated(p0, joined(low, low_bytes, _mm512_slli_epi16(high, 8))));
    store_two(units, gated(p1, joined(high, high_bytes, _mm512_srli_epi16(low, 8))));
  }
}

}  // namespace

bool can_run_gate(int32_t frac) {
  __builtin_cpu_init();
  return frac >= 8 && frac <= 20 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vbmi");
}

void run_gate(const GateTable& gate, int32_t frac, const int16_t* p, const GateRows& rows) {
  // Values have 14 bits, so that their fraction bounds the index.
  if (frac >= 14) return run_blocks<2>(gate, frac, p, rows);
  if (frac == 13) return run_blocks<3>(gate, frac, p, rows);
  if (frac == 12) return run_blocks<5>(gate, frac, p, rows);
  run_blocks<kGateSize / kBlock>(gate, frac, p, rows);
}

#else

bool can_run_gate(int32_t) { return false; }

void run_gate(const GateTable&, int32_t, const int16_t*, const GateRows&) {}

#endif  // __x86_64__

}  // namespace nq
