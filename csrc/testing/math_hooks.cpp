// The scalar functions of common/integer_math.h as exported symbols, so that tests can compare them with unbounded
// integers.
#include "common/integer_math.h"
#include "common/tiles.h"
#include "nq/abi.h"

NQ_API int64_t nq_math_rescale(int32_t v, int32_t multiplier, int32_t shift) {
  return nq_rescale(v, multiplier, shift);
}

NQ_API int32_t nq_math_requantize(int32_t v, int32_t multiplier, int32_t shift, int32_t width) {
  return nq_requantize(v, multiplier, shift, nq_low(width), nq_high(width));
}

NQ_API int32_t nq_math_shift(int32_t v, int32_t n) { return nq_shift(v, n); }

NQ_API int64_t nq_math_grid_position(int64_t t, int64_t frames, int64_t times) {
  return nq_grid_position(t, frames, times);
}

NQ_API int32_t nq_math_blend(int32_t first, int32_t second, int32_t fraction) {
  return nq_blend(first, second, fraction);
}

NQ_API int32_t nq_math_activate(int32_t p, int32_t activation, int32_t width, int32_t frac, const int32_t* gelu,
                                const int32_t* silu, const int32_t* half_tanh) {
  return nq_activate(p, nq_epilogue(activation, width, frac, {gelu, silu, half_tanh, nullptr}));
}

NQ_API int32_t nq_math_sample(int32_t x, int32_t frac, int32_t depth) { return nq_sample(x, frac, depth); }

NQ_API int32_t nq_math_sine(uint32_t angle, int32_t width, int32_t frac, const int32_t* sine) {
  return nq_sine(angle, frac, nq_low(width), nq_high(width), sine);
}

NQ_API void nq_math_phase(int32_t phase, int32_t ratio, int32_t* first, int32_t* second) {
  const NqPhase p = nq_phase(phase, ratio);
  *first = p.first;
  *second = p.second;
}

NQ_API int32_t nq_math_reformat(int32_t v, int32_t n, int32_t width) {
  return nq_reformat(v, n, nq_low(width), nq_high(width));
}

NQ_API int32_t nq_math_displaced(int32_t at, int32_t vector, int32_t right, int32_t size, int32_t* weight,
                                 int32_t* next) {
  const NqPlace place = nq_displaced(at, vector, right, size);
  *weight = place.weight;
  *next = place.next;
  return place.cell;
}

NQ_API int32_t nq_math_warped(int32_t a, int32_t b, int32_t c, int32_t d, int32_t down, int32_t right) {
  return nq_warped(a, b, c, d, down, right);
}

NQ_API void nq_math_taps(int32_t fraction, int32_t* weights) {
  const NqTaps taps = nq_taps(fraction);
  for (int32_t k = 0; k < kNqCubicTaps; ++k) weights[k] = taps.weight[k];
}

// A map of one channel at a place that a vector displaces.
NQ_API int32_t nq_math_warped_cubic(const int16_t* map, int32_t height, int32_t width, int32_t y, int32_t x,
                                    int32_t down, int32_t across, int32_t right, int32_t map_width) {
  const NqCubicPlace row = nq_cubic_place(y, down, right, height), column = nq_cubic_place(x, across, right, width);
  return nq_warped_cubic(map, width, row, column, nq_low(map_width), nq_high(map_width));
}

// In as many bits as the kernels choose.
NQ_API int32_t nq_math_pair(int32_t a, int32_t b, int32_t frac_a, int32_t frac_b, int32_t width, int32_t frac,
                            int32_t is_product) {
  const NqPair pair = nq_pair(frac_a, frac_b, width, frac, is_product != 0);
  if (is_product) return nq_mul_fits(pair) ? nq_mul<int32_t>(a, b, pair) : nq_mul<int64_t>(a, b, pair);
  return nq_add_fits(pair) ? nq_add<int32_t>(a, b, pair) : nq_add<int64_t>(a, b, pair);
}

NQ_API int64_t nq_math_isqrt(int64_t v) { return nq_isqrt(v); }

NQ_API int32_t nq_math_mean(int32_t sum, int32_t channels) { return nq_mean(sum, channels); }

NQ_API int64_t nq_math_squared_deviations(int64_t squares, int64_t sum, int32_t mean, int32_t channels) {
  return nq_squared_deviations(squares, sum, mean, channels);
}

NQ_API int32_t nq_math_normalize(int64_t scaled, int32_t width, int32_t frac) {
  return nq_normalize(scaled, frac, nq_low(width), nq_high(width));
}

// The parts of a map's value and of a weight, and a sum of products put together from sums of parts' products.
NQ_API void nq_math_parts(int32_t v, int32_t* high, int32_t* low) {
  *high = nq_high_part(v);
  *low = nq_low_part(v);
}

NQ_API int32_t nq_math_join(int32_t high, int32_t low) { return nq_join(high, low); }

NQ_API int32_t nq_math_join_both(int32_t high, int32_t mixed, int32_t low) { return nq_join_both(high, mixed, low); }

NQ_API uint32_t nq_math_pack_bytes(int32_t a, int32_t b, int32_t c, int32_t d) { return nq_pack_bytes(a, b, c, d); }

NQ_API uint32_t nq_math_quotient(uint32_t a, uint32_t b) { return nq_quotient(a, nq_reciprocal32(b)); }
