// The steps of nq/tensor_steps.h: arguments and loops over tensors.
#include "rate/tensor_steps.h"

#include <algorithm>

#include "common/cpu_level.h"

namespace nq {
namespace {

const TensorKernels* kernels_of(int32_t level) {
  if (level < kNqScalar || level > nq_cpu_level()) return nullptr;
#if defined(__x86_64__)
  if (level == kNqAvx512) return &avx512_tensor_kernels();
  if (level == kNqAvx2 && has_fma()) return &avx2_tensor_kernels();
#endif
  return &scalar_tensor_kernels();
}

// Calls run(kernels, tensor) for each tensor, which has at least one value and a step size, if any, above 0.
template <typename Tensor, typename Run>
int32_t for_each(Tensor* tensors, int32_t count, int32_t level, const Run& run) {
  const TensorKernels* const kernels = kernels_of(level);
  if (!kernels) return kNqBadLevel;
  if (count < 0 || std::any_of(tensors, tensors + count, [](const Tensor& t) { return t.size < 1; })) {
    return kNqBadArgument;
  }
  for (int32_t number = 0; number < count; ++number) run(*kernels, tensors[number]);
  return kNqOk;
}

}  // namespace
}  // namespace nq

int32_t nq_sample(const NqSampled* tensors, int32_t count, int32_t level) {
  return nq::for_each(tensors, count, level, [](const auto& kernels, const NqSampled& t) { kernels.sample(t); });
}

int32_t nq_static_rate(NqStaticRate* tensors, int32_t count, float variance, int32_t level) {
  return nq::for_each(tensors, count, level,
                      [=](const auto& kernels, NqStaticRate& t) { kernels.static_rate(t, variance); });
}

int32_t nq_combine(NqCombined* tensors, int32_t count, float lambda, int32_t level) {
  return nq::for_each(tensors, count, level, [=](const auto& kernels, NqCombined& t) { kernels.combine(t, lambda); });
}

int32_t nq_adam(const NqAdam* tensors, int32_t count, float mean_decay, float square_decay, float rate, float epsilon,
                int32_t level) {
  const nq::AdamRates rates = {mean_decay, square_decay, rate, epsilon};
  return nq::for_each(tensors, count, level, [&](const auto& kernels, const NqAdam& t) { kernels.adam(t, rates); });
}
