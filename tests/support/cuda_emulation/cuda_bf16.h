// bfloat16 of CUDA, by the conversions of the CPU library (cuda_runtime.h).
#ifndef NQ_EMULATED_CUDA_BF16_H
#define NQ_EMULATED_CUDA_BF16_H

#include "common/float16.h"

using __nv_bfloat16 = nq::Bfloat16;
inline float __bfloat162float(__nv_bfloat16 x) { return nq::to_float(x); }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return nq::to_bfloat16(x); }

#endif  // NQ_EMULATED_CUDA_BF16_H
