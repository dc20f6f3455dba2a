// Synthesis kernels for AVX-512 (F and BW), called only where the CPU has both.
#if defined(__x86_64__)

#define NQ_TARGET __attribute__((target("avx512f,avx512bw")))
#define NQ_DOT "vpmaddwd %2, %3, %1\n\tvpaddd %1, %0, %0"

#include "synthesis/avx512.h"

namespace nq {
namespace {

NQ_TARGET inline Vec vec_dot(Vec sum, Vec pairs, Vec weights) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, weights));
}

}  // namespace
}  // namespace nq

#include "synthesis/conv_kernels.h"
#include "synthesis/map_kernels.h"

const nq::ConvKernels& nq::avx512_kernels() { return kKernels; }
const nq::MapKernels& nq::avx512_map_kernels() { return kMapKernels; }

#endif  // __x86_64__
