// The scalar functions of nq_math.h as exported symbols, so that tests can compare them with unbounded integers.
#include "nq_abi.h"
#include "nq_math.h"

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
  return nq_activate(p, nq_epilogue(activation, width, frac, {gelu, silu, half_tanh}));
}

NQ_API int32_t nq_math_sample(int32_t x, int32_t frac, int32_t depth) { return nq_sample(x, frac, depth); }
