// Convolutions on packed input, compiled once for each instruction set (synthesis_{scalar,avx2,avx512,vnni}.cpp).
#ifndef NQ_SYNTHESIS_CONV_H
#define NQ_SYNTHESIS_CONV_H

#include <cstdint>

#include "common/integer_math.h"
#include "synthesis/gate.h"

namespace nq {

// Columns that a packed row is padded to a multiple of: as many as the widest kernel takes at a time.
constexpr int32_t kRowTile = 32;
// Most output channels of a block.
constexpr int32_t kMaxBlock = 12;

// An activation as the kernels apply it to values p that a convolution has clamped.
struct ActivationTable {
  enum Kind : int32_t { kCopy, kRelu, kValue, kHalfTanh, kGate } kind;
  // By p for kValue, by its index of 6.5 for kHalfTanh; centred, so that negative indices are legal.
  const int16_t* centre = nullptr;
  const GateTable* gate = nullptr;  // for kGate, with the map's fractional bits
  int32_t frac = 0;
};

// What makes of an accumulator the value p (formats/nq.md, 6.3).
struct Rescale {
  int32_t multiplier, shift;
  // Where `narrows`, the accumulators that reach the clamp's ends: clamped to them, the rescaled value needs no other
  // clamp. Rescales that enlarge would skip values, and are clamped after.
  int32_t acc_low, acc_high;
  // The multiplier times 2^(32 - shift), so that the rescaled value is the product's upper half; 0 if that needs more
  // than 31 bits, or is none for a shift above 32.
  int32_t upper;
};

// A convolution made ready to run.
//
// Packed weights, dense: for each block of output channels [pair][k][k][channel of the block][2], blocks of
// one size, the last may be smaller; the pairs are of input channels. Depthwise: [channel][ceil(k k / 2)][2],
// pairs of taps in row order.
struct ConvLayer {
  int32_t channels;     // of the output
  int32_t in_channels;  // fan-in of an output channel
  int32_t kernel;
  int32_t block;  // output channels of a block, dense
  const int16_t* weights;
  const int32_t* bias;
  const Rescale* rescale;
  bool narrows;           // no channel's rescale enlarges
  bool has_upper;         // narrows, and every channel's `upper` is there
  int32_t p_low, p_high;  // the clamp of p
  ActivationTable activation;

  int64_t pairs() const { return (int64_t{in_channels} + 1) / 2; }
  int64_t taps() const { return int64_t{kernel} * kernel; }
};

// Rows of packed input with the zero padding of the convolution around them: dense [pair][row][pitch][2], two channels
// side by side so that one instruction multiplies and adds a pair; depthwise [row][pitch] of one channel.
struct PackedRows {
  const int16_t* first;  // of the topmost row that the output row reads
  int64_t pitch;         // columns from row to row: at least kernel - 1 more than the output's, rounded up to kRowTile
  int64_t plane;         // values from pair to pair
};

// The kernels of one instruction set; inputs and outputs never overlap.
struct ConvKernels {
  int32_t block;  // most output channels of a block
  bool gates;     // of an instruction set that activations by run_gate go with
  // Two rows of `count` values side by side; a null second row is zeros.
  void (*pack_pairs)(const int16_t* first, const int16_t* second, int32_t count, int16_t* target);
  // `columns` outputs of each channel of a block; `out` is the block's first channel, `stride` from one to the next.
  void (*dense_row)(const ConvLayer&, const PackedRows&, int32_t columns, int32_t block, int16_t* out, int64_t stride);
  void (*depthwise_row)(const ConvLayer&, const PackedRows&, int32_t columns, int32_t channel, int16_t* out);
  // Multiply-accumulates of `rounds` rounds of a full tile's dot products alone: the machine's ceiling.
  int64_t (*peak)(int64_t rounds);
};

const ConvKernels& scalar_kernels();
#if defined(__x86_64__)
const ConvKernels& avx2_kernels();
const ConvKernels& avx512_kernels();
const ConvKernels& vnni_kernels();
#endif

}  // namespace nq

#endif  // NQ_SYNTHESIS_CONV_H
