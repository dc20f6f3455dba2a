// The 16-bit floats of CUDA, by the conversions of the CPU library (cuda_runtime.h).
#ifndef NQ_EMULATED_CUDA_FP16_H
#define NQ_EMULATED_CUDA_FP16_H

#include "common/float16.h"

using __half = nq::Float16;
inline float __half2float(__half x) { return nq::to_float(x); }
inline __half __float2half_rn(float x) { return nq::to_float16(x); }

#endif  // NQ_EMULATED_CUDA_FP16_H
