// How 14-bit maps and weights of up to 15 bits become operands of 8-bit matrix instructions, exactly: the arithmetic
// that the CUDA kernels and the host share. The tests call it through testing/math_hooks.cpp.
//
// A value v is 128 h + l, with h = v >> 7 and l = v & 127: both are signed bytes for -2^14 <= v < 2^14, which holds
// for every map (formats/nq.md 4: 14 bits) and weight (8 bits, after a Hadamard transform 12). Products of parts are
// added up in 32 bits that may wrap; the whole sum does not leave them (6.3), so joining the parts modulo 2^32 is
// exact.
#ifndef NQ_TILES_H
#define NQ_TILES_H

#include "common/integer_math.h"

constexpr int32_t kNqPartBits = 7;
constexpr int32_t kNqOctet = 8;        // channels of one pixel that a lane holds for one matrix instruction
constexpr int32_t kNqStepOctets = 4;   // octets of one matrix instruction: 32 products
constexpr int32_t kNqTileRows = 16;    // output channels of one matrix instruction
constexpr int32_t kNqTileColumns = 8;  // its pixels

NQ_MATH int32_t nq_high_part(int32_t v) { return v >> kNqPartBits; }
NQ_MATH int32_t nq_low_part(int32_t v) { return v & ((1 << kNqPartBits) - 1); }

NQ_MATH bool nq_has_parts(int32_t v) { return v >= -(1 << 14) && v < (1 << 14); }
NQ_MATH bool nq_is_byte(int32_t v) { return v >= -128 && v < 128; }

// Four signed bytes as a register of a matrix instruction, the first lowest.
NQ_MATH uint32_t nq_pack_bytes(int32_t a, int32_t b, int32_t c, int32_t d) {
  return (static_cast<uint32_t>(a) & 255u) | (static_cast<uint32_t>(b) & 255u) << 8 |
         (static_cast<uint32_t>(c) & 255u) << 16 | static_cast<uint32_t>(d) << 24;
}

// Sums of products of a map's parts with weights of one byte, to the sum of the products.
NQ_MATH int32_t nq_join(int32_t high, int32_t low) {
  return static_cast<int32_t>((static_cast<uint32_t>(high) << kNqPartBits) + static_cast<uint32_t>(low));
}

// The same for weights in parts: both high, one of each, both low.
NQ_MATH int32_t nq_join_both(int32_t high, int32_t mixed, int32_t low) { return nq_join(nq_join(high, mixed), low); }

NQ_MATH int32_t nq_ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

// floor(a / b) for 0 <= a < 2^16 and 1 <= b < 2^16, by a multiplication with nq_reciprocal32(b).
NQ_MATH uint32_t nq_reciprocal32(uint32_t b) { return b == 1 ? 0 : 0xFFFFFFFFu / b + 1; }
NQ_MATH uint32_t nq_quotient(uint32_t a, uint32_t reciprocal) {
  return reciprocal ? static_cast<uint32_t>((uint64_t{a} * reciprocal) >> 32) : a;
}

#endif  // NQ_TILES_H
