// Kernels with one fault each: the emulation must find every one of them (test_cuda_emulated.py).
#include "cuda/device_memory.h"
#include "cuda/mma.h"

namespace {

constexpr int32_t kThreads = 64;
constexpr nq::LaunchShape kShape = {dim3(1), dim3(kThreads), kThreads * sizeof(int32_t)};

__global__ void reads_past_shared(int32_t* out) {
  int32_t* const shared = nq::nq_shared_memory<int32_t>();
  shared[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = shared[threadIdx.x + 1];
}

__global__ void reads_past_device(int32_t* out) { out[threadIdx.x] = out[threadIdx.x + 1]; }

__global__ void forgets_barrier(int32_t* out) {
  int32_t* const shared = nq::nq_shared_memory<int32_t>();
  shared[threadIdx.x] = 1;
  out[threadIdx.x] = shared[kThreads - 1 - threadIdx.x];
}

__global__ void splits_warp(int32_t* out) {
  int32_t sums[4] = {};
  if (threadIdx.x % 2) nq::nq_mma_s8(sums, make_uint4(1, 1, 1, 1), 1, 1);
  nq::nq_mma_finish();
  out[threadIdx.x] = sums[0];
}

__global__ void looks_too_early(int32_t* out) {
  int32_t sums[4] = {};
  nq::nq_mma_s8(sums, make_uint4(~0u, ~0u, ~0u, ~0u), 0x01010101u, 0x01010101u);
  out[threadIdx.x] = sums[0];
  nq::nq_mma_finish();
}

}  // namespace

// Runs a kernel on 64 threads and fetches their results; without `waits` the copy is not awaited.
NQ_API void nq_fault(int32_t which, int32_t waits, int32_t* results) {
  void (*const kernels[])(int32_t*) = {reads_past_shared, reads_past_device, forgets_barrier, splits_warp,
                                       looks_too_early};
  const nq::Stream stream;
  const nq::DeviceArray<int32_t> out(kThreads);
  const nq::PinnedArray<int32_t> fetched(kThreads);
  nq::launch(kernels[which], kShape, stream, out.data());
  nq::check(cudaMemcpyAsync(fetched.data(), out.data(), out.bytes(), cudaMemcpyDeviceToHost, stream));
  if (waits) stream.wait();
  std::copy_n(fetched.data(), kThreads, results);
}
