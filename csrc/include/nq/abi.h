// What every exported function of libnq and libnq_cuda shares: visibility, results, the version of the C interface.
#pragma once

#include <cstdint>

#define NQ_API extern "C" __attribute__((visibility("default")))

// Raised with every change of an exported signature or structure, or of the operations that programs may have;
// nqcodec/native/loading.py holds the same number.
constexpr int kNqAbiVersion = 12;

// What functions return; nqcodec/native/status.py has the same.
enum NqStatus : int32_t {
  kNqOk = 0,
  kNqBadProgram = 1,   // a descriptor that breaks formats/nq.md 5 or 6, or a frame outside the segment
  kNqNoResources = 2,  // memory or threads refused by the system
  kNqBadLevel = 3,     // an instruction set that this CPU does not have
  kNqDeviceError = 4,  // CUDA only; nq_cuda_error() has the text
  kNqBadArgument = 5,  // an argument that breaks the rules of its header, a batch too many or none to finish
  // The entropy coder's own.
  kNqNoRoom = 6,       // the output buffer is too small
  kNqBadEvent = 7,     // an interval that is empty or leaves [0, 2^16]
  kNqBadValue = 8,     // a value that the model cannot code
  kNqBadLength = 9,    // a piece of more or fewer bytes than its symbols take
  kNqBadEscape = 10,   // an escape of more than 20 bits
  kNqOutOfRange = 11,  // a value in context that is outside its bits
};

// Instruction sets of CPUs with kernels of their own, each of which has all of the ones before it.
enum NqCpuLevel : int32_t {
  kNqScalar = 0,
  kNqAvx2 = 1,
  kNqAvx512 = 2,      // F and BW
  kNqAvx512Vnni = 3,  // synthesis alone has kernels for it
};

// The best of this CPU, at most kNqAvx512.
NQ_API int32_t nq_cpu_level();

// The same for synthesis, at most kNqAvx512Vnni.
NQ_API int32_t nq_synth_level();
