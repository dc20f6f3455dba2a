// Context rate kernels for what every machine has: vectors of 128 bits, or the compiler's own way of doing without.
#include <cstdint>

#define NQ_TARGET

namespace nq {
namespace {

constexpr int64_t kLanes = 4;

}  // namespace
}  // namespace nq

#include "rate/context_rate_kernels.h"

const nq::ContextRateKernels& nq::scalar_context_rate() { return kContextRateKernels; }
