// The body of the kernels of synthesis_maps.h. Included by one file for each instruction set, after it has
// defined NQ_TARGET, the attribute that allows the set in a function. Plain loops that compilers vectorise.

#include "synthesis_maps.h"

namespace nq {
namespace {

NQ_TARGET void blend(const int16_t* __restrict a, const int16_t* __restrict b, int64_t count, const NqBlend& from,
                     int16_t* __restrict out) {
  const NqBlend k = from;
  for (int64_t x = 0; x < count; ++x) {
    out[x] = static_cast<int16_t>(nq_requantize(nq_blend(a[x], b[x], k.fraction), k.multiplier, k.shift, k.low, k.high));
  }
}

NQ_TARGET void reformat(const int16_t* __restrict in, int64_t count, int32_t n, int32_t low, int32_t high,
                        int16_t* __restrict out) {
  for (int64_t x = 0; x < count; ++x) out[x] = static_cast<int16_t>(nq_reformat(in[x], n, low, high));
}

template <typename Int>
NQ_TARGET void add_as(const int16_t* __restrict a, const int16_t* __restrict b, int64_t count, NqPair pair,
                      int16_t* __restrict out) {
  for (int64_t x = 0; x < count; ++x) out[x] = static_cast<int16_t>(nq_add<Int>(a[x], b[x], pair));
}

template <typename Int>
NQ_TARGET void mul_as(const int16_t* __restrict a, const int16_t* __restrict b, int64_t count, NqPair pair,
                      int16_t* __restrict out) {
  for (int64_t x = 0; x < count; ++x) out[x] = static_cast<int16_t>(nq_mul<Int>(a[x], b[x], pair));
}

NQ_TARGET void add(const int16_t* a, const int16_t* b, int64_t count, const NqPair& pair, int16_t* out) {
  (nq_add_fits(pair) ? add_as<int32_t> : add_as<int64_t>)(a, b, count, pair, out);
}

NQ_TARGET void mul(const int16_t* a, const int16_t* b, int64_t count, const NqPair& pair, int16_t* out) {
  (nq_mul_fits(pair) ? mul_as<int32_t> : mul_as<int64_t>)(a, b, count, pair, out);
}

// Input columns that upsample_row takes at a time.
constexpr int32_t kUpsampleTile = 256;

// Outputs of ratio 2 for `count` input columns: both phases at once, so that whole vectors are stored.
NQ_TARGET void enlarge_twice(const int32_t* __restrict v, int32_t count, NqPhase left, NqPhase right,
                             int16_t* __restrict out) {
  for (int32_t x = 0; x < count; ++x) {
    out[2 * x] = static_cast<int16_t>(nq_interpolated(nq_between(v[x - 1], v[x], left.second)));
    out[2 * x + 1] = static_cast<int16_t>(nq_interpolated(nq_between(v[x], v[x + 1], right.second)));
  }
}

NQ_TARGET void upsample_row(const UpsampleRow& u, int16_t* out) {
  int32_t blended[kUpsampleTile + 2];
  int32_t* const v = blended + 1;
  for (int32_t left = 0; left < u.in_width; left += kUpsampleTile) {
    const int32_t count = u.in_width - left < kUpsampleTile ? u.in_width - left : kUpsampleTile;
    const int16_t* const a = u.first + left;
    const int16_t* const b = u.second + left;
    for (int32_t x = 0; x < count; ++x) v[x] = nq_between(a[x], b[x], u.weight);
    const int32_t before = left > 0 ? -1 : 0, after = left + count < u.in_width ? count : count - 1;
    v[-1] = nq_between(a[before], b[before], u.weight);
    v[count] = nq_between(a[after], b[after], u.weight);
    int16_t* const target = out + int64_t{left} * u.ratio;
    const int64_t room = u.out_width - int64_t{left} * u.ratio;  // outputs from here to the end of the cropped row
    int32_t done = 0;
    if (u.ratio == 2) {
      done = room < 2 * count ? static_cast<int32_t>(room < 0 ? 0 : room / 2) : count;
      enlarge_twice(v, done, u.phases[0], u.phases[1], target);
    }
    for (int32_t phase = 0; phase < u.ratio; ++phase) {
      const int32_t* const w = v + u.phases[phase].first;
      const int32_t weight = u.phases[phase].second;
      for (int32_t x = done; x < count && int64_t{x} * u.ratio + phase < room; ++x) {
        target[int64_t{x} * u.ratio + phase] = static_cast<int16_t>(nq_interpolated(nq_between(w[x], w[x + 1], weight)));
      }
    }
  }
}

NQ_TARGET void window_row(const int16_t* __restrict upper, const int16_t* __restrict lower, int64_t next, int64_t ratio,
                          int64_t count, const NqWindow& from, int16_t* __restrict out) {
  const NqWindow w = from;
  if (ratio == 1) {
    for (int64_t x = 0; x < count; ++x) {
      out[x] = static_cast<int16_t>(nq_seen(upper[x], upper[x + next], lower[x], lower[x + next], w));
    }
    return;
  }
  for (int64_t x = 0; x < count; ++x) {
    const int64_t i = x * ratio;
    out[x] = static_cast<int16_t>(nq_seen(upper[i], upper[i + next], lower[i], lower[i + next], w));
  }
}

// The last pass of a norm, with R in as many bits as it needs.
template <typename Int>
NQ_TARGET void scale_deviations(const NormLayer& n, int64_t first, int32_t count, const int32_t* mean,
                                const Int* reciprocal, int16_t* out) {
  const int32_t frac = n.frac, low = n.low, high = n.high;
  for (int32_t c = 0; c < n.channels; ++c) {
    const int16_t* __restrict in = n.in + c * n.area + first;
    int16_t* __restrict target = out + c * n.area + first;
    for (int32_t x = 0; x < count; ++x) {
      const int64_t scaled = int64_t{nq_deviation(in[x], mean[x])} * reciprocal[x];
      target[x] = static_cast<int16_t>(nq_normalize(scaled, frac, low, high));
    }
  }
}

NQ_TARGET void norm_positions(const NormLayer& n, int64_t first, int32_t count, int16_t* out) {
  int32_t mean[kNormTile] = {}, narrow[kNormTile];
  int64_t squares[kNormTile] = {}, reciprocal[kNormTile];
  for (int32_t c = 0; c < n.channels; ++c) {
    const int16_t* const in = n.in + c * n.area + first;
    for (int32_t x = 0; x < count; ++x) mean[x] += in[x];
  }
  for (int32_t x = 0; x < count; ++x) mean[x] = nq_mean(mean[x], n.channels);
  for (int32_t c = 0; c < n.channels; ++c) {
    const int16_t* const in = n.in + c * n.area + first;
    for (int32_t x = 0; x < count; ++x) {
      const int32_t d = nq_deviation(in[x], mean[x]);
      squares[x] += int64_t{d} * d;
    }
  }
  int64_t largest = 0;
  for (int32_t x = 0; x < count; ++x) {
    reciprocal[x] = nq_reciprocal(squares[x], n.channels);
    largest = reciprocal[x] > largest ? reciprocal[x] : largest;
    narrow[x] = static_cast<int32_t>(reciprocal[x]);
  }
  // Only positions whose channels hardly differ need more than 31 bits.
  if (largest <= INT32_MAX) {
    scale_deviations(n, first, count, mean, narrow, out);
  } else {
    scale_deviations(n, first, count, mean, reciprocal, out);
  }
}

constexpr MapKernels kMapKernels = {blend, reformat, add, mul, upsample_row, window_row, norm_positions};

}  // namespace
}  // namespace nq
