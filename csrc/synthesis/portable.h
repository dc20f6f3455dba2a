// Vectors of four int32 by the extension that GCC and clang share: what machines other than x86 run (NEON: a register).
#include <cstdint>
#include <cstring>

#include "common/integer_math.h"
#include "synthesis/vectors.h"

namespace nq {
namespace {

constexpr int32_t kLanes = 4, kBlock = 8, kTiles = 16;
constexpr bool kGates = false;
constexpr int32_t kPeakSums = kTiles < kMostPeakSums ? kTiles : kMostPeakSums;
typedef int32_t Vec __attribute__((vector_size(16)));
typedef int16_t Narrow __attribute__((vector_size(8)));

inline Vec vec_set(int32_t v) { return Vec{v, v, v, v}; }

inline Vec vec_load(const void* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline void vec_store(void* p, Vec v) { std::memcpy(p, &v, sizeof v); }

inline void vec_store_narrow(int16_t* p, Vec v) {
  const Narrow narrow = __builtin_convertvector(v, Narrow);
  std::memcpy(p, &narrow, sizeof narrow);
}

inline void vec_store_two_narrow(int16_t* p, Vec a, Vec b) {
  vec_store_narrow(p, a);
  vec_store_narrow(p + kLanes, b);
}

inline Vec vec_widen(const int16_t* p) {
  Narrow narrow;
  std::memcpy(&narrow, p, sizeof narrow);
  return __builtin_convertvector(narrow, Vec);
}

inline Vec first_of_pairs(Vec v) { return static_cast<Vec>(v << 16) >> 16; }

// Both halves of a lane as int32: 32-bit multiply-accumulates, and an input's halves serve a whole block of outputs.
inline Vec vec_dot(Vec sum, Vec pairs, Vec weights) {
  return sum + first_of_pairs(pairs) * first_of_pairs(weights) + (pairs >> 16) * (weights >> 16);
}

inline void vec_dot_all(Vec* sums, Vec x, Vec w) {
  for (int32_t i = 0; i < kPeakSums; ++i) sums[i] = vec_dot(sums[i], x, w + i);
}

inline Vec vec_clamp(Vec v, Vec low, Vec high) {
  for (int32_t l = 0; l < kLanes; ++l) v[l] = nq_clamp(v[l], low[l], high[l]);
  return v;
}

inline Vec vec_deviation(Vec v, Vec mean) { return v * (1 << kNqMeanBits) - mean; }

inline Vec vec_scale(Vec v, Vec multiplier, const Scale& scale) {
  for (int32_t l = 0; l < kLanes; ++l) {
    v[l] = static_cast<int32_t>((int64_t{v[l]} * multiplier[l] + scale.half) >> scale.shift);
  }
  return v;
}

inline Vec vec_upper(Vec v, Vec multiplier) {
  for (int32_t l = 0; l < kLanes; ++l) {
    v[l] = static_cast<int32_t>((int64_t{v[l]} * multiplier[l] + (int64_t{1} << 31)) >> 32);
  }
  return v;
}

inline Vec interleaved(Vec a, Vec b, int32_t from) {
  int16_t one[2 * kLanes], other[2 * kLanes], pairs[2 * kLanes];
  vec_store(one, a);
  vec_store(other, b);
  for (int32_t l = 0; l < kLanes; ++l) {
    pairs[2 * l] = one[from + l];
    pairs[2 * l + 1] = other[from + l];
  }
  return vec_load(pairs);
}

inline Vec vec_pairs_low(Vec a, Vec b) { return interleaved(a, b, 0); }
inline Vec vec_pairs_high(Vec a, Vec b) { return interleaved(a, b, kLanes); }

inline Vec vec_join(Vec low, Vec high) {
  int16_t joined[2 * kLanes];
  vec_store_narrow(joined, low);
  vec_store_narrow(joined + kLanes, high);
  return vec_load(joined);
}

inline void vec_store_pairs(int16_t* p, Vec a, Vec b) {
  vec_store(p, vec_pairs_low(a, b));
  vec_store(p + 2 * kLanes, vec_pairs_high(a, b));
}

inline Vec vec_shift_right(Vec v, int32_t by) { return v >> by; }

inline Vec vec_pairs_from(const int16_t* p) { return (vec_widen(p) & 0xFFFF) | vec_widen(p + 1) << 16; }

inline void vec_gather_two_pairs(const int16_t* p, Vec offsets, Vec& first, Vec& second) {
  for (int32_t l = 0; l < kLanes; ++l) {
    int32_t pairs[2];
    std::memcpy(pairs, p + offsets[l], sizeof pairs);
    first[l] = pairs[0];
    second[l] = pairs[1];
  }
}

inline Vec vec_gather_pairs(const int16_t* p, Vec offsets) {
  for (int32_t l = 0; l < kLanes; ++l) {
    int32_t pair;
    std::memcpy(&pair, p + offsets[l], sizeof pair);
    offsets[l] = pair;
  }
  return offsets;
}

}  // namespace
}  // namespace nq
