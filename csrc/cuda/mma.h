// What CUDA has instructions for and C++ has not: products of 8-bit matrices, a block's shared memory, prefetching.
// Without nvcc, where tests compile the kernels for the CPU, tests/support/cuda_emulation has the functions.
#ifndef NQ_MMA_H
#define NQ_MMA_H

#include <cuda_runtime.h>

#include <cstdint>

namespace nq {

// d += a b for a warp, d [16, 8] of 32 bits that wrap, a [16, 32] and b [32, 8] of signed bytes. With g = lane / 4 and
// t = lane % 4, as the PTX ISA lays out mma.m16n8k32, a lane holds
//   a[0..3]: rows g, g + 8, g, g + 8; four bytes each, of columns 4 t on, 4 t on, 16 + 4 t on, 16 + 4 t on
//   b[0..1]: column g; four bytes each, of rows 4 t on, 16 + 4 t on
//   d[0..3]: (row g, columns 2 t and 2 t + 1), (row g + 8, the same columns).
// The columns of a and rows of b may be numbered in any way that is the same for both: a lane's eight bytes of a row
// serve here as one octet of channels.
#ifdef __CUDACC__
__device__ __forceinline__ void nq_mma_s8(int32_t (&d)[4], const uint4& a, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
}

// Between the last nq_mma_s8 and the first look at its results. The device needs nothing there; the emulation
// multiplies there, for a whole warp at once.
__device__ __forceinline__ void nq_mma_finish() {}

// Brings a line of 128 bytes into the cache of the multiprocessor.
__device__ __forceinline__ void nq_prefetch(const void* line) {
  asm volatile("prefetch.global.L1 [%0];\n" ::"l"(line));
}

template <typename T>
__device__ __forceinline__ T* nq_shared_memory() {
  extern __shared__ uint4 nq_shared_bytes[];
  return reinterpret_cast<T*>(nq_shared_bytes);
}
#else
void nq_mma_s8(int32_t (&d)[4], const uint4& a, uint32_t b0, uint32_t b1);
void nq_mma_finish();
inline void nq_prefetch(const void*) {}
void* nq_emulated_shared_memory();

template <typename T>
T* nq_shared_memory() {
  return static_cast<T*>(nq_emulated_shared_memory());
}
#endif

}  // namespace nq

#endif  // NQ_MMA_H
