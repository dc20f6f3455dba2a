// Context rate kernels for AVX2, called only where the CPU has it.
#if defined(__x86_64__)

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx2")))

namespace nq {
namespace {

constexpr int64_t kLanes = 8;

}  // namespace
}  // namespace nq

#include "rate/context_rate_kernels.h"

const nq::ContextRateKernels& nq::avx2_context_rate() { return kContextRateKernels; }

#endif  // __x86_64__
