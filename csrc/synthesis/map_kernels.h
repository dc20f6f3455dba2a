// The body of the kernels of synthesis/maps.h. Included by one file for each instruction set, after it has defined what
// synthesis/conv_kernels.h asks for, and vec_widen(const int16_t*), vec_deviation(v, mean), 256 v - mean, and what
// synthesis/warp_kernel.h and synthesis/cubic_warp_kernel.h ask for. Otherwise plain loops that compilers vectorise.

#include <cstring>

#include "common/integer_math.h"
#include "synthesis/maps.h"
#include "synthesis/norm_kernel.h"
#include "synthesis/warp_kernel.h"

#include "synthesis/cubic_warp_kernel.h"  // needs warp_kernel.h before it

namespace nq {
namespace {

NQ_TARGET void blend(const int16_t* __restrict a, const int16_t* __restrict b, int64_t count, const NqBlend& from,
                     int16_t* __restrict out) {
  const NqBlend k = from;
  for (int64_t x = 0; x < count; ++x) {
    const int32_t blended = nq_blend(a[x], b[x], k.fraction);
    out[x] = static_cast<int16_t>(nq_requantize(blended, k.multiplier, k.shift, k.low, k.high));
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

// Values of kRows rows in turn; a number of rows known to the compiler becomes shuffles of vectors.
template <int kRows, typename Value>
NQ_TARGET void interleave_rows(const Value* __restrict in, int64_t stride, int32_t count, Value* __restrict out) {
  for (int32_t x = 0; x < count; ++x) {
    for (int k = 0; k < kRows; ++k) out[kRows * x + k] = in[k * stride + x];
  }
}

// The first `width` values of `rows` rows in turn.
template <typename Value>
NQ_TARGET void interleave_any(const Value* in, int64_t stride, int32_t rows, int32_t width, Value* out) {
  const int32_t count = width / rows;
  switch (rows) {
    case 1: std::memcpy(out, in, sizeof(Value) * count); break;
    case 2: interleave_rows<2>(in, stride, count, out); break;
    case 3: interleave_rows<3>(in, stride, count, out); break;
    case 4: interleave_rows<4>(in, stride, count, out); break;
    case 5: interleave_rows<5>(in, stride, count, out); break;
    default:
      for (int32_t k = 0; k < rows; ++k) {
        for (int32_t x = 0; x < count; ++x) out[int64_t{rows} * x + k] = in[k * stride + x];
      }
  }
  for (int32_t k = 0; k < width - count * rows; ++k) out[int64_t{rows} * count + k] = in[k * stride + count];
}

NQ_TARGET void interleave(const Interleaved& r, int16_t* out) {
  interleave_any(r.first, r.stride, r.rows, r.width, out);
}

// Input columns that upsample_row and sample_row take at a time.
constexpr int32_t kRowPart = 256;

// Outputs of one phase for `count` input columns; w[x] and w[x + 1] are the columns that output x lies between.
NQ_TARGET void enlarge_phase(const int32_t* __restrict w, int32_t count, int32_t weight, int16_t* __restrict out) {
  for (int32_t x = 0; x < count; ++x) {
    out[x] = static_cast<int16_t>(nq_interpolated(nq_between(w[x], w[x + 1], weight)));
  }
}

NQ_TARGET void upsample_row(const UpsampleRow& u, int16_t* out) {
  int32_t blended[kRowPart + 2];
  int16_t phases[kNqMostRatio * kRowPart];
  int32_t* const v = blended + 1;
  for (int32_t left = 0; left < u.in_width; left += kRowPart) {
    const int32_t count = u.in_width - left < kRowPart ? u.in_width - left : kRowPart;
    const int64_t room = u.out_width - int64_t{left} * u.ratio;  // outputs from here to the end of the cropped row
    if (room <= 0) return;
    const int16_t* const a = u.first + left;
    const int16_t* const b = u.second + left;
    for (int32_t x = 0; x < count; ++x) v[x] = nq_between(a[x], b[x], u.weight);
    const int32_t before = left > 0 ? -1 : 0, after = left + count < u.in_width ? count : count - 1;
    v[-1] = nq_between(a[before], b[before], u.weight);
    v[count] = nq_between(a[after], b[after], u.weight);
    for (int32_t phase = 0; phase < u.ratio; ++phase) {
      enlarge_phase(v + u.phases[phase].first, count, u.phases[phase].second, phases + phase * kRowPart);
    }
    const int32_t width = static_cast<int32_t>(room < int64_t{count} * u.ratio ? room : int64_t{count} * u.ratio);
    interleave_any(phases, kRowPart, u.ratio, width, out + int64_t{left} * u.ratio);
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

template <typename Sample>
NQ_TARGET void to_samples(const int16_t* __restrict in, int32_t count, int32_t frac, int32_t depth,
                          Sample* __restrict out) {
  for (int32_t x = 0; x < count; ++x) out[x] = static_cast<Sample>(nq_sample(in[x], frac, depth));
}

template <typename Sample>
NQ_TARGET void sample_row_as(const Interleaved& r, int32_t frac, int32_t depth, Sample* out) {
  Sample samples[kNqMostRatio * kRowPart];
  for (int32_t done = 0; done < r.width;) {
    const int32_t left = r.width - done;
    const int32_t width = left < r.rows * kRowPart ? left : r.rows * kRowPart;
    for (int32_t k = 0; k < r.rows && k < width; ++k) {
      const int32_t count = (width - k + r.rows - 1) / r.rows;
      to_samples(r.first + k * r.stride + done / r.rows, count, frac, depth, samples + k * kRowPart);
    }
    interleave_any(samples, kRowPart, r.rows, width, out + done);
    done += width;
  }
}

NQ_TARGET void sample_row(const Interleaved& r, int32_t frac, int32_t depth, void* out) {
  if (depth == 8) return sample_row_as(r, frac, depth, static_cast<uint8_t*>(out));
  sample_row_as(r, frac, depth, static_cast<uint16_t*>(out));
}

constexpr MapKernels kMapKernels = {blend,    reformat,       add,        mul,       upsample_row, window_row,
                                    warp_row, norm_positions, interleave, sample_row};

}  // namespace
}  // namespace nq
