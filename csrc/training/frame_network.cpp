// The operations of a float network, one after the other, and their gradients in the opposite order.
#include "training/frame_network.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "common/float16.h"
#include "nq/synthesis.h"

namespace nq {

void FrameNetwork::run(const float* const* tensors, int32_t t, const void* samples, int32_t flags, float share,
                       float* errors, float* const* gradients) {
  const int32_t count = static_cast<int32_t>(ops_.size());
  rounds_vectors_ = flags & kNqRoundVectors;
  conv_ = (flags & kNqBfloat16) && bfloat16_ ? bfloat16_ : &kernels_.conv;
  for (int32_t index = 0; index < count - 1; ++index) forward(index, tensors, t);
  measure(samples, (flags & kNqRoundSamples) != 0, errors);
  if (!gradients) return;
  for (int32_t index = count - 1; index >= 0; --index) {
    start_gradients(index);
    if (ops_[index].code == kNqPlanes) {
      differentiate(samples, share, errors);
    } else if (gradients_[index].data) {
      backward(index, tensors, t, gradients);
    }
  }
}

namespace {

// What is around the channels of a map in memory that held another one.
void clear_around(const FloatMap& map) {
  for (int32_t c = 0; c < map.channels; ++c) {
    std::fill_n(map.at(c, -1) - kRowUnit, map.row + kRowUnit, 0.0f);
    for (int32_t y = 0; y < map.height; ++y) std::fill_n(map.at(c, y) + map.width, map.row - map.width, 0.0f);
    std::fill_n(map.at(c, map.height), map.row, 0.0f);
  }
  std::fill_n(map.at(map.channels, -1), kRowUnit, 0.0f);
}

}  // namespace

bool FrameNetwork::is_first(int32_t index, int32_t read) const {
  const std::vector<int32_t>& first = first_needed_[index];
  return std::find(first.begin(), first.end(), read) != first.end();
}

// Gradients that an operation is the first to add to are 0, unless it overwrites them.
void FrameNetwork::start_gradients(int32_t index) {
  const bool overwrites = ops_[index].code == kNqConv || ops_[index].code == kNqAdd || ops_[index].code == kNqPlanes;
  for (const int32_t read : first_needed_[index]) {
    const FloatMap& map = gradients_[read];
    clear_around(map);
    for (int32_t c = 0; c < map.channels && !overwrites; ++c) {
      std::fill_n(map.at(c, 0), map.height * map.row, 0.0f);
    }
  }
}

void FrameNetwork::forward(int32_t index, const float* const* tensors, int32_t t) {
  const FrameOp& op = ops_[index];
  const FloatMap& out = maps_[index];
  switch (op.code) {
    case kNqGrid: return read_grid(index, tensors[2 * index], t);
    case kNqConv: return convolve(index, tensors[2 * index], tensors[2 * index + 1]);
    case kNqUpsample: return kernels_.enlarge(input(op), out, line_.data());
    case kNqAdd: return kernels_.sum(input(op, 0), input(op, 1), out);
    case kNqWindow: return kernels_.window(input(op), corner(op, t), op.ratio, out, line_.data());
    case kNqWarp: return warp(index);
    case kNqConcat: {
      int32_t first = 0;
      for (int32_t number = 0; number < op.input_count; first += input(op, number++).channels) {
        const FloatMap& in = input(op, number);
        const int64_t values = in.channels * in.plane;
        // Rows and channels of both lie alike.
        std::copy_n(in.at(0, -1), values, out.at(first, -1));
      }
      return;
    }
    default: return;
  }
}

void FrameNetwork::backward(int32_t index, const float* const* tensors, int32_t t, float* const* gradients) {
  const FrameOp& op = ops_[index];
  const FloatMap& by_out = gradients_[index];
  switch (op.code) {
    case kNqGrid: return grid_gradients(index, t, gradients[2 * index]);
    case kNqConv: return conv_gradients(index, tensors[2 * index], gradients[2 * index], gradients[2 * index + 1]);
    case kNqUpsample: return kernels_.enlarge_gradients(by_out, input_gradient(op), line_.data());
    case kNqWindow: return kernels_.window_gradients(by_out, corner(op, t), op.ratio, input_gradient(op), line_.data());
    case kNqWarp: return warp_gradients(index);
    case kNqAdd: return sum_gradients(index);
    case kNqConcat: {
      int32_t first = 0;
      for (int32_t number = 0; number < op.input_count; ++number) {
        const FloatMap& by_in = input_gradient(op, number);
        kernels_.add(by_out, first, by_in.channels, by_in, 0);
        first += by_in.channels;
      }
      return;
    }
    default: return;
  }
}

// Linear in time (formats/nq.md, 6.2).
void FrameNetwork::read_grid(int32_t index, const float* latent, int32_t t) {
  const FrameOp& op = ops_[index];
  const FloatMap& out = maps_[index];
  const int64_t map = int64_t{op.channels} * op.height * op.width;
  const float* const before = latent + op.places[t] * map;
  const float* const after = latent + std::min(op.places[t] + 1, op.times - 1) * map;
  const float part = op.parts[t];
  for (int32_t c = 0; c < op.channels; ++c) {
    for (int32_t y = 0; y < op.height; ++y) {
      const int64_t first = (int64_t{c} * op.height + y) * op.width;
      float* const row = out.at(c, y);
      if (part == 0.0f) {
        std::copy_n(before + first, op.width, row);
      } else {
        for (int32_t x = 0; x < op.width; ++x) {
          row[x] = before[first + x] + part * (after[first + x] - before[first + x]);
        }
      }
    }
  }
}

void FrameNetwork::grid_gradients(int32_t index, int32_t t, float* by_latent) {
  const FrameOp& op = ops_[index];
  const int64_t map = int64_t{op.channels} * op.height * op.width;
  float* const before = by_latent + op.places[t] * map;
  float* const after = by_latent + std::min(op.places[t] + 1, op.times - 1) * map;
  const float part = op.parts[t];
  for (int32_t c = 0; c < op.channels; ++c) {
    for (int32_t y = 0; y < op.height; ++y) {
      const float* const row = gradients_[index].at(c, y);
      const int64_t first = (int64_t{c} * op.height + y) * op.width;
      for (int32_t x = 0; x < op.width; ++x) before[first + x] += (1 - part) * row[x];
      if (part == 0.0f) continue;
      for (int32_t x = 0; x < op.width; ++x) after[first + x] += part * row[x];
    }
  }
}

namespace {

float pair(float first, float second) {
  return float_of(uint32_t{to_bfloat16(second).bits} << 16 | to_bfloat16(first).bits);
}

}  // namespace

// Weights as `ConvKernels::convolve` takes them; `weight` gives that of an output, an input and a place of the kernel.
template <typename Weight>
void FrameNetwork::pack_weights(int32_t outputs, int32_t inputs, int32_t kernel, const Weight& weight) {
  float* packed = weights_.data();
  const auto at = [&](int32_t o, int32_t i, int32_t place) {
    return o < outputs && i < inputs ? weight(o, i, place) : 0.0f;
  };
  for (int32_t first = 0; first < outputs; first += kOutputs) {
    for (int32_t i = 0; i < inputs; i += conv_->is_bfloat16 ? 2 : 1) {
      for (int32_t place = 0; place < kernel * kernel; ++place) {
        for (int32_t o = first; o < first + kOutputs; ++o) {
          *packed++ = conv_->is_bfloat16 ? pair(at(o, i, place), at(o, i + 1, place)) : at(o, i, place);
        }
      }
    }
  }
}

void FrameNetwork::convolve(int32_t index, const float* weight, const float* bias) {
  const FrameOp& op = ops_[index];
  const int32_t inputs = input(op).channels, square = op.kernel * op.kernel;
  const auto of = [&](int32_t o, int32_t i, int32_t place) { return weight[(o * inputs + i) * square + place]; };
  pack_weights(op.channels, inputs, op.kernel, of);
  std::copy_n(bias, op.channels, bias_.begin());
  std::fill_n(bias_.begin() + op.channels, kOutputs, 0.0f);
  conv_->convolve(input(op), weights_.data(), bias_.data(), op.kernel, maps_[index], conv_scratch_);
  if (op.activation != kNqNone) kernels_.activate(op.activation, maps_[index], slopes_[index]);
}

void FrameNetwork::conv_gradients(int32_t index, const float* weight, float* by_weight, float* by_bias) {
  const FrameOp& op = ops_[index];
  const FloatMap& by_out = gradients_[index];
  if (op.activation != kNqNone) kernels_.multiply(slopes_[index], by_out);
  conv_->weight_gradients(input(op), by_out, op.kernel, by_weight, by_bias, conv_scratch_);
  // The adjoint has outputs and inputs exchanged, and its kernel turned around.
  const int32_t inputs = input(op).channels, square = op.kernel * op.kernel;
  const auto of = [&](int32_t o, int32_t i, int32_t place) {
    return weight[(i * inputs + o) * square + square - 1 - place];
  };
  pack_weights(inputs, op.channels, op.kernel, of);
  if (is_first(index, op.read[0])) std::fill_n(bias_.begin(), inputs + kOutputs, 0.0f);
  const float* const start = is_first(index, op.read[0]) ? bias_.data() : nullptr;
  conv_->convolve(by_out, weights_.data(), start, op.kernel, input_gradient(op), conv_scratch_);
}

void FrameNetwork::sum_gradients(int32_t index) {
  const FrameOp& op = ops_[index];
  const FloatMap& by_out = gradients_[index];
  for (int32_t number = 0; number < 2; ++number) {
    const FloatMap& by_in = input_gradient(op, number);
    if (by_in.data == by_out.data) continue;
    if (is_first(index, op.read[number]) && (number == 0 || op.read[1] != op.read[0])) {
      std::copy_n(by_out.at(0, 0), by_out.channels * by_out.plane - 2 * by_out.row, by_in.at(0, 0));
    } else {
      kernels_.add(by_out, 0, op.channels, by_in, 0);
    }
  }
}

Corner FrameNetwork::corner(const FrameOp& op, int32_t t) const {
  const int32_t row = op.places[2 * t], column = op.places[2 * t + 1], mask = (1 << op.bits) - 1;
  const float unit = 1.0f / (1 << op.bits);
  return {row >> op.bits, column >> op.bits, (row & mask) * unit, (column & mask) * unit};
}

// The warp of training/warp_rows.h reads maps whose channels are last.
void FrameNetwork::fill_cells(const FrameOp& op) {
  const FloatMap& in = input(op);
  for (int32_t c = 0; c < op.channels; ++c) {
    for (int32_t y = 0; y < op.height; ++y) {
      const float* const row = in.at(c, y);
      float* const cells = &cells_[int64_t{y} * op.width * op.channels + c];
      for (int32_t x = 0; x < op.width; ++x) cells[x * op.channels] = row[x];
    }
  }
}

void FrameNetwork::find_vectors(const FrameOp& op, int32_t y) {
  for (int32_t axis = 0; axis < 2; ++axis) {
    const float* const row = input(op, 1).at(axis, y);
    float* const out = &vectors_[axis * op.width];
    if (rounds_vectors_) {
      for (int32_t x = 0; x < op.width; ++x) out[x] = std::floor(row[x] / op.precision + 0.5f) * op.precision;
    } else {
      std::copy_n(row, op.width, out);
    }
  }
}

FloatWarpRow FrameNetwork::warp_row(const FrameOp& op, int32_t y) {
  find_vectors(op, y);
  return {cells_.data(), vectors_.data(), op.width, 1, y, op.height, op.width, op.channels, op.unit};
}

void FrameNetwork::warp(int32_t index) {
  const FrameOp& op = ops_[index];
  fill_cells(op);
  for (int32_t y = 0; y < op.height; ++y) {
    warp_.values(warp_row(op, y), values_.data());
    for (int32_t c = 0; c < op.channels; ++c) {
      float* const row = maps_[index].at(c, y);
      for (int32_t x = 0; x < op.width; ++x) row[x] = values_[x * op.channels + c];
    }
  }
}

void FrameNetwork::warp_gradients(int32_t index) {
  const FrameOp& op = ops_[index];
  const FloatMap &by_map = input_gradient(op, 0), &by_vector = input_gradient(op, 1);
  fill_cells(op);
  std::fill_n(by_cells_.begin(), int64_t{op.channels} * op.height * op.width, 0.0f);
  for (int32_t y = 0; y < op.height; ++y) {
    for (int32_t c = 0; c < op.channels; ++c) {
      const float* const row = gradients_[index].at(c, y);
      for (int32_t x = 0; x < op.width; ++x) values_[x * op.channels + c] = row[x];
    }
    warp_.gradients(warp_row(op, y), values_.data(), by_cells_.data(), by_vectors_.data());
    for (int32_t axis = 0; axis < 2; ++axis) {
      float* const row = by_vector.at(axis, y);
      for (int32_t x = 0; x < op.width; ++x) row[x] += by_vectors_[axis * op.width + x];
    }
  }
  for (int32_t c = 0; c < op.channels; ++c) {
    for (int32_t y = 0; y < op.height; ++y) {
      float* const row = by_map.at(c, y);
      const float* const cells = &by_cells_[int64_t{y} * op.width * op.channels + c];
      for (int32_t x = 0; x < op.width; ++x) row[x] += cells[x * op.channels];
    }
  }
}

}  // namespace nq
