// Convolutions without matrix instructions (formats/nq.md 6.3): depthwise ones, which memory bounds, and those whose
// kernels or weights are too large for conv_tensor.cu. One output a thread.
#include "cuda/device.h"
#include "cuda/device_conv.h"

namespace nq {
namespace {

// Taps of one input channel; kKernel is the kernel, or 0 for any.
template <int kKernel>
__device__ __forceinline__ int32_t taps_sum(const PlainConv& c, const int16_t* in, const int16_t* weights, int32_t y,
                                            int32_t x, int32_t acc) {
  const int32_t kernel = kKernel > 0 ? kKernel : c.kernel, pad = (kernel - 1) / 2;
#pragma unroll
  for (int32_t a = 0; a < kernel; ++a) {
    const int32_t row = y + a - pad;
    if (row < 0 || row >= c.height) continue;
#pragma unroll
    for (int32_t b = 0; b < kernel; ++b) {
      const int32_t column = x + b - pad;
      if (column < 0 || column >= c.width) continue;
      acc += int32_t{__ldg(weights + a * kernel + b)} * __ldg(in + int64_t{row} * c.width + column);
    }
  }
  return acc;
}

template <int kKernel>
__global__ void conv_plain_kernel(const __grid_constant__ PlainConv c) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.z;
  const int64_t area = int64_t{c.height} * c.width;
  NQ_FOR_EACH_LINE(line, c.channels * c.height) {
    if (x >= c.width) continue;
    const int32_t o = line / c.height, y = line % c.height;
    const int16_t* in = c.in.data + frame * c.in.stride + (c.depthwise ? o * area : 0);
    const int16_t* weights = c.weights + int64_t{o} * c.in_channels * c.kernel * c.kernel;
    int32_t acc = 0;
    for (int32_t i = 0; i < c.in_channels; ++i, in += area, weights += c.kernel * c.kernel) {
      acc = taps_sum<kKernel>(c, in, weights, y, x, acc);
    }
    const ChannelPlace place = channel_place(c.store, o);
    const int64_t at = place.first + y * place.down + int64_t{x} * place.right;
    const int32_t v = paired_value(c.store, frame, at, conv_value(c.store, o, acc));
    c.store.out.data[frame * c.store.out.stride + at] = static_cast<int16_t>(v);
  }
}

}  // namespace

void run_plain_conv(const PlainConv& conv, int32_t frames, cudaStream_t stream) {
  const LaunchShape shape = line_shape(int64_t{conv.channels} * conv.height, conv.width, frames);
  switch (conv.kernel) {
    case 3: return launch(conv_plain_kernel<3>, shape, stream, conv);
    case 5: return launch(conv_plain_kernel<5>, shape, stream, conv);
    case 7: return launch(conv_plain_kernel<7>, shape, stream, conv);
    default: return launch(conv_plain_kernel<0>, shape, stream, conv);
  }
}

}  // namespace nq
