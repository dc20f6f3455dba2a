// Vectors of AVX-512 with VNNI, whose vpdpwssd multiplies, adds pairs and accumulates in one instruction.
#define NQ_TARGET __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define NQ_DOT "vpdpwssd %2, %3, %0"

#include "synthesis/avx512.h"

namespace nq {
namespace {

// Without saturation: it wraps, and the bound on accumulators keeps it from that.
NQ_TARGET inline Vec vec_dot(Vec sum, Vec pairs, Vec weights) { return _mm512_dpwssd_epi32(sum, pairs, weights); }

}  // namespace
}  // namespace nq
