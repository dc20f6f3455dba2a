// What the .cu files share: loops over a launch, and errors of CUDA calls as the results of exported functions.
#ifndef NQ_DEVICE_H
#define NQ_DEVICE_H

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <string>

#include "../nq_abi.h"

namespace nq {

// Each kernel computes outputs 0..count-1, one a thread, in a loop over the whole launch.
#define NQ_FOR_EACH(index, count)                                                                 \
  for (int64_t index = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; index < (count); \
       index += int64_t{gridDim.x} * blockDim.x)

constexpr int32_t kLoopThreads = 256;

inline int32_t blocks_for(int64_t count) {
  return static_cast<int32_t>(std::min<int64_t>((count + kLoopThreads - 1) / kLoopThreads, 1 << 20));
}

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

}  // namespace nq

#endif  // NQ_DEVICE_H
