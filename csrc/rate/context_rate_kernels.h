// The body of the context rate's kernels. Included by one file for each instruction set, after it has defined what
// common/float_vectors.h asks for, kLanes being a divisor of kRunValues. Nothing is fused, so that every instruction
// set gives the same bits.
#include <cstdint>

#include "common/float_vectors.h"
#include "rate/context_rate_runs.h"

namespace nq {
namespace {

constexpr int kVectors = static_cast<int>(kRunValues / kLanes);  // for kRunValues values
constexpr float kLogisticStd = 1.8137993642f;  // pi / sqrt(3): standard deviation of the standard logistic distribution
constexpr float kNatsToBits = 1.4426950409f;

NQ_TARGET inline Vec masked(Vec v, IntVec mask) { return (Vec)((IntVec)v & mask); }
NQ_TARGET inline Vec with_sign_of(Vec positive, Vec sign) {
  return (Vec)((BitVec)positive | ((BitVec)sign & kSignBit));
}

// Both let a NaN of v through.
NQ_TARGET inline Vec at_most(Vec v, float bound) { return v > all(bound) ? all(bound) : v; }
NQ_TARGET inline Vec at_least_0(Vec v) { return v < Vec{} ? Vec{} : v; }

// exp(-t) and 1 - exp(-t), each to some 1e-7 of itself, for t in 0..kMostExponent.
struct Decay {
  Vec value, rest;
};

// Where exp(-t) is nothing beside 1, and products of two with exp(-15) are still normal numbers.
constexpr float kMostExponent = 64.0f;

NQ_TARGET inline Decay decay(Vec t) {
  constexpr float kRounder = 0x1.8p23f;         // adding it leaves the nearest integer in the low bits
  constexpr float kLn2High = 355.0f / 512.0f;   // so few bits that its product with an exponent is exact
  constexpr float kLn2Low = -2.1219444005e-4f;  // ln 2 - kLn2High
  const Vec rounder = all(kRounder), shifted = rounder - t * kNatsToBits;
  const Vec k = shifted - rounder;
  const Vec r = (-t - k * kLn2High) - k * kLn2Low;
  // exp(r) - 1 for |r| <= ln(2) / 2: the next term of the series is below 1e-8 of it.
  Vec p = r * (1.0f / 5040) + 1.0f / 720;
  p = r * p + 1.0f / 120;
  p = r * p + 1.0f / 24;
  p = r * p + 1.0f / 6;
  p = r * p + 0.5f;
  p = r + r * r * p;
  const Vec power = (Vec)(((BitVec)shifted << 23) + 0x3f800000u);
  return {power + power * p, (1.0f - power) - power * p};
}

// log(1 + z) to some 1e-7 of itself, z >= 0.
NQ_TARGET inline Vec log_1_plus(Vec z) {
  constexpr uint32_t kSqrtHalf = 0x3f3504f3;  // mantissas are taken from sqrt(1/2)..sqrt(2)
  const BitVec bits = (BitVec)(1.0f + z);
  const BitVec exponent = (bits - kSqrtHalf) >> 23;
  const Vec mantissa = (Vec)(bits - (exponent << 23));
  // Below sqrt(2) z itself, which 1 + z has rounded.
  const Vec t = exponent == 0u ? z : mantissa - 1.0f;
  // log(1 + t) = 2 artanh(q) with |q| < 0.172: the next term of the series is below 1e-8 of it.
  const Vec q = t / (t + 2.0f), qq = q * q;
  Vec p = qq * (1.0f / 9) + 1.0f / 7;
  p = qq * p + 0.2f;
  p = qq * p + 1.0f / 3;
  p = 2.0f * q + 2.0f * q * (qq * p);
  return __builtin_convertvector((IntVec)exponent, Vec) * 0.69314718056f + p;
}

// Nats of a residual under a scale and their derivatives.
struct Rate {
  Vec nats, by_residual, by_scale;
};

// With E = |e|, x = pi / sqrt(3) / s, a = exp(-E x) and c = exp(-x / 2), the integral over a unit interval is
//   P = sigmoid((E + 1/2) x) - sigmoid((E - 1/2) x) = a (1 - c^2) / ((a + c) (1 + a c)),
// of which the tail's exp(-(E - 1/2) x) is taken out of the logarithm. 1 - a and 1 - c come without cancellation, so
// derivatives hold for any scale.
NQ_TARGET inline Rate logistic_rate(Vec e, Vec scale) {
  const Vec distance = magnitude(e), x = kLogisticStd / scale, scaled = distance * x;
  const Decay a = decay(at_most(scaled, kMostExponent)), c = decay(at_most(0.5f * x, kMostExponent));
  const Vec ac = a.value * c.value, cc = c.value * c.value;
  const IntVec tail = distance > 0.5f;
  const Vec u = (tail ? a.value : c.value) / (tail ? c.value : a.value);
  const Vec over = 1.0f / (c.rest * (1.0f + c.value));
  // (1 + u) (1 + ac) / (1 - cc) - 1
  const Vec nats = at_least_0(scaled - 0.5f * x) + log_1_plus(((u + ac) + (u * ac + cc)) * over);
  // sigmoid((E - 1/2) x) and sigmoid(-(E + 1/2) x): their difference and sum.
  const Vec common = c.value / ((a.value + c.value) * (1.0f + ac));
  const Vec difference = a.rest * (1.0f + a.value) * common;
  const Vec sum = (1.0f + 2.0f * ac + a.value * a.value) * common;
  const Vec by_log_x = scaled * difference - x * (0.5f * sum + cc * over);
  return {nats, with_sign_of(x * difference, e), by_log_x * x * (-1.0f / kLogisticStd)};
}

// Adds the sums over neighbours of kRunValues values from value i on to `sum`.
NQ_TARGET inline void add_neighbours(const NeighbourRuns& from, int64_t i, Vec (&sum)[kVectors]) {
  for (int32_t j = 0; j < from.count; ++j) {
    const float* const p = from.arrays[j] + i;
    const float weight = from.weights[j];
    for (int k = 0; k < kVectors; ++k) sum[k] += weight * load(p + k * kLanes);
  }
}

// In the order of lanes, whatever kLanes is.
NQ_TARGET inline float total(const Vec (&lanes)[kVectors]) {
  float parts[kRunValues], sum = 0;
  for (int k = 0; k < kVectors; ++k) store(parts + k * kLanes, lanes[k]);
  for (const float part : parts) sum += part;
  return sum;
}

NQ_TARGET void residuals(const float* y, NeighbourRuns from, const int32_t* mask, int64_t length, float* e,
                         float* magnitudes) {
  for (int64_t i = 0; i < length; i += kRunValues) {
    Vec means[kVectors] = {};
    add_neighbours(from, i, means);
    for (int k = 0; k < kVectors; ++k) {
      const int64_t at = i + k * kLanes;
      const Vec residual = masked(load(y + at) - means[k], load<IntVec>(mask + at));
      store(e + at, residual);
      store(magnitudes + at, magnitude(residual));
    }
  }
}

NQ_TARGET RunTotals rates(const float* e, NeighbourRuns from, float least, const int32_t* mask, int64_t length,
                          float* h, float* g) {
  Vec nats[kVectors] = {}, slopes[kVectors] = {};
  for (int64_t i = 0; i < length; i += kRunValues) {
    Vec scales[kVectors];
    for (int k = 0; k < kVectors; ++k) scales[k] = all(least);
    add_neighbours(from, i, scales);
    for (int k = 0; k < kVectors; ++k) {
      const int64_t at = i + k * kLanes;
      const IntVec valid = load<IntVec>(mask + at);
      const Rate rate = logistic_rate(load(e + at), scales[k]);
      const Vec by_scale = masked(rate.by_scale, valid);
      nats[k] += masked(rate.nats, valid);
      slopes[k] += by_scale;
      store(h + at, by_scale);
      store(g + at, masked(rate.by_residual, valid));
    }
  }
  return {total(nats), total(slopes)};
}

NQ_TARGET void through_scales(const float* e, NeighbourRuns from, int64_t length, float* g) {
  for (int64_t i = 0; i < length; i += kRunValues) {
    Vec sums[kVectors] = {};
    add_neighbours(from, i, sums);
    for (int k = 0; k < kVectors; ++k) {
      const int64_t at = i + k * kLanes;
      const Vec residual = load(e + at);
      const Vec signs = with_sign_of(all(1.0f), residual);
      store(g + at, load(g + at) + masked(signs * sums[k], residual != Vec{}));
    }
  }
}

NQ_TARGET void value_gradients(const float* g, NeighbourRuns from, int64_t length, float* out) {
  for (int64_t i = 0; i < length; i += kRunValues) {
    Vec sums[kVectors] = {};
    add_neighbours(from, i, sums);
    for (int k = 0; k < kVectors; ++k) {
      const int64_t at = i + k * kLanes;
      store(out + at, (load(g + at) - sums[k]) * kNatsToBits);
    }
  }
}

NQ_TARGET float dot(const float* a, const float* b, int64_t length) {
  Vec sums[kVectors] = {};
  for (int64_t i = 0; i < length; i += kRunValues) {
    for (int k = 0; k < kVectors; ++k) sums[k] += load(a + i + k * kLanes) * load(b + i + k * kLanes);
  }
  return total(sums);
}

constexpr ContextRateKernels kContextRateKernels = {residuals, rates, through_scales, value_gradients, dot};

}  // namespace
}  // namespace nq
