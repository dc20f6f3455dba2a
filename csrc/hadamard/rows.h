// Transforms of many blocks of one size, compiled once for each instruction set (hadamard_{scalar,avx2,avx512}.cpp),
// and what they do with single values.
#ifndef NQ_HADAMARD_ROWS_H
#define NQ_HADAMARD_ROWS_H

#include <cstdint>
#include <type_traits>

#include "common/float16.h"

namespace nq {

// Block r is the n values from r * stride on, in `in` and in `out`; its result is multiplied by `scale` (not int32).
using HadamardRows = void (*)(const void* in, int64_t rows, int64_t stride, int32_t n, float scale, void* out);

// The kernels of one instruction set, by NqHadamardType.
struct HadamardKernels {
  HadamardRows rows[4];
};

const HadamardKernels& scalar_hadamard();
#if defined(__x86_64__)
const HadamardKernels& avx2_hadamard();
const HadamardKernels& avx512_hadamard();
#endif

// What values of a type are computed in.
template <typename T>
using WorkOf = std::conditional_t<std::is_same_v<T, int32_t>, int32_t, float>;

inline float load_value(const float* p) { return *p; }
inline float load_value(const Float16* p) { return to_float(*p); }
inline float load_value(const Bfloat16* p) { return to_float(*p); }
inline int32_t load_value(const int32_t* p) { return *p; }

inline void store_value(float* p, float x) { *p = x; }
inline void store_value(Float16* p, float x) { *p = to_float16(x); }
inline void store_value(Bfloat16* p, float x) { *p = to_bfloat16(x); }
inline void store_value(int32_t* p, int32_t x) { *p = x; }

inline float add(float a, float b) { return a + b; }
inline float subtract(float a, float b) { return a - b; }
// Wrapping, as the vector instructions do.
inline int32_t add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
inline int32_t subtract(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}

inline float scaled(float x, float scale) { return x * scale; }
inline int32_t scaled(int32_t x, float) { return x; }

}  // namespace nq

#endif  // NQ_HADAMARD_ROWS_H
