// The arithmetic contract of formats/nq.md, section 6, as scalar functions. C++ and CUDA compile these same lines, and
// the tests call them through testing/math_hooks.cpp against unbounded Python integers.
//
// Ranges: map values fit 14 signed bits, accumulators 32, latents 12; products that could overflow
// 32 bits are held in 64. Right shifts of negative numbers are arithmetic on every compiler supported here;
// left shifts are written as multiplications, which are defined for negative numbers.
#ifndef NQ_MATH_H
#define NQ_MATH_H

#include <cmath>
#include <cstdint>

#include "nq/tables.h"

#ifdef __CUDACC__
#define NQ_MATH static __host__ __device__ __forceinline__
#else
#define NQ_MATH static inline
#endif

// An entry of a table, which nothing writes: a device has a path of its own for those.
#ifdef __CUDA_ARCH__
#define NQ_ENTRY(table, index) __ldg((table) + (index))
#else
#define NQ_ENTRY(table, index) (table)[index]
#endif

constexpr int32_t kNqGridFractionBits = 16;  // of a time position and of a blended latent (6.2)
constexpr int32_t kNqHalfTanhWidth = 16;     // signed bits of what goes into H (6.5)

template <typename Int>
NQ_MATH int32_t nq_clamp(Int v, int32_t low, int32_t high) {
  return static_cast<int32_t>(v < low ? low : v > high ? high : v);
}

// Smallest and largest value of a signed width (6.1).
NQ_MATH int32_t nq_low(int32_t width) { return -(int32_t{1} << (width - 1)); }
NQ_MATH int32_t nq_high(int32_t width) { return (int32_t{1} << (width - 1)) - 1; }

// (v M + 2^(S-1)) >> S, 1 <= S <= 46 (6.1).
NQ_MATH int64_t nq_rescale(int32_t v, int32_t multiplier, int32_t shift) {
  return (int64_t{v} * multiplier + (int64_t{1} << (shift - 1))) >> shift;
}

// A rescale and its clamp. Adding a multiple of what the shift drops makes the sum positive, so that an unsigned shift
// does: AVX2 has no other for 64 bits. The rescaled value may need more than 32 bits, the clamped one does not.
NQ_MATH int32_t nq_requantize(int32_t v, int32_t multiplier, int32_t shift, int32_t low, int32_t high) {
  const uint64_t above = uint64_t{1} << 50, half = uint64_t{1} << (shift - 1);
  const uint64_t sum = static_cast<uint64_t>(int64_t{v} * multiplier) + (above + half);
  return nq_clamp(static_cast<int64_t>(sum >> shift) - static_cast<int64_t>(above >> shift), low, high);
}

// (v + 2^(n-1)) >> n for n > 0, else v 2^-n (6.5). Callers see to it that `Int` holds the sum or the product.
template <typename Int>
NQ_MATH Int nq_shift(Int v, int32_t n) {
  return n > 0 ? (v + (Int{1} << (n - 1))) >> n : v * (Int{1} << -n);
}

NQ_MATH int64_t nq_floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// p of 6.2: where frame t of `frames` reads a grid of `times`, with 16 fractional bits. The quotient is split so that
// the numerator (up to 2^52 by the limits of section 8) is never shifted left as a whole.
NQ_MATH int64_t nq_grid_position(int64_t t, int64_t frames, int64_t times) {
  const int64_t numerator = (2 * t + 1) * times - frames;
  const int64_t whole = nq_floor_div(numerator, 2 * frames);
  const int64_t rest = numerator - whole * 2 * frames;
  const int64_t one = int64_t{1} << kNqGridFractionBits;
  const int64_t p = whole * one + rest * one / (2 * frames);
  const int64_t last = (times - 1) * one;
  return p < 0 ? 0 : p > last ? last : p;
}

// v of 6.2: two latents of at most 12 bits blended with a fraction of 16.
NQ_MATH int32_t nq_blend(int32_t first, int32_t second, int32_t fraction) {
  return first * ((int32_t{1} << kNqGridFractionBits) - fraction) + second * fraction;
}

// A channel of a grid at one frame: the second latent's weight and the rescale.
struct NqBlend {
  int32_t fraction, multiplier, shift;
  int32_t low, high;
};

// gelu and silu of 6.5: p times the gate of p.
NQ_MATH int32_t nq_gate(int32_t p, int32_t frac, const int32_t* table) {
  const int32_t i = nq_clamp(nq_shift(p, frac - 8), -kNqTableSize / 2, kNqTableSize / 2 - 1);
  return (p * NQ_ENTRY(table, i + kNqTableSize / 2) + (1 << 14)) >> 15;
}

// i of half_tanh in 6.5; p has 12 fractional bits and 16 bits in all.
NQ_MATH int32_t nq_half_tanh_index(int32_t p) {
  return nq_clamp((p + 8) >> 4, -kNqTableSize / 2, kNqTableSize / 2 - 1);
}

NQ_MATH int32_t nq_half_tanh(int32_t p, int32_t frac, int32_t low, int32_t high, const int32_t* table) {
  return nq_clamp(nq_shift(NQ_ENTRY(table, nq_half_tanh_index(p) + kNqTableSize / 2), 15 - frac), low, high);
}

// What a convolution does with a finished accumulator (6.3, 6.5).
struct NqEpilogue {
  int32_t activation;     // NqActivation
  int32_t frac;           // of the output map
  int32_t low, high;      // of the output map's width
  int32_t p_low, p_high;  // of p: the output map's, or 16 bits for half_tanh
  NqTables tables;
};

NQ_MATH NqEpilogue nq_epilogue(int32_t activation, int32_t map_width, int32_t frac, const NqTables& tables) {
  const int32_t p_width = activation == kNqHalfTanh ? kNqHalfTanhWidth : map_width;
  return {activation, frac, nq_low(map_width), nq_high(map_width), nq_low(p_width), nq_high(p_width), tables};
}

NQ_MATH int32_t nq_activate(int32_t p, const NqEpilogue& e) {
  switch (e.activation) {
    case kNqRelu: return p > 0 ? p : 0;
    case kNqGelu: return nq_gate(p, e.frac, e.tables.gelu);
    case kNqSilu: return nq_gate(p, e.frac, e.tables.silu);
    case kNqHalfTanh: return nq_half_tanh(p, e.frac, e.low, e.high, e.tables.half_tanh);
    default: return p;
  }
}

// value of 6.6: a map value to a sample of `depth` bits.
NQ_MATH int32_t nq_sample(int32_t x, int32_t frac, int32_t depth) {
  return nq_clamp(nq_shift(x, frac - depth) + (int32_t{1} << (depth - 1)), 0, (int32_t{1} << depth) - 1);
}

// 6.7: the sine at an angle of 2^32 to the turn, as a map value.
NQ_MATH int32_t nq_sine(uint32_t angle, int32_t frac, int32_t low, int32_t high, const int32_t* table) {
  return nq_clamp(nq_shift(NQ_ENTRY(table, (angle + (uint32_t{1} << 19)) >> 20), 15 - frac), low, high);
}

// 6.8, for outputs x with x mod ratio = `phase`: they lie between inputs x / ratio + first and the next, which has the
// weight `second` of kNqWeightSum.
struct NqPhase {
  int32_t first, second;
};

constexpr int32_t kNqWeightBits = 7, kNqWeightSum = 1 << kNqWeightBits;
constexpr int32_t kNqMostRatio = 16;

NQ_MATH NqPhase nq_phase(int32_t phase, int32_t ratio) {
  const int32_t p = 2 * phase + 1 - ratio, first = p < 0 ? -1 : 0;
  return {first, (kNqWeightSum * (p - 2 * ratio * first) + ratio) / (2 * ratio)};
}

// Two neighbours along an axis; unrounded.
NQ_MATH int32_t nq_between(int32_t first, int32_t second, int32_t weight) {
  return first * (kNqWeightSum - weight) + second * weight;
}

// A value of both axes to a map value: a mean, so never beyond its inputs' width.
NQ_MATH int32_t nq_interpolated(int32_t v) { return nq_shift(v, 2 * kNqWeightBits); }

// 6.13. A part of a map at a fraction of a cell; sums of 14-bit values with weights of 2 * 8 bits stay within 32 bits.
constexpr int32_t kNqMostWindowBits = 8;

// The weights of a window's four neighbours: of 2^bits, of the row below and of the column to the right.
struct NqWindow {
  int32_t bits, down, right;
};

NQ_MATH int32_t nq_seen(int32_t a, int32_t b, int32_t c, int32_t d, const NqWindow& w) {
  const int32_t one = int32_t{1} << w.bits;
  const int32_t left = a * (one - w.down) + c * w.down, right = b * (one - w.down) + d * w.down;
  return nq_shift(left * (one - w.right) + right * w.right, 2 * w.bits);
}

// 6.14. Places in 2^-5 of a cell; sums of 14-bit values with weights of 2 * 5 bits stay within 32 bits.
constexpr int32_t kNqWarpBits = 5, kNqWarpOne = 1 << kNqWarpBits, kNqMostWarpBits = 8;

// A displaced place along an axis: the cell before it, the weight of the next of kNqWarpOne, and how far that is: 0 at
// the map's end, where it weighs nothing.
struct NqPlace {
  int32_t cell, weight, next;
};

// `vector` displaces cell `at` of `size`; `right` is the frac of vectors + bits - kNqWarpBits. Whole cells and the rest
// apart stay within 32 bits for every map.
NQ_MATH NqPlace nq_displaced(int32_t at, int32_t vector, int32_t right, int32_t size) {
  const int32_t moved = nq_shift(vector, right), cell = at + (moved >> kNqWarpBits), last = size - 1;
  const int32_t weight = cell >= 0 && cell < last ? moved & (kNqWarpOne - 1) : 0;
  return {nq_clamp(cell, 0, last), weight, weight > 0};
}

// The four neighbours of a displaced place: upper left, upper right, lower left, lower right.
NQ_MATH int32_t nq_warped(int32_t a, int32_t b, int32_t c, int32_t d, int32_t down, int32_t right) {
  const int32_t upper = a * (kNqWarpOne - right) + b * right, lower = c * (kNqWarpOne - right) + d * right;
  return nq_shift(upper * (kNqWarpOne - down) + lower * down, 2 * kNqWarpBits);
}

constexpr int32_t kNqLinearTaps = 2, kNqCubicTaps = 4;  // of an axis

// The weights of a cubic warp in 1/64: of the cell before a place, of the place's own and of the two after it.
struct NqTaps {
  int32_t weight[kNqCubicTaps];
};

constexpr int32_t kNqTapBits = 6, kNqTapSum = 1 << kNqTapBits;

// A of 6.14: the weight of the outer cell before a place, less its sign.
NQ_MATH int32_t nq_outer_tap(int32_t fraction) {
  const int32_t rest = kNqWarpOne - fraction;
  return (3 * fraction * rest * rest + 1024) >> 11;
}

NQ_MATH NqTaps nq_taps(int32_t fraction) {
  const int32_t before = nq_outer_tap(fraction), after = nq_outer_tap(kNqWarpOne - fraction);
  const int32_t u = fraction - kNqWarpOne / 2, second = kNqTapSum / 2 + ((u * (2300 - u * u) + 512) >> 10);
  return {{-before, kNqTapSum + before - second, second + after, -after}};
}

// Where a cubic warp reads along an axis: the cells of its taps, those beyond the map clamped to it.
struct NqCubicPlace {
  int32_t cell[kNqCubicTaps];
  NqTaps taps;
};

NQ_MATH NqCubicPlace nq_cubic_place(int32_t at, int32_t vector, int32_t right, int32_t size) {
  const NqPlace place = nq_displaced(at, vector, right, size);
  NqCubicPlace found = {{}, nq_taps(place.weight)};
  for (int32_t k = 0; k < kNqCubicTaps; ++k) found.cell[k] = nq_clamp(place.cell - 1 + k, 0, size - 1);
  return found;
}

// Weights sum to at most 88 along an axis without their signs, so sums of 14-bit values stay below 2^26 on both.
NQ_MATH int32_t nq_cubic(int32_t sum, int32_t low, int32_t high) {
  return nq_clamp(nq_shift(sum, 2 * kNqTapBits), low, high);
}

// A value of a channel `in` of rows of `width` values.
NQ_MATH int32_t nq_warped_cubic(const int16_t* in, int64_t width, const NqCubicPlace& row, const NqCubicPlace& column,
                                int32_t low, int32_t high) {
  int32_t sum = 0;
  for (int32_t r = 0; r < kNqCubicTaps; ++r) {
    const int16_t* const line = in + row.cell[r] * width;
    int32_t along = 0;
    for (int32_t k = 0; k < kNqCubicTaps; ++k) along += column.taps.weight[k] * NQ_ENTRY(line, column.cell[k]);
    sum += row.taps.weight[r] * along;
  }
  return nq_cubic(sum, low, high);
}

// 6.10: shift by n = frac_in - frac, and clamp. A left shift by 14 takes every value but 0 beyond every width, as any
// larger one does, so 32 bits suffice.
NQ_MATH int32_t nq_reformat(int32_t v, int32_t n, int32_t low, int32_t high) {
  return nq_clamp(nq_shift(v, n < -14 ? -14 : n), low, high);
}

// 6.11. `left_a` and `left_b` bring an add's terms to the finer of their formats, `right` is n of the shift.
struct NqPair {
  int32_t left_a, left_b, right;
  int32_t low, high;
};

NQ_MATH NqPair nq_pair(int32_t frac_a, int32_t frac_b, int32_t map_width, int32_t frac, bool is_product) {
  const int32_t low = nq_low(map_width), high = nq_high(map_width);
  if (is_product) return {0, 0, frac_a + frac_b - frac, low, high};
  const int32_t finest = frac_a > frac_b ? frac_a : frac_b;
  return {finest - frac_a, finest - frac_b, finest - frac, low, high};
}

// True if 32 bits hold all of nq_add or nq_mul for maps of 14 bits: terms shifted left by L add up to 2^(14 + L) at
// most, a product is 2^26, and half of the right shift comes on top.
NQ_MATH bool nq_add_fits(const NqPair& p) {
  const int32_t left = p.left_a > p.left_b ? p.left_a : p.left_b;
  return p.right > 0 ? left <= 15 : left - p.right <= 16;
}
NQ_MATH bool nq_mul_fits(const NqPair& p) { return p.right >= -4 && p.right <= 30; }

template <typename Int>
NQ_MATH int32_t nq_add(int32_t a, int32_t b, const NqPair& p) {
  return nq_clamp(nq_shift(a * (Int{1} << p.left_a) + b * (Int{1} << p.left_b), p.right), p.low, p.high);
}

template <typename Int>
NQ_MATH int32_t nq_mul(int32_t a, int32_t b, const NqPair& p) {
  return nq_clamp(nq_shift(Int{a} * b, p.right), p.low, p.high);
}

// 6.12.
constexpr int32_t kNqMostNormChannels = 1 << 16;
constexpr int32_t kNqMeanBits = 8, kNqDeviationBits = 16, kNqReciprocalBits = 46;

// The largest integer whose square is at most v, v < 2^60. The floating root is off by one at most, whatever the
// machine's rounding; integers put it right.
NQ_MATH int64_t nq_isqrt(int64_t v) {
  int64_t root = static_cast<int64_t>(sqrt(static_cast<double>(v)));
  root -= root * root > v;
  return root + ((root + 1) * (root + 1) <= v);
}

NQ_MATH int32_t nq_mean(int32_t sum, int32_t channels) {
  return static_cast<int32_t>(nq_floor_div(int64_t{sum} * (1 << kNqMeanBits), channels));
}

NQ_MATH int32_t nq_deviation(int32_t v, int32_t mean) { return v * (1 << kNqMeanBits) - mean; }

// The sum of squared deviations from `mean` of values whose sum and sum of squares are known: the same integer, without
// a look at each value. Terms stay below 2^60 for 2^16 values of 14 bits.
NQ_MATH int64_t nq_squared_deviations(int64_t squares, int64_t sum, int32_t mean, int32_t channels) {
  const int64_t one = 1 << kNqMeanBits;
  return squares * one * one - 2 * one * sum * mean + int64_t{channels} * mean * mean;
}

// R of 6.12 for a sum of squared deviations.
NQ_MATH int64_t nq_reciprocal(int64_t squares, int32_t channels) {
  const int64_t root = nq_isqrt(squares / channels * (int64_t{1} << kNqDeviationBits));
  return (int64_t{1} << kNqReciprocalBits) / (root > 0 ? root : 1);
}

// A deviation times R, below 2^47, to a map value. Adding a multiple of what the shift drops makes the sum positive,
// so that an unsigned shift does: AVX2 has no other for 64 bits.
NQ_MATH int32_t nq_normalize(int64_t scaled, int32_t frac, int32_t low, int32_t high) {
  const int32_t drop = kNqReciprocalBits - kNqMeanBits - frac;  // 18 .. 38
  const uint64_t above = uint64_t{1} << 48;
  const uint64_t sum = static_cast<uint64_t>(scaled) + above + (uint64_t{1} << (drop - 1));
  return nq_clamp(static_cast<int32_t>(sum >> drop) - static_cast<int32_t>(above >> drop), low, high);
}

#endif  // NQ_MATH_H
