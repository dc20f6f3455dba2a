// CUDA for tests on a machine without a GPU: g++ compiles csrc/cuda/*.cu with this header in the place of CUDA's.
//
// Kernels run thread by thread on the CPU; a thread that meets a barrier or an exchange of its warp waits there until
// all have come. Work on a stream is done as late as CUDA allows, so that what is not waited for shows as a wrong
// result: see emulation.cpp. Only what the kernels use is here.
#ifndef NQ_EMULATED_CUDA_RUNTIME_H
#define NQ_EMULATED_CUDA_RUNTIME_H

#include <cstddef>
#include <cstdint>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)

struct dim3 {
  uint32_t x, y, z;
  constexpr dim3(uint32_t x = 1, uint32_t y = 1, uint32_t z = 1) : x(x), y(y), z(z) {}
};

struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(4) short2 {
  int16_t x, y;
};
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }
inline short2 make_short2(int16_t x, int16_t y) { return {x, y}; }

namespace emulation {

void meet_block();
uint32_t exchange_xor(uint32_t value, int32_t lane_mask);

// Puts work on a stream, to be done when its results are waited for.
void put(struct Stream* stream, std::function<void()> work);
void run_kernel(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread);
bool is_launchable(dim3 grid, dim3 block, size_t shared_bytes);

}  // namespace emulation

// Of the thread that runs.
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

inline void __syncthreads() { emulation::meet_block(); }

template <typename T>
T __ldg(const T* pointer) {
  return *pointer;
}

template <typename T>
T __shfl_xor_sync(unsigned, T value, int lane_mask) {
  static_assert(sizeof(T) == 4, "registers have 32 bits");
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  bits = emulation::exchange_xor(bits, lane_mask);
  __builtin_memcpy(&value, &bits, 4);
  return value;
}

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorNotReady = 600,
  cudaErrorStreamCaptureUnsupported = 900,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16 };
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDefault = 0, cudaEventDisableTiming = 2;

using cudaStream_t = emulation::Stream*;
using cudaEvent_t = struct emulatedEvent*;
using cudaGraph_t = struct emulatedGraph*;
using cudaGraphExec_t = struct emulatedGraph*;

const char* cudaGetErrorString(cudaError_t code);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);

cudaError_t cudaMalloc(void** pointer, size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocHost(void** pointer, size_t bytes);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const dim3 grid = config->gridDim, block = config->blockDim;
  const size_t shared = config->dynamicSmemBytes;
  if (!emulation::is_launchable(grid, block, shared)) return cudaErrorInvalidConfiguration;
  // The arguments are copied now, as a launch does.
  emulation::put(config->stream, [=] { emulation::run_kernel(grid, block, shared, [=] { kernel(arguments...); }); });
  return cudaSuccess;
}

#endif  // NQ_EMULATED_CUDA_RUNTIME_H
