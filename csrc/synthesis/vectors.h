// Parameters that the vector helpers of every instruction set share.
#ifndef NQ_SYNTHESIS_VECTORS_H
#define NQ_SYNTHESIS_VECTORS_H

#include <cstdint>

namespace nq {

// Independent sums of the machine's ceiling: enough to hide what a dot product takes.
constexpr int32_t kMostPeakSums = 16;

// A right shift of 64-bit products with rounding, 1 <= shift <= 46 (formats/nq.md, 6.1).
struct Scale {
  explicit Scale(int32_t by) : shift(by), half(int64_t{1} << (by - 1)) {}

  int32_t shift;
  int64_t half;
};

}  // namespace nq

#endif  // NQ_SYNTHESIS_VECTORS_H
