// Float map kernels for AVX-512 (F), called only where the CPU has it.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx512f")))
#define NQ_FMA(a, b, c) ((Vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define NQ_DOT NQ_FMA
#define NQ_HOLD(v) __asm__("" : "+v"(v))

namespace nq {
namespace {

constexpr int32_t kLanes = 16, kVectors = 5, kGradientOutputs = 3;

}  // namespace
}  // namespace nq

#include "training/frame_kernels.h"

const nq::FrameKernels& nq::avx512_frame_kernels() { return kFrameKernels; }

#endif  // __x86_64__
