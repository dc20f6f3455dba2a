// Fast Walsh-Hadamard transforms of rows: the interface that nqcodec/synthesis/hadamard.py declares to ctypes, and its
// rules.
#ifndef NQ_HADAMARD_H
#define NQ_HADAMARD_H

#include <cstdint>

#include "nq/abi.h"

enum NqHadamardType : int32_t { kNqFloat32 = 0, kNqFloat16 = 1, kNqBfloat16 = 2, kNqInt32 = 3 };

// Rows [rows, length] without gaps, each cut into blocks of 1, 2, 4 .. 4096 values that sum to `length`. A block of n
// becomes H x: n log2(n) butterflies, natural (Sylvester) order, H[j][k] = -1 to the number of bits set in j & k.
// Float16 and bfloat16 are computed in float32 and rounded once, to nearest even. Int32 wraps.
struct NqHadamard {
  int64_t rows, length;
  const int32_t* blocks;
  const float* scales;  // by block, what its values are multiplied by at the end; null: nothing. Int32 has none.
  int32_t block_count;
  int32_t type;  // NqHadamardType
};

// `in` may equal `out`; otherwise they do not overlap. `level` is 0..nq_cpu_level(); `threads` counts the caller and
// is an upper bound. Every level gives the same bits, NaN payloads apart.
NQ_API int32_t nq_hadamard(const NqHadamard* transform, const void* in, void* out, int32_t threads, int32_t level);

// The same on device memory, in libnq_cuda: started on `stream` (a cudaStream_t) of the current device, not awaited.
NQ_API int32_t nq_cuda_hadamard(const NqHadamard* transform, const void* in, void* out, void* stream);

namespace nq {

constexpr int32_t kMaxHadamard = 4096;  // values of the largest block (formats/nq.md, 6.3)

inline bool is_valid_hadamard(const NqHadamard& t) {
  if (t.type < kNqFloat32 || t.type > kNqInt32 || (t.type == kNqInt32 && t.scales)) return false;
  if (t.rows < 0 || t.length < 1 || t.block_count < 1 || !t.blocks) return false;
  int64_t covered = 0;
  for (int32_t b = 0; b < t.block_count; ++b) {
    const int32_t n = t.blocks[b];
    if (n < 1 || n > kMaxHadamard || (n & (n - 1))) return false;
    covered += n;
  }
  return covered == t.length;
}

inline int64_t hadamard_value_bytes(int32_t type) { return type == kNqFloat16 || type == kNqBfloat16 ? 2 : 4; }

}  // namespace nq

#endif  // NQ_HADAMARD_H
