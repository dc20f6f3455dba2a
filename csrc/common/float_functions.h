// Functions of float vectors that fuse multiply-adds where the instruction set can, so that instruction sets differ in
// the last bits. Included by one file for each instruction set, after it has defined what common/float_vectors.h asks
// for, kLanes being a multiple of 4, and
//   NQ_FMA(a, b, c)    a * b + c by lane, rounded once where the instruction set can
#include <cstdint>
#include <cstring>

#include "common/float_vectors.h"

namespace nq {
namespace {

NQ_TARGET inline float sum_lanes(Vec v) {
  typedef float Four __attribute__((vector_size(4 * sizeof(float))));
  Four parts[kLanes / 4];
  std::memcpy(parts, &v, sizeof v);
  for (int32_t count = kLanes / 8; count; count /= 2) {
    for (int32_t k = 0; k < count; ++k) parts[k] += parts[k + count];
  }
  return (parts[0][0] + parts[0][2]) + (parts[0][1] + parts[0][3]);
}

// e^x for x in [-87, 0], to two units in the last place: a power of 2 and the polynomial of Cephes for the rest.
NQ_TARGET inline Vec exponential(Vec x) {
  const Vec scaled = x * 1.44269504f - 0.5f;
  const IntVec whole = __builtin_convertvector(scaled, IntVec);  // x <= 0: towards 0 is to the nearest
  const Vec n = __builtin_convertvector(whole, Vec);
  const Vec r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Vec p = all(1.9875691500e-4f);
  p = NQ_FMA(p, r, all(1.3981999507e-3f));
  p = NQ_FMA(p, r, all(8.3334519073e-3f));
  p = NQ_FMA(p, r, all(4.1665795894e-2f));
  p = NQ_FMA(p, r, all(1.6666665459e-1f));
  p = NQ_FMA(p, r, all(5.0000001201e-1f));
  const Vec value = NQ_FMA(p, r * r, r) + 1.0f;
  return value * (Vec)((whole + 127) << 23);
}

// ln x for normal positive x, to two units in the last place: the exponent and the polynomial of Cephes for the rest.
NQ_TARGET inline Vec logarithm(Vec x) {
  const IntVec bits = (IntVec)x;
  IntVec exponent = (bits >> 23) - 126;
  Vec m = (Vec)((bits & 0x007fffff) | 0x3f000000);  // [1/2, 1)
  const IntVec is_small = m < 0.707106781f;
  exponent += is_small;
  m = (is_small ? m + m : m) - 1.0f;
  const Vec e = __builtin_convertvector(exponent, Vec), square = m * m;
  Vec p = all(7.0376836292e-2f);
  p = NQ_FMA(p, m, all(-1.1514610310e-1f));
  p = NQ_FMA(p, m, all(1.1676998740e-1f));
  p = NQ_FMA(p, m, all(-1.2420140846e-1f));
  p = NQ_FMA(p, m, all(1.4249322787e-1f));
  p = NQ_FMA(p, m, all(-1.6668057665e-1f));
  p = NQ_FMA(p, m, all(2.0000714765e-1f));
  p = NQ_FMA(p, m, all(-2.4999993993e-1f));
  p = NQ_FMA(p, m, all(3.3333331174e-1f));
  const Vec rest = p * m * square + e * -2.12194440e-4f - square * 0.5f;
  return (m + rest) + e * 0.693359375f;
}

// The part of a normal distribution beyond z >= 0 to 1e-7 (Abramowitz and Stegun, 7.1.26), where `density` is
// exp(-z^2 / 2).
NQ_TARGET inline Vec upper_tail(Vec z, Vec density) {
  const Vec t = 1.0f / NQ_FMA(z, all(0.3275911f * 0.70710678f), all(1.0f));
  Vec p = all(1.061405429f);
  p = NQ_FMA(p, t, all(-1.453152027f));
  p = NQ_FMA(p, t, all(1.421413741f));
  p = NQ_FMA(p, t, all(-0.284496736f));
  p = NQ_FMA(p, t, all(0.254829592f));
  return p * t * density * 0.5f;
}

}  // namespace
}  // namespace nq
