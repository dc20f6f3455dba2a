// Convolutions of float maps and their gradients. Included by one file for each instruction set, after it has defined
//   what common/float_functions.h asks for, kLanes being a divisor of kRowUnit
//   NQ_DOT(a, b, c)    c + a * b by lane, or c plus the sum of both products of a lane of two bfloat16
//   NQ_HOLD(v)         keeps a vector that was loaded in a register: read from memory by each instruction that needs
//                      it, one at odd boundaries costs twice as much
//   kVectors           vectors of a row that are computed at once
//   kGradientOutputs   outputs whose weights' gradients are computed at once
#include <cstdint>
#include <vector>

#include "common/float_functions.h"
#include "training/frame_maps.h"

namespace nq {
namespace {

// The rows of all channels that a convolution reads for one row of its output, one for each row of the kernel.
struct KernelRows {
  const float* rows[3];
  int64_t plane;  // from a channel to the next
  int32_t channels;
};

// The rows of a map as it is.
template <int kKernel>
class FloatRows {
 public:
  FloatRows(const FloatMap& map, std::vector<float>&) : map_(map) {}
  KernelRows around(int32_t y) {
    KernelRows found{{}, map_.plane, map_.channels};
    for (int32_t row = 0; row < kKernel; ++row) found.rows[row] = map_.at(0, y + row - kKernel / 2);
    return found;
  }

 private:
  const FloatMap& map_;
};

// What lies behind a row, up to the next vector, is 0 again.
NQ_TARGET inline void clear_end(float* row, int32_t width) {
  for (int32_t x = width; x % kRowUnit; ++x) row[x] = 0.0f;
}

// kCount vectors of kOutputs rows of a convolution, from column x on, which is where `out` points.
template <int kCount, int kKernel>
NQ_TARGET void convolve_part(const KernelRows& in, int32_t x, const float* weights, const float* bias,
                             float* const (&out)[kOutputs]) {
  Vec sums[kOutputs][kCount];
  for (int32_t o = 0; o < kOutputs; ++o) {
    for (int32_t v = 0; v < kCount; ++v) sums[o][v] = bias ? all(bias[o]) : load(out[o] + v * kLanes);
  }
  for (int32_t i = 0; i < in.channels; ++i) {
    for (int32_t dy = 0; dy < kKernel; ++dy) {
      const float* const row = in.rows[dy] + i * in.plane + x;
      for (int32_t dx = -(kKernel / 2); dx <= kKernel / 2; ++dx, weights += kOutputs) {
        const Vec w0 = all(weights[0]), w1 = all(weights[1]), w2 = all(weights[2]), w3 = all(weights[3]);
        for (int32_t v = 0; v < kCount; ++v) {
          const Vec value = load(row + dx + v * kLanes);
          sums[0][v] = NQ_DOT(w0, value, sums[0][v]);
          sums[1][v] = NQ_DOT(w1, value, sums[1][v]);
          sums[2][v] = NQ_DOT(w2, value, sums[2][v]);
          sums[3][v] = NQ_DOT(w3, value, sums[3][v]);
        }
      }
    }
  }
  for (int32_t o = 0; o < kOutputs; ++o) {
    for (int32_t v = 0; v < kCount; ++v) store(out[o] + v * kLanes, sums[o][v]);
  }
}

template <int kKernel>
NQ_TARGET void convolve_count(int32_t count, const KernelRows& in, int32_t x, const float* weights, const float* bias,
                              float* const (&out)[kOutputs]) {
  if constexpr (kVectors > 4) {
    if (count == 5) return convolve_part<5, kKernel>(in, x, weights, bias, out);
    if (count == 4) return convolve_part<4, kKernel>(in, x, weights, bias, out);
  }
  if (count == 3) return convolve_part<3, kKernel>(in, x, weights, bias, out);
  if (count == 2) return convolve_part<2, kKernel>(in, x, weights, bias, out);
  convolve_part<1, kKernel>(in, x, weights, bias, out);
}

template <int kKernel, typename Rows>
NQ_TARGET void convolve_rows(Rows in, const float* weights, const float* bias, const FloatMap& out) {
  const int32_t vectors = (out.width + kLanes - 1) / kLanes;
  alignas(64) float unused[kVectors * kLanes] = {};
  for (int32_t y = 0; y < out.height; ++y) {
    const KernelRows read = in.around(y);
    const int64_t block = int64_t{read.channels} * kKernel * kKernel * kOutputs;
    for (int32_t first = 0; first < vectors; first += kVectors) {
      const int32_t x = first * kLanes, count = vectors - first < kVectors ? vectors - first : kVectors;
      const float* w = weights;
      for (int32_t o = 0; o < out.channels; o += kOutputs, w += block) {
        float* rows[kOutputs];
        for (int32_t k = 0; k < kOutputs; ++k) rows[k] = o + k < out.channels ? out.at(o + k, y) + x : unused;
        convolve_count<kKernel>(count, read, x, w, bias ? bias + o : nullptr, rows);
      }
    }
    for (int32_t o = 0; o < out.channels; ++o) clear_end(out.at(o, y), out.width);
  }
}

// The gradients of weights are the product of the outputs' gradients and the matrix of im2col, of which so many columns
// are taken at once: all places of a 3x3 kernel in a channel, or some channels of a 1x1.
template <int kKernel>
constexpr int32_t kColumns = kKernel == 3 ? 9 : 6;

// A strip of rows of a convolution's input and of its outputs' gradients, both as they are.
template <int kKernel>
class FloatStrip {
 public:
  FloatStrip(const FloatMap& in, const FloatMap& by_out, int32_t, int32_t, std::vector<float>&)
      : in_(in), by_out_(by_out) {}

  static constexpr int64_t kBytes = sizeof(float);  // of a value
  int32_t vectors() const { return (by_out_.width + kLanes - 1) / kLanes; }
  int64_t gradient_plane() const { return by_out_.plane; }
  const float* gradients(int32_t output, int32_t y) const { return by_out_.at(output, y); }
  // Where a column begins for row y of the outputs; the columns are numbered from those of `channel` on.
  NQ_TARGET const float* column(int32_t channel, int32_t number, int32_t y) const {
    if constexpr (kKernel == 3) return in_.at(channel, y + number / 3 - 1) + number % 3 - 1;
    // Beyond the last channel any will do: nothing takes these sums.
    return in_.at(channel + number < in_.channels ? channel + number : channel, y);
  }

 private:
  const FloatMap &in_, &by_out_;
};

struct WeightGradients {
  float* data;  // [out, in, k, k]
  int32_t inputs, outputs;
};

// Adds to the gradients of the weights of kCount outputs from `output` on, for inputs from `channel` on, the products
// of `rows` rows of the map.
template <int kCount, int kKernel, typename Strip>
NQ_TARGET void add_products(const Strip& strip, int32_t output, int32_t channel, int32_t y, int32_t rows,
                            const WeightGradients& by_weight) {
  constexpr int32_t kAll = kColumns<kKernel>;
  const int32_t width = strip.vectors() * kLanes;
  const int64_t plane = strip.gradient_plane();
  Vec total[kCount][kAll] = {};
  for (int32_t r = y; r < y + rows; ++r) {
    const float* const gradients = strip.gradients(output, r);
    const float* columns[kAll];
    for (int32_t k = 0; k < kAll; ++k) columns[k] = strip.column(channel, k, r);
    for (int32_t x = 0; x < width; x += kLanes) {
      Vec gradient[kCount];
      for (int32_t o = 0; o < kCount; ++o) gradient[o] = load(gradients + o * plane + x);
      for (int32_t k = 0; k < kAll; ++k) {
        Vec value = load(columns[k] + x);
        NQ_HOLD(value);
        for (int32_t o = 0; o < kCount; ++o) total[o][k] = NQ_DOT(gradient[o], value, total[o][k]);
      }
    }
  }
  const int64_t fan_in = int64_t{by_weight.inputs} * kKernel * kKernel, first = channel * kKernel * kKernel;
  for (int32_t o = 0; o < kCount; ++o) {
    float* const out = by_weight.data + (output + o) * fan_in + first;
    for (int32_t k = 0; k < kAll && first + k < fan_in; ++k) out[k] += sum_lanes(total[o][k]);
  }
}

template <int kCount, int kKernel, typename Strip>
NQ_TARGET void weight_gradients_of(const Strip& strip, int32_t output, int32_t y, int32_t rows,
                                   const WeightGradients& by_weight) {
  for (; output + kCount <= by_weight.outputs; output += kCount) {
    for (int32_t i = 0; i < by_weight.inputs; i += kKernel == 3 ? 1 : kColumns<kKernel>) {
      add_products<kCount, kKernel>(strip, output, i, y, rows, by_weight);
    }
  }
  if constexpr (kCount > 1) weight_gradients_of<kCount - 1, kKernel>(strip, output, y, rows, by_weight);
}

// Bytes of the maps that a strip of rows reads again and again: a part of a core's cache.
constexpr int64_t kStripBytes = 384 << 10;

template <int kKernel, typename Strip>
NQ_TARGET void weight_gradients(const FloatMap& in, const FloatMap& by_out, float* by_weight, float* by_bias,
                                std::vector<float>& scratch) {
  const int64_t row_bytes = (in.channels * in.row + by_out.channels * by_out.row) * Strip::kBytes;
  const int32_t most = row_bytes < kStripBytes ? static_cast<int32_t>(kStripBytes / row_bytes) : 1;
  for (int32_t y = 0; y < by_out.height; y += most) {
    const int32_t rows = by_out.height - y < most ? by_out.height - y : most;
    const Strip strip(in, by_out, y, rows, scratch);
    weight_gradients_of<kGradientOutputs, kKernel>(strip, 0, y, rows, {by_weight, in.channels, by_out.channels});
    for (int32_t o = 0; o < by_out.channels; ++o) {
      Vec sum = {};
      for (int32_t r = 0; r < rows; ++r) {
        const float* const gradients = by_out.at(o, y + r);
        for (int32_t x = 0; x < by_out.width; x += kLanes) sum += load(gradients + x);
      }
      by_bias[o] += sum_lanes(sum);
    }
  }
}

template <template <int> typename Rows>
NQ_TARGET void convolve_from(const FloatMap& in, const float* weights, const float* bias, int32_t kernel,
                             const FloatMap& out, std::vector<float>& scratch) {
  if (kernel == 3) return convolve_rows<3>(Rows<3>(in, scratch), weights, bias, out);
  convolve_rows<1>(Rows<1>(in, scratch), weights, bias, out);
}

template <template <int> typename Strip>
NQ_TARGET void weigh_from(const FloatMap& in, const FloatMap& by_out, int32_t kernel, float* by_weight, float* by_bias,
                          std::vector<float>& scratch) {
  if (kernel == 3) return weight_gradients<3, Strip<3>>(in, by_out, by_weight, by_bias, scratch);
  weight_gradients<1, Strip<1>>(in, by_out, by_weight, by_bias, scratch);
}

}  // namespace
}  // namespace nq
