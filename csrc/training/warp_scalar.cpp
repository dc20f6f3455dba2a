// Float warp kernels for what every machine has: vectors of 128 bits, or the compiler's own way of doing without.
#include <cstdint>

#define NQ_TARGET

namespace nq {
namespace {

constexpr int32_t kLanes = 4;

}  // namespace
}  // namespace nq

#include "training/warp_kernels.h"

const nq::FloatWarpKernels& nq::scalar_float_warp() { return kFloatWarpKernels; }
