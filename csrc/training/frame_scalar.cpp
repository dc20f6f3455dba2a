// Float map kernels for what every machine has: vectors of 128 bits, or the compiler's own way of doing without.
#include <cstdint>

#define NQ_TARGET
#define NQ_FMA(a, b, c) ((a) * (b) + (c))
#define NQ_DOT NQ_FMA
#define NQ_HOLD(v) static_cast<void>(v)

namespace nq {
namespace {

constexpr int32_t kLanes = 4, kVectors = 3, kGradientOutputs = 1;

}  // namespace
}  // namespace nq

#include "training/frame_kernels.h"

const nq::FrameKernels& nq::scalar_frame_kernels() { return kFrameKernels; }
