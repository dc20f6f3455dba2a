// What this CPU has beyond its level (nq/abi.h).
#ifndef NQ_COMMON_CPU_LEVEL_H
#define NQ_COMMON_CPU_LEVEL_H

namespace nq {

// Whether it multiplies and adds with one rounding, as nearly all CPUs of level kNqAvx2 do.
bool has_fma();

// Whether it has dot products of bfloat16, as some CPUs of level kNqAvx512 do.
bool has_bfloat16();

}  // namespace nq

#endif  // NQ_COMMON_CPU_LEVEL_H
