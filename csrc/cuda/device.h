// What the .cu files share: launches, loops over them, and errors of CUDA calls as the results of exported functions.
//
// Nothing here or in the kernels is beyond C++: tests/support/cuda_emulation compiles the same files for the CPU.
#ifndef NQ_DEVICE_H
#define NQ_DEVICE_H

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <string>

#include "nq/abi.h"

namespace nq {

// Text of this thread's last kNqDeviceError, for nq_cuda_error().
inline std::string& last_error() {
  thread_local std::string text;
  return text;
}

struct DeviceError {
  cudaError_t code;
};

inline void check(cudaError_t code) {
  if (code != cudaSuccess) throw DeviceError{code};
}

// Runs `body` and turns what it throws into a status.
template <typename Body>
int32_t guarded(const Body& body) {
  try {
    return body();
  } catch (const DeviceError& error) {
    last_error() = cudaGetErrorString(error.code);
    static_cast<void>(cudaGetLastError());  // a refused launch or allocation must not fail the next call as well
    return error.code == cudaErrorMemoryAllocation ? kNqNoResources : kNqDeviceError;
  } catch (const std::bad_alloc&) {
    return kNqNoResources;
  }
}

struct LaunchShape {
  dim3 grid, block;
  size_t shared_bytes = 0;  // that nq_shared_memory() gives
};

template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), const LaunchShape& shape, cudaStream_t stream,
            const Arguments&... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

// A kernel over values: those of one frame along x, frames along y.
#define NQ_FOR_EACH(index, count)                                                       \
  for (int64_t index = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; index < (count); \
       index += int64_t{gridDim.x} * blockDim.x)

constexpr int32_t kLoopThreads = 256;

inline LaunchShape value_shape(int64_t count, int32_t frames, int32_t threads = kLoopThreads) {
  const int64_t blocks = std::min<int64_t>((count + threads - 1) / threads, 1 << 20);
  return {dim3(static_cast<uint32_t>(blocks), frames), dim3(threads)};
}

// A kernel over lines of values: values of a line along x, lines along y, frames along z. Each thread has one x.
#define NQ_FOR_EACH_LINE(line, count)                                        \
  for (int32_t line = blockIdx.y * blockDim.y + threadIdx.y; line < (count); \
       line += static_cast<int32_t>(gridDim.y * blockDim.y))

constexpr uint32_t kLineThreads = 32, kLinesEach = 8, kMostGridLines = 1 << 15;

inline LaunchShape line_shape(int64_t lines, int32_t width, int32_t frames) {
  const int64_t blocks = std::min<int64_t>((lines + kLinesEach - 1) / kLinesEach, kMostGridLines);
  return {dim3((width + kLineThreads - 1) / kLineThreads, static_cast<uint32_t>(blocks), frames),
          dim3(kLineThreads, kLinesEach)};
}

}  // namespace nq

#endif  // NQ_DEVICE_H
