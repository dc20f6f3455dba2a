// Convolutions by the dot products of AVX-512 BF16, called only where the CPU has them. They multiply twice as many
// values an instruction as those of float32: of two channels where maps are convolved, and of two columns where
// gradients of weights are summed.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#define NQ_TARGET __attribute__((target("avx512f,avx512bw,avx512bf16")))
#define NQ_FMA(a, b, c) ((Vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define NQ_DOT(a, b, c) ((Vec)_mm512_dpbf16_ps((__m512)(c), (__m512bh)(a), (__m512bh)(b)))
#define NQ_HOLD(v) __asm__("" : "+v"(v))

namespace nq {
namespace {

constexpr int32_t kLanes = 16, kVectors = 5, kGradientOutputs = 3;

}  // namespace
}  // namespace nq

#include "training/frame_conv.h"

namespace nq {
namespace {

// Two vectors of floats as bfloat16, the first in the lower half.
NQ_TARGET inline __m512i rounded(Vec first, Vec second) {
  return (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

// The rows of a map with its channels in pairs, as bfloat16: three rows at a time, in turns, 0 on both sides.
template <int kKernel>
class PairRows {
 public:
  PairRows(const FloatMap& map, std::vector<float>& scratch)
      : map_(map), pairs_((map.channels + 1) / 2), row_(FloatMap::row_size(map.width) + kRowUnit) {
    scratch.assign(kKernel * pairs_ * row_, 0.0f);
    data_ = scratch.data() + kRowUnit;
  }

  NQ_TARGET KernelRows around(int32_t y) {
    KernelRows found{{}, row_, pairs_};
    for (; next_ <= y + kKernel / 2; ++next_) round_row(next_);
    for (int32_t row = 0; row < kKernel; ++row) found.rows[row] = place(y + row - kKernel / 2);
    return found;
  }

 private:
  float* place(int32_t y) const { return data_ + (y + kKernel) % kKernel * pairs_ * row_; }

  NQ_TARGET void round_row(int32_t y) {
    // Lane 0 of the first channel, lane 0 of the second one, lane 1 of the first one, and so on.
    alignas(64) static constexpr auto kOrder = [] {
      struct {
        int16_t lanes[2 * kLanes];
      } order{};
      for (int16_t lane = 0; lane < kLanes; ++lane) {
        order.lanes[2 * lane] = lane;
        order.lanes[2 * lane + 1] = static_cast<int16_t>(lane + kLanes);
      }
      return order;
    }();
    const __m512i order = _mm512_load_si512(&kOrder);
    float* out = place(y);
    for (int32_t pair = 0; pair < pairs_; ++pair, out += row_) {
      const bool is_single = 2 * pair + 1 == map_.channels;
      const float *const first = map_.at(2 * pair, y), *const second = is_single ? first : map_.at(2 * pair + 1, y);
      for (int32_t x = 0; x < map_.width; x += kLanes) {
        const Vec other = is_single ? Vec{} : load(second + x);
        _mm512_storeu_si512(out + x, _mm512_permutexvar_epi16(order, rounded(load(first + x), other)));
      }
    }
  }

  const FloatMap& map_;
  int32_t pairs_, next_ = -(kKernel / 2);
  int64_t row_;
  float* data_;
};

// A strip of rows of a convolution's input and of its outputs' gradients as bfloat16, two columns a lane.
template <int kKernel>
class ColumnStrip {
 public:
  static constexpr int64_t kBytes = sizeof(uint16_t);  // of a value

  NQ_TARGET ColumnStrip(const FloatMap& in, const FloatMap& by_out, int32_t y, int32_t rows,
                        std::vector<float>& scratch)
      : first_(y), inputs_(in.channels) {
    const int32_t around = kKernel / 2;
    vectors_ = (by_out.width + kUnit - 1) / kUnit;
    row_ = (vectors_ + 2) * kUnit;
    in_plane_ = (rows + 2 * around) * row_;
    out_plane_ = rows * row_;
    const int64_t values = in.channels * in_plane_ + by_out.channels * out_plane_;
    if (static_cast<int64_t>(scratch.size()) < values / 2) scratch.resize(values / 2);
    uint16_t* const data = reinterpret_cast<uint16_t*>(scratch.data());
    in_ = data + kUnit + around * row_;
    by_out_ = data + in.channels * in_plane_ + kUnit;
    round_rows(in, y - around, y + rows + around, data + kUnit, in_plane_);
    round_rows(by_out, y, y + rows, data + in.channels * in_plane_ + kUnit, out_plane_);
  }

  int32_t vectors() const { return vectors_; }
  int64_t gradient_plane() const { return out_plane_ / 2; }
  const float* gradients(int32_t output, int32_t y) const {
    return reinterpret_cast<const float*>(by_out_ + output * out_plane_ + (y - first_) * row_);
  }
  NQ_TARGET const float* column(int32_t channel, int32_t number, int32_t y) const {
    const uint16_t* const row = in_ + (y - first_) * row_;
    if constexpr (kKernel == 3) {
      return reinterpret_cast<const float*>(row + channel * in_plane_ + (number / 3 - 1) * row_ + number % 3 - 1);
    }
    // Beyond the last channel any will do: nothing takes these sums.
    return reinterpret_cast<const float*>(row + (channel + number < inputs_ ? channel + number : channel) * in_plane_);
  }

 private:
  static constexpr int32_t kUnit = 2 * kLanes;

  // Rows from `first` to `end`, and 0 on both sides of each.
  NQ_TARGET void round_rows(const FloatMap& map, int32_t first, int32_t end, uint16_t* data, int64_t plane) const {
    for (int32_t c = 0; c < map.channels; ++c) {
      uint16_t* out = data + c * plane;
      for (int32_t y = first; y < end; ++y, out += row_) {
        const float* const row = map.at(c, y);
        std::memset(out - kUnit, 0, kUnit * sizeof *out);
        // What is behind a row of a map is 0, for at least a vector beyond its last one.
        for (int32_t x = 0; x < vectors_ * kUnit; x += kUnit) {
          _mm512_storeu_si512(out + x, rounded(load(row + x), load(row + x + kLanes)));
        }
        std::memset(out + vectors_ * kUnit, 0, kUnit * sizeof *out);
      }
    }
  }

  int32_t first_, inputs_, vectors_;
  int64_t row_, in_plane_, out_plane_;
  const uint16_t *in_, *by_out_;
};

constexpr ConvKernels kConvKernels = {convolve_from<PairRows>, weigh_from<ColumnStrip>, true};

}  // namespace
}  // namespace nq

const nq::ConvKernels& nq::bfloat16_conv_kernels() { return kConvKernels; }

#endif  // __x86_64__
