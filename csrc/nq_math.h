// The arithmetic contract of formats/nq.md, section 6, as scalar functions. C++ and CUDA compile these same lines, and
// the tests call them through nq_math_hooks.cpp against unbounded Python integers.
//
// Ranges: map values fit 14 signed bits, accumulators 32, latents 12; products that could overflow
// 32 bits are held in 64. Right shifts of negative numbers are arithmetic on every compiler supported here;
// left shifts are written as multiplications, which are defined for negative numbers.
#ifndef NQ_MATH_H
#define NQ_MATH_H

#include <cstdint>

#ifdef __CUDACC__
#define NQ_MATH static __host__ __device__ __forceinline__
#else
#define NQ_MATH static inline
#endif

enum NqActivation : int32_t { kNqNone = 0, kNqRelu = 1, kNqGelu = 2, kNqSilu = 3, kNqHalfTanh = 4 };

constexpr int32_t kNqTableSize = 4096;       // entries of G and H, indexed from -kNqTableSize / 2 (6.5)
constexpr int32_t kNqGridFractionBits = 16;  // of a time position and of a blended latent (6.2)
constexpr int32_t kNqHalfTanhWidth = 16;     // signed bits of what goes into H (6.5)

// Tables of 6.5, each kNqTableSize entries.
struct NqTables {
  const int32_t* gelu;
  const int32_t* silu;
  const int32_t* half_tanh;
};

NQ_MATH int32_t nq_clamp(int64_t v, int32_t low, int32_t high) {
  return static_cast<int32_t>(v < low ? low : v > high ? high : v);
}

// Smallest and largest value of a signed width (6.1).
NQ_MATH int32_t nq_low(int32_t width) { return -(int32_t{1} << (width - 1)); }
NQ_MATH int32_t nq_high(int32_t width) { return (int32_t{1} << (width - 1)) - 1; }

// (v M + 2^(S-1)) >> S, 1 <= S <= 46 (6.1).
NQ_MATH int64_t nq_rescale(int32_t v, int32_t multiplier, int32_t shift) {
  return (int64_t{v} * multiplier + (int64_t{1} << (shift - 1))) >> shift;
}

// A rescale and its clamp; the rescaled value may need more than 32 bits, the clamped one does not.
NQ_MATH int32_t nq_requantize(int32_t v, int32_t multiplier, int32_t shift, int32_t low, int32_t high) {
  return nq_clamp(nq_rescale(v, multiplier, shift), low, high);
}

// (v + 2^(n-1)) >> n for n > 0, else v 2^-n (6.5). |n| <= 15, |v| < 2^16.
NQ_MATH int32_t nq_shift(int32_t v, int32_t n) {
  return n > 0 ? (v + (int32_t{1} << (n - 1))) >> n : v * (int32_t{1} << -n);
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

// gelu and silu of 6.5: p times the gate of p.
NQ_MATH int32_t nq_gate(int32_t p, int32_t frac, const int32_t* table) {
  const int32_t i = nq_clamp(nq_shift(p, frac - 8), -kNqTableSize / 2, kNqTableSize / 2 - 1);
  return (p * table[i + kNqTableSize / 2] + (1 << 14)) >> 15;
}

// half_tanh of 6.5; p has 12 fractional bits and 16 bits in all.
NQ_MATH int32_t nq_half_tanh(int32_t p, int32_t frac, int32_t low, int32_t high, const int32_t* table) {
  const int32_t i = nq_clamp((p + 8) >> 4, -kNqTableSize / 2, kNqTableSize / 2 - 1);
  return nq_clamp(nq_shift(table[i + kNqTableSize / 2], 15 - frac), low, high);
}

// What a convolution does with a finished accumulator (6.3, 6.5).
struct NqEpilogue {
  int32_t activation;  // NqActivation
  int32_t frac;        // of the output map
  int32_t low, high;   // of the output map's width
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

#endif  // NQ_MATH_H
