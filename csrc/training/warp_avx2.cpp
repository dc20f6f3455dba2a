// Float warp kernels for AVX2, called only where the CPU has it.
#if defined(__x86_64__)

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx2")))

namespace nq {
namespace {

constexpr int32_t kLanes = 8;

}  // namespace
}  // namespace nq

#include "training/warp_kernels.h"

const nq::FloatWarpKernels& nq::avx2_float_warp() { return kFloatWarpKernels; }

#endif  // __x86_64__
