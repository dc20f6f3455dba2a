// The norm (formats/nq.md 6.12), included by synthesis/map_kernels.h.
//
// Sums of d * d follow from sums of x and of x * x: 65536 sum(x x) - 512 m sum(x) + C m m. For few channels all of it
// is exact in doubles, which divide and take roots by vectors; otherwise 64-bit integers do it one by one.

namespace nq {
namespace {

// For C up to here, every sum is below 2^53; a quotient below 2^44 that is no integer is at least 1 / C from the next,
// more than it is rounded by, and 2^46 / r likewise: so a rounded quotient's floor is the exact one's.
constexpr int32_t kMostDoubleChannels = 512;
// Channels whose squares of 26 bits add up in 32.
constexpr int32_t kSquareRun = 16;

struct NormSums {
  int32_t sum[kNormTile];
  double squares[kNormTile];
};

struct NormFactors {
  int32_t mean[kNormTile];
  int32_t reciprocal[kNormTile];
};

NQ_TARGET void sum_channels(const NormLayer& n, int32_t count, NormSums& s) {
  for (int32_t x = 0; x < count; ++x) s.sum[x] = 0;
  for (int32_t x = 0; x < count; ++x) s.squares[x] = 0;
  for (int32_t begin = 0; begin < n.channels; begin += kSquareRun) {
    const int32_t end = n.channels - begin < kSquareRun ? n.channels : begin + kSquareRun;
    int32_t run[kNormTile] = {};
    for (int32_t c = begin; c < end; ++c) {
      const int16_t* __restrict in = n.in + c * n.in_stride;
      for (int32_t x = 0; x < count; ++x) {
        s.sum[x] += in[x];
        run[x] += in[x] * in[x];
      }
    }
    for (int32_t x = 0; x < count; ++x) s.squares[x] += run[x];
  }
}

// The floor of a double of 0 to 2^51: rounded to an integer by an addition, and put right.
NQ_TARGET inline double floor_below(double v) {
  constexpr double kUnit = 4503599627370496.0;  // 2^52
  const double near = (v + kUnit) - kUnit;
  return near - (near > v ? 1.0 : 0.0);
}

// Means and reciprocals; false if a reciprocal needs more than 31 bits, where channels hardly differ.
NQ_TARGET bool find_factors(const NormSums& s, int32_t count, int32_t channels, NormFactors& f) {
  const double c = channels, one = static_cast<double>(int64_t{1} << kNqReciprocalBits);
  int32_t least = INT32_MAX;
  for (int32_t x = 0; x < count; ++x) {
    const double sum = s.sum[x], quotient = sum * (1 << kNqMeanBits) / c;
    const int32_t toward_zero = static_cast<int32_t>(quotient);
    const int32_t mean = toward_zero - (toward_zero > quotient ? 1 : 0);
    const double m = mean, deviations = 65536.0 * s.squares[x] - 512.0 * m * sum + c * m * m;
    const double variance = floor_below(deviations / c);
    // The root of v = variance 2^16 < 2^60 is at most one too large; r r - v is so small that 32 bits hold its sign.
    const double high = floor_below(variance * (1.0 / 65536));
    const uint32_t v = static_cast<uint32_t>(static_cast<int32_t>(variance - high * 65536.0)) << 16;
    uint32_t root = static_cast<uint32_t>(static_cast<int32_t>(sqrt(variance * 65536.0)));
    root -= static_cast<int32_t>(root * root - v) > 0 ? 1 : 0;
    const int32_t r = static_cast<int32_t>(root);
    least = r < least ? r : least;
    const double divisor = r > (1 << 15) ? r : (1 << 15) + 1;
    f.mean[x] = mean;
    f.reciprocal[x] = static_cast<int32_t>(one / divisor);
  }
  return least > 1 << 15;
}

// Positions one by one, with any reciprocal.
NQ_TARGET void norm_exactly(const NormLayer& n, int32_t first, int32_t count) {
  for (int32_t x = first; x < count; ++x) {
    int32_t sum = 0;
    for (int32_t c = 0; c < n.channels; ++c) sum += n.in[c * n.in_stride + x];
    const int32_t mean = nq_mean(sum, n.channels);
    int64_t squares = 0;
    for (int32_t c = 0; c < n.channels; ++c) {
      const int64_t d = nq_deviation(n.in[c * n.in_stride + x], mean);
      squares += d * d;
    }
    const int64_t reciprocal = nq_reciprocal(squares, n.channels);
    for (int32_t c = 0; c < n.channels; ++c) {
      const int64_t scaled = nq_deviation(n.in[c * n.in_stride + x], mean) * reciprocal;
      n.out[c * n.out_stride + x] = static_cast<int16_t>(nq_normalize(scaled, n.frac, n.low, n.high));
    }
  }
}

NQ_TARGET void norm_positions(const NormLayer& n, int32_t count) {
  const int32_t whole = count / kLanes * kLanes;
  NormSums sums;
  NormFactors factors;
  if (n.channels > kMostDoubleChannels || whole == 0) return norm_exactly(n, 0, count);
  sum_channels(n, whole, sums);
  if (!find_factors(sums, whole, n.channels, factors)) return norm_exactly(n, 0, count);
  const Vec low = vec_set(n.low), high = vec_set(n.high);
  const Scale scale(kNqReciprocalBits - kNqMeanBits - n.frac);
  for (int32_t c = 0; c < n.channels; ++c) {
    const int16_t* const in = n.in + c * n.in_stride;
    int16_t* const out = n.out + c * n.out_stride;
    for (int32_t x = 0; x < whole; x += kLanes) {
      const Vec d = vec_deviation(vec_widen(in + x), vec_load(factors.mean + x));
      vec_store_narrow(out + x, vec_clamp(vec_scale(d, vec_load(factors.reciprocal + x), scale), low, high));
    }
  }
  norm_exactly(n, whole, count);
}

}  // namespace
}  // namespace nq
