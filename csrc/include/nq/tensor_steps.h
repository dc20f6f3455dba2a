// What a rate-aware iteration does with each tensor besides the frames: the values sampled for it, the rate of static
// models, gradients of J = D + lambda R, and Adam's update. nqcodec/methods/rate_aware/native_tensors.py declares this
// to ctypes; `Quantizers.sample`, `gradients._static` and `gradients.combine` of nqcodec/methods/rate_aware, and
// `MuonAdam` of nqcodec/training/optim.py define what is computed.
#ifndef NQ_TENSOR_STEPS_H
#define NQ_TENSOR_STEPS_H

#include <cstdint>

#include "nq/abi.h"

// All functions take `count` tensors whose arrays do not overlap, and return kNqOk, kNqBadArgument, kNqBadLevel or
// kNqNoResources. `threads` counts the caller's. The results depend on the input and the level alone.

enum NqSampling : int32_t {
  kNqRounded = 0,  // to the nearest whole number, or with a dead zone around it
  kNqUniform = 1,  // with uniform noise
  kNqSoft = 2,     // softly rounded before and after noise
};

// A tensor whose values are sampled for an iteration.
struct NqSampled {
  const float* values;
  const float* numbers;  // kNqUniform, kNqSoft: random, uniform in [0, 1); or noise around 1/2 if `peak` is 1
  float* symbols;        // in units of the step size
  float* slopes;         // kNqSoft: of symbols with respect to values in units of the step size
  float* used;           // symbols times the step size
  int64_t size;          // values
  float step_size;
  float low, high;    // of symbols
  float temperature;  // kNqSoft: of soft rounding
  float peak;         // kNqSoft: Kumaraswamy's first parameter
  float dead_zone;    // kNqRounded: by how much a value has to be above a half to be rounded away from 0
  int32_t sampling;
};

NQ_API int32_t nq_sample(const NqSampled* tensors, int32_t count, int32_t level, int32_t threads);

// A tensor coded by a Gaussian of its own variance.
struct NqStaticRate {
  const float* symbols;
  float* gradient;  // of `bits` with respect to symbols
  int64_t size;
  double bits;  // the result
};

// `variance` is added to each tensor's.
NQ_API int32_t nq_static_rate(NqStaticRate* tensors, int32_t count, float variance, int32_t level);

// A tensor whose gradients of D and R become those of J.
struct NqCombined {
  const float* values;
  const float* used;
  const float* by_used;    // of D
  const float* by_symbol;  // of R
  const float* slopes;     // null where they are 1
  float* by_value;         // of J
  int64_t size;
  float step_size;
  float by_step_index;  // of J: the result
};

NQ_API int32_t nq_combine(NqCombined* tensors, int32_t count, float lambda, int32_t level, int32_t threads);

// A parameter that Adam updates.
struct NqAdam {
  float* values;
  const float* gradient;
  float* mean;
  float* square;
  int64_t size;
};

// The new value is value - rate mean / (sqrt(square) + epsilon), after both moments have decayed.
NQ_API int32_t nq_adam(const NqAdam* tensors, int32_t count, float mean_decay, float square_decay, float rate,
                       float epsilon, int32_t level, int32_t threads);

#endif  // NQ_TENSOR_STEPS_H
