// Fast Walsh-Hadamard transforms on a CUDA device (nq/hadamard.h). Compiled wherever nvcc is, not yet run on a device:
// tests marked `gpu` compare it with the CPU library.
//
// One warp, or a part of it for small n, holds a block in registers: there is neither shared memory nor a barrier.
// The bits of a value's index within its block are, from the lowest: its place in a vector of 16 bytes, its lane, its
// chunk. So loads coalesce, and the stages 1, 2, 4 .. run in the order of the CPU library and round alike.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>

#include "cuda/device.h"
#include "nq/hadamard.h"

namespace nq {
namespace {

constexpr int32_t kWarp = 32, kThreads = 128;
constexpr unsigned kAllLanes = 0xffffffffu;

__device__ float to_work(float x) { return x; }
__device__ float to_work(__half x) { return __half2float(x); }
__device__ float to_work(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ int32_t to_work(int32_t x) { return x; }

__device__ void from_work(float x, float* out) { *out = x; }
__device__ void from_work(float x, __half* out) { *out = __float2half_rn(x); }
__device__ void from_work(float x, __nv_bfloat16* out) { *out = __float2bfloat16_rn(x); }
__device__ void from_work(int32_t x, int32_t* out) { *out = x; }

__device__ float add(float a, float b) { return __fadd_rn(a, b); }
__device__ float subtract(float a, float b) { return __fsub_rn(a, b); }
__device__ int32_t add(int32_t a, int32_t b) { return static_cast<int32_t>(unsigned(a) + unsigned(b)); }
__device__ int32_t subtract(int32_t a, int32_t b) { return static_cast<int32_t>(unsigned(a) - unsigned(b)); }
__device__ float scaled(float x, float scale) { return __fmul_rn(x, scale); }
__device__ int32_t scaled(int32_t x, float) { return x; }

// kCount values that a thread reads or writes at once.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};

struct Rows {
  int64_t rows, stride;  // blocks, and values from one to the next
  float scale;
};

// Stages between values of one thread, `kFrom` to `kEnd` places apart.
template <int kFrom, int kEnd, int kCount, typename Work>
__device__ void register_stages(Work (&v)[kCount]) {
#pragma unroll
  for (int distance = kFrom; distance < kEnd; distance *= 2) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (i & distance) continue;
      const Work a = v[i], b = v[i + distance];
      v[i] = add(a, b);
      v[i + distance] = subtract(a, b);
    }
  }
}

// Blocks of n = kPack * kLanes * kChunks values, one to kLanes lanes. Lanes without a block go through the exchanges
// with zeros.
template <typename T, typename Work, int kPack, int kLanes, int kChunks>
__global__ void __launch_bounds__(kThreads) hadamard_kernel(const T* in, Rows shape, T* out) {
  using Vector = Pack<T, kPack>;
  const int lane = threadIdx.x % kLanes;
  const int64_t row = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kLanes;
  const bool present = row < shape.rows;
  const int64_t first = row * shape.stride + lane * kPack;
  Work v[kPack * kChunks];
#pragma unroll
  for (int c = 0; c < kChunks; ++c) {
    Vector loaded = {};
    if (present) loaded = *reinterpret_cast<const Vector*>(in + first + c * kLanes * kPack);
#pragma unroll
    for (int i = 0; i < kPack; ++i) v[c * kPack + i] = to_work(loaded.values[i]);
  }
  register_stages<1, kPack>(v);
#pragma unroll
  for (int distance = 1; distance < kLanes; distance *= 2) {
#pragma unroll
    for (int i = 0; i < kPack * kChunks; ++i) {
      const Work other = __shfl_xor_sync(kAllLanes, v[i], distance);
      v[i] = lane & distance ? subtract(other, v[i]) : add(v[i], other);
    }
  }
  register_stages<kPack, kPack * kChunks>(v);
  if (!present) return;
#pragma unroll
  for (int c = 0; c < kChunks; ++c) {
    Vector stored;
#pragma unroll
    for (int i = 0; i < kPack; ++i) from_work(scaled(v[c * kPack + i], shape.scale), &stored.values[i]);
    *reinterpret_cast<Vector*>(out + first + c * kLanes * kPack) = stored;
  }
}

template <typename T, typename Work, int kPack, int kLanes, int kChunks>
void launch_rows(const T* in, const Rows& shape, T* out, cudaStream_t stream) {
  constexpr int32_t kBlocksEach = kThreads / kLanes;
  const int64_t groups = (shape.rows + kBlocksEach - 1) / kBlocksEach;
  if (groups > INT32_MAX) throw DeviceError{cudaErrorInvalidConfiguration};
  const LaunchShape launched = {dim3(static_cast<uint32_t>(groups)), dim3(kThreads)};
  launch(hadamard_kernel<T, Work, kPack, kLanes, kChunks>, launched, stream, in, shape, out);
}

// Picks the kernel for blocks of n values, kPack of them at once; n is at least kPack and at most 4096.
template <typename T, typename Work, int kPack, int kSize = kPack>
void launch_size(int32_t n, const T* in, const Rows& shape, T* out, cudaStream_t stream) {
  if (n == kSize) {
    constexpr int kLanes = kSize / kPack < kWarp ? kSize / kPack : kWarp;
    return launch_rows<T, Work, kPack, kLanes, kSize / kPack / kLanes>(in, shape, out, stream);
  }
  if constexpr (kSize < kMaxHadamard) launch_size<T, Work, kPack, 2 * kSize>(n, in, shape, out, stream);
}

// Blocks one after the other along the rows. Vectors are used where every block starts at a multiple of 16 bytes.
template <typename T, typename Work>
int32_t run(const NqHadamard& t, const void* from, void* to, cudaStream_t stream) {
  constexpr int32_t kPack = 16 / sizeof(T);
  const T* in = static_cast<const T*>(from);
  T* out = static_cast<T*>(to);
  for (int32_t b = 0; b < t.block_count; ++b) {
    const int32_t n = t.blocks[b];
    const Rows shape = {t.rows, t.length, t.scales ? t.scales[b] : 1.0f};
    const bool aligned = reinterpret_cast<uintptr_t>(in) % 16 == 0 && reinterpret_cast<uintptr_t>(out) % 16 == 0;
    if (n >= kPack && aligned && t.length % kPack == 0) {
      launch_size<T, Work, kPack>(n, in, shape, out, stream);
    } else {
      launch_size<T, Work, 1>(n, in, shape, out, stream);
    }
    in += n;
    out += n;
  }
  return kNqOk;
}

}  // namespace
}  // namespace nq

int32_t nq_cuda_hadamard(const NqHadamard* transform, const void* in, void* out, void* stream) {
  if (!nq::is_valid_hadamard(*transform)) return kNqBadArgument;
  if (transform->rows == 0) return kNqOk;
  const cudaStream_t on = static_cast<cudaStream_t>(stream);
  return nq::guarded([&] {
    switch (transform->type) {
      case kNqFloat16: return nq::run<__half, float>(*transform, in, out, on);
      case kNqBfloat16: return nq::run<__nv_bfloat16, float>(*transform, in, out, on);
      case kNqInt32: return nq::run<int32_t, int32_t>(*transform, in, out, on);
      default: return nq::run<float, float>(*transform, in, out, on);
    }
  });
}
