// Parameters that the vector helpers of every instruction set share.
#ifndef NQ_SYNTHESIS_VECTORS_H
#define NQ_SYNTHESIS_VECTORS_H

#include <cstdint>

namespace nq {

// A right shift of 64-bit products with rounding, 1 <= shift <= 46 (formats/nq.md, 6.1).
struct Scale {
  explicit Scale(int32_t by) : shift(by), half(int64_t{1} << (by - 1)) {}

  int32_t shift;
  int64_t half;
};

}  // namespace nq

#endif  // NQ_SYNTHESIS_VECTORS_H
