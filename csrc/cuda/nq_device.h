// Errors of CUDA calls as the results of exported functions; shared by the .cu files.
#ifndef NQ_DEVICE_H
#define NQ_DEVICE_H

#include <cuda_runtime.h>

#include <cstdint>
#include <new>
#include <string>

#include "../nq_abi.h"

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

}  // namespace nq

#endif  // NQ_DEVICE_H
