// Fast Walsh-Hadamard transforms on the CPU: rows shared out to threads behind the interface of nq/hadamard.h.
#include "nq/hadamard.h"

#include <algorithm>
#include <new>
#include <system_error>

#include "common/thread_pool.h"
#include "hadamard/rows.h"

namespace nq {
namespace {

// Values that one task takes: they stay in the L2 cache while the blocks of a row are done one after the other.
constexpr int64_t kTaskValues = 1 << 15;
// Fewer values a thread than this are not worth starting one (some 20 us, measured).
constexpr int64_t kThreadValues = 1 << 17;

const HadamardKernels* hadamard_kernels_of(int32_t level) {
  if (level < kNqScalar || level > nq_cpu_level()) return nullptr;
#if defined(__x86_64__)
  if (level == kNqAvx512) return &avx512_hadamard();
  if (level == kNqAvx2) return &avx2_hadamard();
#endif
  return &scalar_hadamard();
}

// Rows from `first` on, block by block.
void transform_rows(const NqHadamard& t, HadamardRows kernel, const void* in, void* out, int64_t first, int64_t rows) {
  const int64_t value = hadamard_value_bytes(t.type);
  int64_t offset = first * t.length * value;
  for (int32_t b = 0; b < t.block_count; ++b) {
    kernel(static_cast<const char*>(in) + offset, rows, t.length, t.blocks[b], t.scales ? t.scales[b] : 1.0f,
           static_cast<char*>(out) + offset);
    offset += t.blocks[b] * value;
  }
}

}  // namespace
}  // namespace nq

int32_t nq_hadamard(const NqHadamard* transform, const void* in, void* out, int32_t threads, int32_t level) {
  const NqHadamard& t = *transform;
  if (!nq::is_valid_hadamard(t) || threads < 1) return kNqBadArgument;
  const nq::HadamardKernels* const kernels = nq::hadamard_kernels_of(level);
  if (!kernels) return kNqBadLevel;
  const nq::HadamardRows kernel = kernels->rows[t.type];
  if (!kernel) return kNqBadArgument;
  const int64_t useful = std::max<int64_t>(1, t.rows * t.length / nq::kThreadValues);
  const int64_t step = std::max<int64_t>(1, nq::kTaskValues / t.length);
  try {
    nq::ThreadPool pool(static_cast<int32_t>(std::min<int64_t>(threads, useful)));
    pool.run((t.rows + step - 1) / step, [&](int64_t item, int32_t) {
      const int64_t first = item * step;
      nq::transform_rows(t, kernel, in, out, first, std::min(step, t.rows - first));
    });
  } catch (const std::bad_alloc&) {
    return kNqNoResources;
  } catch (const std::system_error&) {
    return kNqNoResources;
  }
  return kNqOk;
}
