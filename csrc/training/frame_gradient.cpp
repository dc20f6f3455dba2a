// The errors of a float network's output and the interface of nq/frame_gradient.h.
#include "nq/frame_gradient.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <new>

#include "common/cpu_level.h"
#include "nq/synthesis.h"
#include "training/frame_network.h"

struct NqFrameNetwork {
  nq::FrameNetwork network;
};

namespace nq {
namespace {

constexpr int32_t kMostPlanes = 4;

const FrameKernels& frame_kernels(int32_t level) {
#if defined(__x86_64__)
  if (level == kNqAvx512) return avx512_frame_kernels();
  if (level == kNqAvx2 && has_fma()) return avx2_frame_kernels();
#endif
  return scalar_frame_kernels();
}

const ConvKernels* bfloat16_kernels(int32_t level) {
#if defined(__x86_64__)
  if (level == kNqAvx512 && has_bfloat16()) return &bfloat16_conv_kernels();
#endif
  return nullptr;
}

const FloatWarpKernels& warp_kernels(int32_t level) {
#if defined(__x86_64__)
  if (level == kNqAvx512) return avx512_float_warp();
  if (level == kNqAvx2) return avx2_float_warp();
#endif
  return scalar_float_warp();
}

bool is_valid_op(const NqFrameProgram& program, int32_t index) {
  const NqFrameOp& op = program.ops[index];
  const auto input = [&](int32_t number) -> const NqFrameOp& { return program.ops[op.inputs[number]]; };
  if (std::min({op.channels, op.height, op.width}) < 1) return false;
  for (int32_t number = 0; number < op.input_count; ++number) {
    if (op.inputs[number] < 0 || op.inputs[number] >= index) return false;
  }
  switch (op.code) {
    case kNqGrid: return op.input_count == 0 && op.times >= 1 && op.positions && op.fractions;
    case kNqConv:
      return op.input_count == 1 && (op.kernel == 1 || op.kernel == 3) && op.activation >= kNqNone &&
             op.activation <= kNqGelu;
    case kNqUpsample:
      return op.input_count == 1 && op.height <= 2 * input(0).height && op.width <= 2 * input(0).width &&
             op.height >= 2 * input(0).height - 1 && op.width >= 2 * input(0).width - 1;
    case kNqWindow: return op.input_count == 1 && op.ratio >= 1 && op.bits >= 0 && op.bits <= 8 && op.positions;
    case kNqWarp: return op.input_count == 2 && std::min(op.height, op.width) >= kTaps;
    case kNqAdd: return op.input_count == 2;
    case kNqConcat: return op.input_count >= 1;
    case kNqPlanes: return op.input_count == 1 && index == program.op_count - 1;
    default: return false;
  }
}

bool is_valid_program(const NqFrameProgram& program) {
  if (program.op_count < 2 || program.frames < 1 || program.ops[program.op_count - 1].code != kNqPlanes) return false;
  if (program.plane_count < 1 || program.plane_count > kMostPlanes) return false;
  if (program.sample_bytes != 1 && program.sample_bytes != 2) return false;
  for (int32_t index = 0; index < program.op_count; ++index) {
    if (!is_valid_op(program, index)) return false;
  }
  return true;
}

}  // namespace

// The targets of row y by channel, as packed values.
void FrameNetwork::read_samples(const void* samples, int32_t y) {
  const FrameOp& planes = ops_.back();
  const int64_t row = FloatMap::row_size(planes.width), first = int64_t{y} * planes.width * planes.channels;
  const float unit = std::ldexp(1.0f, -program_.depth);
  const auto fill = [&](const auto* in) {
    for (int32_t c = 0; c < planes.channels; ++c) {
      float* const out = &targets_[c * row];
      for (int32_t x = 0; x < planes.width; ++x) out[x] = in[x * planes.channels + c] * unit - 0.5f;
    }
  };
  if (program_.sample_bytes == 1) {
    fill(static_cast<const uint8_t*>(samples) + first);
  } else {
    fill(static_cast<const int16_t*>(samples) + first);
  }
}

const float* FrameNetwork::mask_row(int32_t channel, int32_t y) const {
  const FrameOp& planes = ops_.back();
  return mask_.empty() ? nullptr : &mask_[(int64_t{channel} * planes.height + y) * planes.width];
}

// The mean squared error of each plane (`plane_errors`).
void FrameNetwork::measure(const void* samples, bool rounds, float* errors) {
  const FrameOp& planes = ops_.back();
  const float scale = std::ldexp(1.0f, program_.depth), most = scale - 1;
  double sums[kMostPlanes] = {};
  for (int32_t y = 0; y < planes.height; ++y) {
    read_samples(samples, y);
    for (int32_t c = 0; c < planes.channels; ++c) {
      const float *const values = maps_.back().at(c, y), *const mask = mask_row(c, y);
      const float* const targets = &targets_[c * FloatMap::row_size(planes.width)];
      float sum = 0.0f;
      for (int32_t x = 0; x < planes.width; ++x) {
        float value = values[x];
        if (rounds) value = std::min(std::max(std::nearbyint((value + 0.5f) * scale), 0.0f), most) / scale - 0.5f;
        const float difference = (value - targets[x]) * (mask ? mask[x] : 1.0f);
        sum += difference * difference;
      }
      sums[plane_[c]] += sum * average_[c];
    }
  }
  for (int32_t plane = 0; plane < program_.plane_count; ++plane) errors[plane] = static_cast<float>(sums[plane]);
}

// The gradient of the distortion (`log_mse`, `mse`) with respect to the map that `planes` reads.
void FrameNetwork::differentiate(const void* samples, float share, const float* errors) {
  const FrameOp& planes = ops_.back();
  for (int32_t y = 0; y < planes.height; ++y) {
    read_samples(samples, y);
    for (int32_t c = 0; c < planes.channels; ++c) {
      const int32_t plane = plane_[c];
      const float slope = program_.is_logarithmic ? 1.0f / (errors[plane] + program_.floor) : 1.0f;
      const float factor = 2.0f * share * plane_weights_[plane] * slope * average_[c];
      const float *const values = maps_.back().at(c, y), *const mask = mask_row(c, y);
      const float* const targets = &targets_[c * FloatMap::row_size(planes.width)];
      float* const out = input_gradient(planes).at(c, y);
      for (int32_t x = 0; x < planes.width; ++x) {
        out[x] = factor * (values[x] - targets[x]) * (mask ? mask[x] : 1.0f);
      }
    }
  }
}

}  // namespace nq

int32_t nq_frame_open(const NqFrameProgram* program, int32_t level, NqFrameNetwork** network) {
  if (level < kNqScalar || level > nq_cpu_level()) return kNqBadLevel;
  if (!nq::is_valid_program(*program)) return kNqBadProgram;
  try {
    *network = new NqFrameNetwork{
        nq::FrameNetwork(*program, nq::frame_kernels(level), nq::bfloat16_kernels(level), nq::warp_kernels(level))};
  } catch (const std::bad_alloc&) {
    return kNqNoResources;
  }
  return kNqOk;
}

void nq_frame_close(NqFrameNetwork* network) { delete network; }

int32_t nq_frame_gradients(NqFrameNetwork* network, const float* const* tensors, int32_t t, const void* samples,
                           int32_t flags, float share, float* errors, float* const* gradients) {
  const bool rounds_samples = flags & kNqRoundSamples;
  if (t < 0 || t >= network->network.frames() || (rounds_samples && gradients)) return kNqBadArgument;
  network->network.run(tensors, t, samples, flags, share, errors, gradients);
  return kNqOk;
}
