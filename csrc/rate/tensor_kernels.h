// The body of the steps for one tensor. Included by one file for each instruction set, after what
// common/float_functions.h asks for.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/float_functions.h"
#include "rate/tensor_steps.h"

namespace nq {
namespace {

// A part of an array as one vector, the missing lanes 0.
NQ_TARGET inline Vec load_part(const float* p, int64_t count) {
  if (count >= kLanes) return load(p);
  float lanes[kLanes] = {};
  std::memcpy(lanes, p, count * sizeof(float));
  return load(lanes);
}

NQ_TARGET inline void store_part(float* p, Vec v, int64_t count) {
  if (count >= kLanes) return store(p, v);
  float lanes[kLanes];
  store(lanes, v);
  std::memcpy(p, lanes, count * sizeof(float));
}

NQ_TARGET inline Vec floor_of(Vec x) {
  const Vec whole = __builtin_convertvector(__builtin_convertvector(x, IntVec), Vec);
  return whole > x ? whole - 1.0f : whole;
}

// Half to even, for magnitudes below 2^22: what is added to 1.5 * 2^23 loses its fraction. Symbols are much smaller.
NQ_TARGET inline Vec nearest(Vec x) {
  const Vec magic = all(12582912.0f);
  return (x + magic) - magic;
}

NQ_TARGET inline Vec clamp(Vec x, float low, float high) {
  const Vec above = x < low ? all(low) : x;
  return above > high ? all(high) : above;
}

// s_T of nqcodec/methods/rate_aware/noise.py for 2 / T and the height tanh(1 / (2 T)), and its slope.
struct SoftRounding {
  explicit SoftRounding(float temperature)
      : bend(2.0f / temperature), height(std::tanh(0.5f / temperature)), steepness(bend / height) {}

  NQ_TARGET inline Vec operator()(Vec x, Vec& slope) const {
    const Vec middle = floor_of(x) + 0.5f, y = (x - middle) * bend;
    const Vec e = exponential(-magnitude(y)), large = 1.0f / (1.0f + e), small = e * large;
    slope = large * small * steepness;
    return middle + ((y < Vec{} ? small : large) - 0.5f) / height;
  }

  float bend, height, steepness;
};

// x^p for x in [0, 1] and p > 0.
NQ_TARGET inline Vec power(Vec x, float p) {
  const Vec positive = x > 1e-30f ? x : all(1e-30f), exponent = logarithm(positive) * p;
  return exponential(exponent < -87.0f ? all(-87.0f) : exponent > 0.0f ? Vec{} : exponent);
}

// Kumaraswamy's distribution with mode 1/2, from uniform numbers.
struct Kumaraswamy {
  explicit Kumaraswamy(float a) : by_a(1 / a), by_b(a / (std::exp2(a) * (a - 1) + 1)), is_uniform(a <= 1) {}

  NQ_TARGET inline Vec operator()(Vec uniform) const {
    return is_uniform ? uniform : power(1.0f - power(uniform, by_b), by_a);
  }

  float by_a, by_b;
  bool is_uniform;
};

NQ_TARGET inline Vec rounded(Vec exact, float dead_zone) {
  if (dead_zone == 0.0f) return nearest(exact);
  const Vec size = floor_of(magnitude(exact) + (0.5f - dead_zone));
  return exact < Vec{} ? -size : size;
}

NQ_TARGET void sample(const NqSampled& t) {
  const SoftRounding soft_round(t.temperature > 0 ? t.temperature : 1.0f);
  const Kumaraswamy noise(t.peak);
  for (int64_t i = 0; i < t.size; i += kLanes) {
    const int64_t count = t.size - i;
    const Vec exact = load_part(t.values + i, count) / t.step_size;
    Vec symbol;
    if (t.sampling == kNqRounded) {
      symbol = rounded(exact, t.dead_zone);
    } else if (t.sampling == kNqUniform) {
      symbol = exact + (load_part(t.numbers + i, count) - 0.5f);
    } else {
      Vec outer, inner;
      const Vec before = soft_round(exact, outer);
      symbol = soft_round(before + noise(load_part(t.numbers + i, count)) - 0.5f, inner);
      store_part(t.slopes + i, outer * inner, count);
    }
    symbol = clamp(symbol, t.low, t.high);
    store_part(t.symbols + i, symbol, count);
    store_part(t.used + i, symbol * t.step_size, count);
  }
}

constexpr float kDensity = 0.39894228f;  // of the normal distribution at 0
constexpr float kByLn2 = 1.44269504f;

// Nats of `gaussian_bits` (nqcodec/methods/rate_aware/likelihood.py) at a distance d >= 0 from the mean, and their
// derivatives by d and by the deviation s.
NQ_TARGET inline void gaussian_nats(Vec d, float s, Vec& nats, Vec& by_d, Vec& by_s) {
  const float inverse = 1.0f / s;
  const Vec low = (d - 0.5f) * inverse, high = (d + 0.5f) * inverse;
  const Vec low_size = clamp(magnitude(low), 0.0f, 13.0f), high_size = clamp(high, 0.0f, 13.0f);
  const Vec low_density = exponential(low_size * low_size * -0.5f);
  const Vec high_density = exponential(high_size * high_size * -0.5f);
  const Vec tail = upper_tail(low_size, low_density);
  const Vec between = (low < Vec{} ? 1.0f - tail : tail) - upper_tail(high_size, high_density);
  const IntVec is_inside = low < 4.0f, is_counted = between > 1e-9f;
  const Vec inside = is_counted ? between : all(1e-9f), scale = kDensity / inside;
  const Vec z = d * inverse, none = {};
  const Vec slope = is_counted ? (low_density - high_density) * scale * inverse : none;
  const Vec slope_by_s = is_counted ? (high * high_density - low * low_density) * scale * inverse : none;
  nats = is_inside ? -logarithm(inside) : z * z * 0.5f + std::log(s / kDensity);
  by_d = is_inside ? slope : z * inverse;
  by_s = is_inside ? slope_by_s : (1.0f - z * z) * inverse;
}

NQ_TARGET void static_rate(NqStaticRate& t, float variance) {
  double squares = 0.0;
  for (int64_t i = 0; i < t.size; i += kLanes) {
    const Vec x = load_part(t.symbols + i, t.size - i);
    squares += sum_lanes(x * x);
  }
  const float s = std::sqrt(static_cast<float>(squares / t.size) + variance);
  double total = 0.0, by_s_total = 0.0;
  for (int64_t i = 0; i < t.size; i += kLanes) {
    const int64_t count = t.size - i;
    const Vec x = load_part(t.symbols + i, count);
    Vec nats, by_d, by_s;
    gaussian_nats(magnitude(x), s, nats, by_d, by_s);
    store_part(t.gradient + i, x < Vec{} ? -by_d : by_d, count);
    for (int64_t lane = count; lane < kLanes; ++lane) nats[lane] = by_s[lane] = 0.0f;
    total += sum_lanes(nats);
    by_s_total += sum_lanes(by_s);
  }
  t.bits = total * kByLn2;
  const float by_x = static_cast<float>(by_s_total / (t.size * s));
  for (int64_t i = 0; i < t.size; ++i) t.gradient[i] = (t.gradient[i] + by_x * t.symbols[i]) * kByLn2;
}

constexpr float kEighthOfOctave = 0.086643398f;  // ln(2) / 8

NQ_TARGET void combine(NqCombined& t, float lambda) {
  double moved = 0.0, charged = 0.0;
  const float by_rate = lambda / t.step_size;
  for (int64_t i = 0; i < t.size; i += kLanes) {
    const int64_t count = t.size - i;
    const Vec by_used = load_part(t.by_used + i, count), by_symbol = load_part(t.by_symbol + i, count);
    const Vec slope = t.slopes ? load_part(t.slopes + i, count) : all(1.0f);
    const Vec exact = load_part(t.values + i, count) * slope;
    store_part(t.by_value + i, (by_used + by_symbol * by_rate) * slope, count);
    moved += sum_lanes(by_used * (load_part(t.used + i, count) - exact));
    charged += sum_lanes(by_symbol * exact);
  }
  t.by_step_index = kEighthOfOctave * static_cast<float>(moved - by_rate * charged);
}

NQ_TARGET void adam(const NqAdam& t, const AdamRates& rates) {
  for (int64_t i = 0; i < t.size; ++i) {
    const float gradient = t.gradient[i];
    const float mean = t.mean[i] + (1 - rates.mean_decay) * (gradient - t.mean[i]);
    const float square = rates.square_decay * t.square[i] + (1 - rates.square_decay) * gradient * gradient;
    t.mean[i] = mean;
    t.square[i] = square;
    t.values[i] -= rates.rate * mean / (std::sqrt(square) + rates.epsilon);
  }
}

constexpr TensorKernels kTensorKernels = {sample, static_rate, combine, adam};

}  // namespace
}  // namespace nq
