// The body of the Walsh-Hadamard kernels. Included by one file for each instruction set, after it has defined, in
// namespace nq and an unnamed namespace within:
//   NQ_TARGET               attribute that allows the instruction set in a function
//   kLaneStages             log2 of the lanes of a vector
//   kMaxStages              log2 of the vectors that a pass holds in registers, at most 4
//   kPrefetchRows           whether long blocks fetch the next row's memory while they work
//   vec_load(const T*)      T float, Float16 or Bfloat16: a vector of float; int32_t: a vector of int32
//   vec_store(T*, v)        the reverse, rounding to nearest even
//   vec_add, vec_sub        int32 wraps
//   vec_scale(v, float)     int32: unchanged
//   lane_butterfly<s>(v)    lane i, with j = i ^ 2^s: v[i] + v[j] where bit s of i is 0, else v[j] - v[i]
// Stages run in the order 1, 2, 4 .. everywhere, so that every instruction set gives the same bits.
#include <cstdint>
#include <type_traits>

#include "hadamard/rows.h"
#include "nq/hadamard.h"

namespace nq {
namespace {

constexpr int32_t kLanes = 1 << kLaneStages;

// A vector of what values of type T are computed in.
template <typename T>
using VecOf = decltype(vec_load(static_cast<const T*>(nullptr)));

// The first `kStages` stages within a vector.
template <int kStages, typename Vec>
NQ_TARGET inline Vec lane_stages(Vec v) {
  if constexpr (kStages > 0) {
    return lane_butterfly<kStages - 1>(lane_stages<kStages - 1>(v));
  } else {
    return v;
  }
}

// Stages between vectors, from distance `kDistance` on.
template <int kDistance, int kVectors, typename Vec>
NQ_TARGET inline void vector_stages(Vec (&v)[kVectors]) {
  if constexpr (kDistance < kVectors) {
    for (int pair = 0; pair < kVectors / 2; ++pair) {
      const int j = pair / kDistance * 2 * kDistance + pair % kDistance;
      const Vec a = v[j], b = v[j + kDistance];
      v[j] = vec_add(a, b);
      v[j + kDistance] = vec_sub(a, b);
    }
    vector_stages<2 * kDistance>(v);
  }
}

// `kWithin` stages within vectors and log2(kVectors) stages between vectors that lie `distance` values apart, over
// `count` values, which is a multiple of kVectors * distance; `distance` is one of kLanes. `in` may equal `out`.
template <int kWithin, int kVectors, typename In, typename Out>
NQ_TARGET void pass(const In* in, int64_t count, int64_t distance, float scale, Out* out) {
  for (int64_t group = 0; group < count; group += kVectors * distance) {
    for (int64_t first = group; first < group + distance; first += kLanes) {
      VecOf<In> v[kVectors];
      for (int k = 0; k < kVectors; ++k) v[k] = lane_stages<kWithin>(vec_load(in + first + k * distance));
      vector_stages<1>(v);
      for (int k = 0; k < kVectors; ++k) vec_store(out + first + k * distance, vec_scale(v[k], scale));
    }
  }
}

template <int kWithin, typename In, typename Out>
NQ_TARGET void run_pass(int32_t stages, const In* in, int64_t count, int64_t distance, float scale, Out* out) {
  static_assert(kMaxStages == 3 || kMaxStages == 4);
  switch (stages) {
    case 0: return pass<kWithin, 1>(in, count, distance, scale, out);
    case 1: return pass<kWithin, 2>(in, count, distance, scale, out);
    case 2: return pass<kWithin, 4>(in, count, distance, scale, out);
    case 3: return pass<kWithin, 8>(in, count, distance, scale, out);
    default: return pass<kWithin, 1 << kMaxStages>(in, count, distance, scale, out);
  }
}

// A block too large for the registers, n > kLanes * 2^kMaxStages: passes through `work`, which stays in the L1 cache.
template <typename T>
NQ_TARGET void passes(const T* in, int32_t n, float scale, WorkOf<T>* work, T* out) {
  run_pass<kLaneStages>(kMaxStages, in, n, kLanes, 1.0f, work);
  int32_t done = kLanes << kMaxStages;
  for (; n / done > 1 << kMaxStages; done <<= kMaxStages) run_pass<0>(kMaxStages, work, n, done, 1.0f, work);
  run_pass<0>(__builtin_ctz(n / done), work, n, done, scale, out);
}

// Values that need no conversion work where they end up, which is then written in order by the first pass.
template <typename T>
NQ_TARGET void long_block(const T* in, int32_t n, float scale, T* out) {
  if constexpr (std::is_same_v<T, WorkOf<T>>) {
    passes(in, n, scale, out, out);
  } else {
    alignas(64) WorkOf<T> work[kMaxHadamard];
    passes(in, n, scale, work, out);
  }
}

// A block smaller than a vector.
template <typename T>
NQ_TARGET void short_block(const T* in, int32_t n, float scale, T* out) {
  WorkOf<T> v[kLanes];
  for (int32_t i = 0; i < n; ++i) v[i] = load_value(in + i);
  for (int32_t distance = 1; distance < n; distance *= 2) {
    for (int32_t i = 0; i < n; ++i) {
      if (i & distance) continue;
      const WorkOf<T> a = v[i], b = v[i + distance];
      v[i] = add(a, b);
      v[i + distance] = subtract(a, b);
    }
  }
  for (int32_t i = 0; i < n; ++i) store_value(out + i, scaled(v[i], scale));
}

// Asks for the cache lines of a block before they are needed.
template <typename T>
inline void prefetch(const T* in, const T* out, int32_t n) {
  for (int32_t i = 0; i < n; i += 64 / sizeof(T)) {
    __builtin_prefetch(in + i);
    __builtin_prefetch(out + i, 1);
  }
}

// Blocks smaller than a vector that follow one another: as many of them a vector as it holds.
template <int kStages, typename T>
NQ_TARGET void short_blocks(const T* in, int64_t count, float scale, T* out) {
  if constexpr (kStages < kLaneStages) {
    const int64_t whole = count / kLanes * kLanes;
    pass<kStages, 1>(in, whole, kLanes, scale, out);
    for (int64_t i = whole; i < count; i += 1 << kStages) short_block(in + i, 1 << kStages, scale, out + i);
  }
}

template <typename T>
NQ_TARGET void rows_of(const void* from, int64_t rows, int64_t stride, int32_t n, float scale, void* to) {
  const T* in = static_cast<const T*>(from);
  T* out = static_cast<T*>(to);
  const bool contiguous = stride == n;
  if (n < kLanes && contiguous) {
    switch (n) {
      case 1: return short_blocks<0>(in, rows * n, scale, out);
      case 2: return short_blocks<1>(in, rows * n, scale, out);
      case 4: return short_blocks<2>(in, rows * n, scale, out);
      default: return short_blocks<3>(in, rows * n, scale, out);
    }
  }
  const int32_t stages = __builtin_ctz(n) - kLaneStages;
  if (stages >= 0 && stages <= kMaxStages && contiguous) {
    return run_pass<kLaneStages>(stages, in, rows * n, kLanes, scale, out);
  }
  for (int64_t r = 0; r < rows; ++r, in += stride, out += stride) {
    if (stages < 0) {
      short_block(in, n, scale, out);
    } else if (stages <= kMaxStages) {
      run_pass<kLaneStages>(stages, in, n, kLanes, scale, out);
    } else {
      if (kPrefetchRows && r + 1 < rows) prefetch(in + stride, out + stride, n);
      long_block(in, n, scale, out);
    }
  }
}

#if defined(NQ_DECODER_ONLY)  // which transforms integers alone
constexpr HadamardKernels kHadamardKernels = {{nullptr, nullptr, nullptr, rows_of<int32_t>}};
#else
constexpr HadamardKernels kHadamardKernels = {{rows_of<float>, rows_of<Float16>, rows_of<Bfloat16>, rows_of<int32_t>}};
#endif

}  // namespace
}  // namespace nq
