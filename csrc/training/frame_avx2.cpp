// Float map kernels for AVX2 and FMA, called only where the CPU has them.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx2,fma")))
#define NQ_FMA(a, b, c) ((Vec)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define NQ_DOT NQ_FMA
#define NQ_HOLD(v) __asm__("" : "+x"(v))

namespace nq {
namespace {

constexpr int32_t kLanes = 8, kVectors = 3, kGradientOutputs = 1;

}  // namespace
}  // namespace nq

#include "training/frame_kernels.h"

const nq::FrameKernels& nq::avx2_frame_kernels() { return kFrameKernels; }

#endif  // __x86_64__
