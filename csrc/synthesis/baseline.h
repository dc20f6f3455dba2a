// Vectors of plain C++ loops of sixteen lanes, which compilers turn into the baseline's (SSE2 on x86).
#include <cstdint>
#include <cstring>

#include "common/integer_math.h"
#include "synthesis/vectors.h"

namespace nq {
namespace {

// Sixteen lanes a loop are what compilers turn into the baseline's vectors: measured four times faster than four.
constexpr int32_t kLanes = 16, kBlock = 8, kTiles = 8;
constexpr bool kGates = false;
constexpr int32_t kPeakSums = kTiles < kMostPeakSums ? kTiles : kMostPeakSums;

// A pair of int16 travels in an int32 lane, as it lies in memory.
struct Vec {
  int32_t lane[kLanes];
};

struct Halves {
  int16_t half[2 * kLanes];
};

inline Halves halves(Vec v) {
  Halves h;
  std::memcpy(h.half, v.lane, sizeof h.half);
  return h;
}

inline Vec vec_set(int32_t v) {
  Vec all;
  for (int32_t l = 0; l < kLanes; ++l) all.lane[l] = v;
  return all;
}

inline Vec vec_load(const void* p) {
  Vec v;
  std::memcpy(v.lane, p, sizeof v.lane);
  return v;
}

inline void vec_store(void* p, Vec v) { std::memcpy(p, v.lane, sizeof v.lane); }

inline void vec_store_narrow(int16_t* p, Vec v) {
  for (int32_t l = 0; l < kLanes; ++l) p[l] = static_cast<int16_t>(v.lane[l]);
}

inline void vec_store_two_narrow(int16_t* p, Vec a, Vec b) {
  vec_store_narrow(p, a);
  vec_store_narrow(p + kLanes, b);
}

inline Vec vec_widen(const int16_t* p) {
  Vec v;
  for (int32_t l = 0; l < kLanes; ++l) v.lane[l] = p[l];
  return v;
}

// Written so that compilers see pairs of int16 that are multiplied and added, which SSE2 has an instruction for.
inline Vec vec_dot(Vec sum, Vec pairs, Vec weights) {
  int16_t a[2 * kLanes], w[2 * kLanes];
  std::memcpy(a, pairs.lane, sizeof a);
  std::memcpy(w, weights.lane, sizeof w);
  for (int32_t l = 0; l < kLanes; ++l) sum.lane[l] += a[2 * l] * w[2 * l] + a[2 * l + 1] * w[2 * l + 1];
  return sum;
}

inline void vec_dot_all(Vec* sums, Vec x, Vec w) {
  for (int32_t i = 0; i < kPeakSums; ++i) {
    w.lane[0] ^= i;  // other weights for each sum, so that products are not shared
    sums[i] = vec_dot(sums[i], x, w);
  }
}

inline Vec vec_clamp(Vec v, Vec low, Vec high) {
  for (int32_t l = 0; l < kLanes; ++l) {
    const int32_t raised = v.lane[l] < low.lane[l] ? low.lane[l] : v.lane[l];
    v.lane[l] = raised > high.lane[l] ? high.lane[l] : raised;
  }
  return v;
}

inline Vec vec_deviation(Vec v, Vec mean) {
  for (int32_t l = 0; l < kLanes; ++l) v.lane[l] = nq_deviation(v.lane[l], mean.lane[l]);
  return v;
}

inline Vec vec_scale(Vec v, Vec multiplier, const Scale& scale) {
  for (int32_t l = 0; l < kLanes; ++l) {
    const int64_t product = int64_t{v.lane[l]} * multiplier.lane[l] + scale.half;
    v.lane[l] = static_cast<int32_t>(product >> scale.shift);
  }
  return v;
}

inline Vec vec_upper(Vec v, Vec multiplier) {
  for (int32_t l = 0; l < kLanes; ++l) {
    v.lane[l] = static_cast<int32_t>((int64_t{v.lane[l]} * multiplier.lane[l] + (int64_t{1} << 31)) >> 32);
  }
  return v;
}

inline Vec interleaved(Vec a, Vec b, int32_t from) {
  const Halves one = halves(a), other = halves(b);
  Halves pairs;
  for (int32_t l = 0; l < kLanes; ++l) {
    pairs.half[2 * l] = one.half[from + l];
    pairs.half[2 * l + 1] = other.half[from + l];
  }
  return vec_load(pairs.half);
}

inline Vec vec_pairs_low(Vec a, Vec b) { return interleaved(a, b, 0); }
inline Vec vec_pairs_high(Vec a, Vec b) { return interleaved(a, b, kLanes); }

inline Vec vec_join(Vec low, Vec high) {
  Halves joined;
  vec_store_narrow(joined.half, low);
  vec_store_narrow(joined.half + kLanes, high);
  return vec_load(joined.half);
}

inline void vec_store_pairs(int16_t* p, Vec a, Vec b) {
  vec_store(p, vec_pairs_low(a, b));
  vec_store(p + 2 * kLanes, vec_pairs_high(a, b));
}

inline Vec vec_shift_right(Vec v, int32_t by) {
  for (int32_t l = 0; l < kLanes; ++l) v.lane[l] >>= by;
  return v;
}

inline Vec vec_pairs_from(const int16_t* p) {
  Halves pairs;
  for (int32_t l = 0; l < kLanes; ++l) {
    pairs.half[2 * l] = p[l];
    pairs.half[2 * l + 1] = p[l + 1];
  }
  return vec_load(pairs.half);
}

inline void vec_gather_two_pairs(const int16_t* p, Vec offsets, Vec& first, Vec& second) {
  for (int32_t l = 0; l < kLanes; ++l) {
    std::memcpy(first.lane + l, p + offsets.lane[l], sizeof(int32_t));
    std::memcpy(second.lane + l, p + offsets.lane[l] + 2, sizeof(int32_t));
  }
}

inline Vec vec_gather_pairs(const int16_t* p, Vec offsets) {
  for (int32_t l = 0; l < kLanes; ++l) std::memcpy(offsets.lane + l, p + offsets.lane[l], sizeof(int32_t));
  return offsets;
}

}  // namespace
}  // namespace nq
