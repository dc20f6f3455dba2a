// Vectors of AVX-512 (F and BW) and their dot product.
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
