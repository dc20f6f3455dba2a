// Maps of a float network, and the kernels that compute them, which are compiled once for each instruction set
// (frame_{scalar,avx2,avx512}.cpp).
#ifndef NQ_TRAINING_FRAME_MAPS_H
#define NQ_TRAINING_FRAME_MAPS_H

#include <cstdint>
#include <vector>

namespace nq {

constexpr int32_t kRowUnit = 16;  // rows take a multiple of it, and as much again for what is around them

// [C, H, W] by rows. What is around each channel, a row above and below and at least kRowUnit values between two rows,
// is 0 and stays 0: convolutions read it.
struct FloatMap {
  float* at(int32_t channel, int32_t y) const { return data + channel * plane + y * row; }

  static int64_t row_size(int32_t width) { return (width + kRowUnit - 1) / kRowUnit * kRowUnit + kRowUnit; }
  static int64_t size(int32_t channels, int32_t height, int32_t width) {
    return channels * (height + 2) * row_size(width) + 2 * kRowUnit;
  }
  // In `memory` of that size, which is 0.
  static FloatMap in(float* memory, int32_t channels, int32_t height, int32_t width) {
    const int64_t row = row_size(width);
    return {memory + kRowUnit + row, channels, height, width, row, (height + 2) * row};
  }

  float* data;  // of channel 0, row 0, column 0
  int32_t channels, height, width;
  int64_t row, plane;  // from one to the next, in values
};

constexpr int32_t kOutputs = 4;  // of a convolution that are computed at once

// Where a window's corner is: a row and a column, and how far beyond them.
struct Corner {
  int32_t row, column;
  float down, right;
};

// Convolutions of 1x1 or 3x3. What they keep in `scratch` is theirs, until the next call.
struct ConvKernels {
  // `weights` are [out / kOutputs, in, k, k, kOutputs], the missing ones 0, and so `bias`; without that, adds to what
  // `out` has. With bfloat16 `in` counts pairs of inputs, and a weight is two of them, the first in the lower half.
  void (*convolve)(const FloatMap& in, const float* weights, const float* bias, int32_t kernel, const FloatMap& out,
                   std::vector<float>& scratch);
  // Adds the gradients of the weights [out, in, k, k] and the bias [out].
  void (*weight_gradients)(const FloatMap& in, const FloatMap& by_out, int32_t kernel, float* by_weight, float* by_bias,
                           std::vector<float>& scratch);
  bool is_bfloat16;  // factors are rounded to it, sums are of float32
};

// The kernels of one instruction set. "Adds" means: to what the last argument's map has.
struct FrameKernels {
  ConvKernels conv;
  // ReLU or GELU in place, and their slopes.
  void (*activate)(int32_t activation, const FloatMap& values, const FloatMap& slopes);
  // Multiplies by another map.
  void (*multiply)(const FloatMap& by, const FloatMap& out);
  // Adds a map of one size, channel by channel, to the channels of another from `first` on.
  void (*add)(const FloatMap& in, int32_t in_first, int32_t channels, const FloatMap& out, int32_t first);
  // The sum of two maps.
  void (*sum)(const FloatMap& a, const FloatMap& b, const FloatMap& out);
  // Enlarges by 2, bilinearly, and the adjoint, which adds. `line` has room for a row of each.
  void (*enlarge)(const FloatMap& in, const FloatMap& out, float* line);
  void (*enlarge_gradients)(const FloatMap& by_out, const FloatMap& by_in, float* line);
  // The window at a corner as cells of ratio x ratio, and the adjoint, which adds.
  void (*window)(const FloatMap& in, const Corner& corner, int32_t ratio, const FloatMap& out, float* line);
  void (*window_gradients)(const FloatMap& by_out, const Corner& corner, int32_t ratio, const FloatMap& by_in,
                           float* line);
};

const FrameKernels& scalar_frame_kernels();
#if defined(__x86_64__)
const FrameKernels& avx2_frame_kernels();
const FrameKernels& avx512_frame_kernels();
const ConvKernels& bfloat16_conv_kernels();  // of AVX-512 BF16
#endif

}  // namespace nq

#endif  // NQ_TRAINING_FRAME_MAPS_H
