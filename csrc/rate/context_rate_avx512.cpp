// Context rate kernels for AVX-512 (F), called only where the CPU has it.
#if defined(__x86_64__)

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx512f")))

namespace nq {
namespace {

constexpr int64_t kLanes = 16;

}  // namespace
}  // namespace nq

#include "rate/context_rate_kernels.h"

const nq::ContextRateKernels& nq::avx512_context_rate() { return kContextRateKernels; }

#endif  // __x86_64__
