// The steps of nq/tensor_steps.h for one tensor, compiled once for each instruction set (tensor_{scalar,avx2,avx512}).
#ifndef NQ_RATE_TENSOR_STEPS_H
#define NQ_RATE_TENSOR_STEPS_H

#include "nq/tensor_steps.h"

namespace nq {

struct AdamRates {
  float mean_decay, square_decay, rate, epsilon;
};

struct TensorKernels {
  void (*sample)(const NqSampled& tensor);
  void (*static_rate)(NqStaticRate& tensor, float variance);
  void (*combine)(NqCombined& tensor, float lambda);
  void (*adam)(const NqAdam& tensor, const AdamRates& rates);
};

const TensorKernels& scalar_tensor_kernels();
#if defined(__x86_64__)
const TensorKernels& avx2_tensor_kernels();
const TensorKernels& avx512_tensor_kernels();
#endif

}  // namespace nq

#endif  // NQ_RATE_TENSOR_STEPS_H
