// Which kernels this CPU runs.
#include "common/cpu_level.h"

#include "nq/abi.h"

bool nq::has_fma() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

bool nq::has_bfloat16() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw");
#else
  return false;
#endif
}

int32_t nq_cpu_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return kNqAvx512;
  if (__builtin_cpu_supports("avx2")) return kNqAvx2;
#endif
  return kNqScalar;
}

int32_t nq_synth_level() {
#if defined(__x86_64__)
  if (nq_cpu_level() == kNqAvx512 && __builtin_cpu_supports("avx512vnni")) return kNqAvx512Vnni;
#endif
  return nq_cpu_level();
}
