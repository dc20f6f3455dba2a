// The steps of nq/tensor_steps.h: arguments and loops over tensors.
#include "rate/tensor_steps.h"

#include <algorithm>
#include <exception>
#include <vector>

#include "common/cpu_level.h"
#include "common/thread_pool.h"

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

constexpr int64_t kPartSize = 1 << 15;             // values that a thread takes at once
constexpr int64_t kLeastThreaded = 4 * kPartSize;  // below that many values another thread costs more than it saves

// A part of a tensor, from value `first` on.
NqSampled part_of(NqSampled t, int64_t first, int64_t size) {
  t.values += first, t.symbols += first, t.used += first;
  if (t.sampling != kNqRounded) t.numbers += first;
  if (t.sampling == kNqSoft) t.slopes += first;
  t.size = size;
  return t;
}

NqCombined part_of(NqCombined t, int64_t first, int64_t size) {
  t.values += first, t.used += first, t.by_used += first, t.by_symbol += first, t.by_value += first;
  if (t.slopes) t.slopes += first;
  t.size = size;
  return t;
}

NqAdam part_of(NqAdam t, int64_t first, int64_t size) {
  t.values += first, t.gradient += first, t.mean += first, t.square += first;
  t.size = size;
  return t;
}

template <typename Tensor>
bool is_valid(const Tensor* tensors, int32_t count) {
  return count >= 0 && std::none_of(tensors, tensors + count, [](const Tensor& t) { return t.size < 1; });
}

// Calls run(kernels, part) for parts of all tensors, which have at least one value and a step size, if any, above 0. It
// returns the parts in the order of the tensors, however many threads there are.
template <typename Tensor, typename Run>
int32_t for_each_part(const Tensor* tensors, int32_t count, int32_t level, int32_t threads, std::vector<Tensor>& parts,
                      const Run& run) {
  const TensorKernels* const kernels = kernels_of(level);
  if (!kernels) return kNqBadLevel;
  if (!is_valid(tensors, count) || threads < 1) return kNqBadArgument;
  int64_t values = 0;
  try {
    for (int32_t number = 0; number < count; ++number) {
      const Tensor& tensor = tensors[number];
      for (int64_t first = 0; first < tensor.size; first += kPartSize) {
        parts.push_back(part_of(tensor, first, std::min(kPartSize, tensor.size - first)));
      }
      values += tensor.size;
    }
    ThreadPool pool(values < kLeastThreaded ? 1 : threads);
    pool.run(static_cast<int64_t>(parts.size()), [&](int64_t number, int32_t) { run(*kernels, parts[number]); });
  } catch (const std::exception&) {  // no memory, or no thread
    return kNqNoResources;
  }
  return kNqOk;
}

}  // namespace
}  // namespace nq

int32_t nq_sample(const NqSampled* tensors, int32_t count, int32_t level, int32_t threads) {
  std::vector<NqSampled> parts;
  return nq::for_each_part(tensors, count, level, threads, parts,
                           [](const auto& kernels, const NqSampled& part) { kernels.sample(part); });
}

int32_t nq_static_rate(NqStaticRate* tensors, int32_t count, float variance, int32_t level) {
  const nq::TensorKernels* const kernels = nq::kernels_of(level);
  if (!kernels) return kNqBadLevel;
  if (!nq::is_valid(tensors, count)) return kNqBadArgument;
  std::for_each(tensors, tensors + count, [=](NqStaticRate& tensor) { kernels->static_rate(tensor, variance); });
  return kNqOk;
}

int32_t nq_combine(NqCombined* tensors, int32_t count, float lambda, int32_t level, int32_t threads) {
  std::vector<NqCombined> parts;
  const int32_t status =
      nq::for_each_part(tensors, count, level, threads, parts,
                        [=](const auto& kernels, NqCombined& part) { kernels.combine(part, lambda); });
  if (status != kNqOk) return status;
  auto part = parts.begin();
  for (int32_t number = 0; number < count; ++number) {
    NqCombined& tensor = tensors[number];
    tensor.by_step_index = 0.0f;
    for (int64_t left = tensor.size; left > 0; left -= part->size, ++part) tensor.by_step_index += part->by_step_index;
  }
  return kNqOk;
}

int32_t nq_adam(const NqAdam* tensors, int32_t count, float mean_decay, float square_decay, float rate, float epsilon,
                int32_t level, int32_t threads) {
  const nq::AdamRates rates = {mean_decay, square_decay, rate, epsilon};
  std::vector<NqAdam> parts;
  return nq::for_each_part(tensors, count, level, threads, parts,
                           [&](const auto& kernels, const NqAdam& part) { kernels.adam(part, rates); });
}
