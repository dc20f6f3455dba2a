// What every exported function of libnq and libnq_cuda shares: visibility, results, the version of the C interface.
#pragma once

#include <cstdint>

#define NQ_API extern "C" __attribute__((visibility("default")))

// Raised with every change of an exported signature or structure, or of the operations that programs may have;
// nqcodec/native/loading.py holds the same number.
constexpr int kNqAbiVersion = 7;

// What synthesis and transforms return; the coder has results of its own (nq/coder.h).
enum NqStatus : int32_t {
  kNqOk = 0,
  kNqBadProgram = 1,   // a descriptor that breaks formats/nq.md 5 or 6, or a frame outside the segment
  kNqNoResources = 2,  // memory or threads refused by the system
  kNqBadLevel = 3,     // an instruction set that this CPU does not have
  kNqDeviceError = 4,  // CUDA only; nq_cuda_error() has the text
  kNqBadArgument = 5,  // a transform that breaks the rules of nq/hadamard.h, a batch too many or none to finish
};
