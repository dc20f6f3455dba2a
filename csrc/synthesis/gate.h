// GELU by vectors: formats/nq.md 6.5 on maps of up to 14 bits, the same integers as its table gives.
//
// With T[n] = G[-n] and G[n] = 2^15 - T[n], which GELU's table keeps up to its last bit, p times its gate is max(p, 0)
// plus -|p| times T, rounded likewise: for p >= 0, (p (2^15 - T) + 2^14) >> 15 = p + ((-p T + 2^14) >> 15). T is 0 from
// kGateSize on and fits a byte from kGateWide on, so that looking bytes up in registers is enough.
#ifndef NQ_SYNTHESIS_GATE_H
#define NQ_SYNTHESIS_GATE_H

#include <cstdint>

namespace nq {

constexpr int32_t kGateSize = 1152, kGateWide = 640;
constexpr int32_t kGateValues = 64;  // values that are done at once

struct GateTable {
  alignas(64) uint8_t low[kGateSize];
  alignas(64) uint8_t high[kGateWide];
};

// T of a table G, indexed from -2048; false if G is not of the kind that this holds.
bool fill_gate(const int32_t* table, GateTable& gate);

// True if this CPU has what run_gate needs, and a map of `frac` fractional bits is one that it does.
bool can_run_gate(int32_t frac);

// `rows` of `width` values, a multiple of 16: the first `valid` of each go to `out`, `stride` from row to row.
struct GateRows {
  int32_t rows, width, valid;
  int16_t* out;
  int64_t stride;
};

// Of values p, rows one after another, where kGateValues more can be read. For a frac of 8 to 20.
void run_gate(const GateTable& gate, int32_t frac, const int16_t* p, const GateRows& rows);

}  // namespace nq

#endif  // NQ_SYNTHESIS_GATE_H
