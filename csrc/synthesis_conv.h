// Convolutions on packed input, compiled once for each instruction set (synthesis_{scalar,avx2,avx512}.cpp).
#ifndef NQ_SYNTHESIS_CONV_H
#define NQ_SYNTHESIS_CONV_H

#include <cstdint>

#include "nq_math.h"

namespace nq {

// Widest tile of output columns of any instruction set: rows of packed input are padded to a multiple of it.
constexpr int32_t kMaxTile = 32;
// Most output channels of a tile.
constexpr int32_t kMaxBlock = 8;

// A convolution made ready to run.
//
// Packed input, dense: [ceil(in / 2)][height + k - 1][pitch][2], two channels side by side, so that one instruction
// multiplies and adds a pair. Depthwise: [channels][height + k - 1][pitch]. Both hold the zero padding.
// Packed weights, dense: for each block of output channels [pair][k][k][channel of the block][2], blocks of the
// instruction set's size, the last smaller. Depthwise: [channels][k][k].
struct ConvLayer {
  int32_t channels, height, width;  // of the output
  int32_t in_channels;              // fan-in of an output channel
  int32_t kernel;
  int64_t pitch;  // columns of a packed row
  const int16_t* weights;
  const int32_t* bias;
  const int32_t* multiplier;
  const int32_t* shift;
  NqEpilogue epilogue;

  int64_t pairs() const { return (int64_t{in_channels} + 1) / 2; }
  int64_t rows() const { return int64_t{height} + kernel - 1; }
};

// The kernels of one instruction set. Both write output row y, [channels][height][width], for some channels.
struct ConvKernels {
  int32_t block;  // output channels of a block
  void (*dense_row)(const ConvLayer&, const int16_t* packed, int32_t y, int32_t first_block, int32_t end_block,
                    int16_t* out);
  void (*depthwise_row)(const ConvLayer&, const int16_t* packed, int32_t y, int32_t channel, int16_t* out);
};

const ConvKernels& scalar_kernels();
#if defined(__x86_64__)
const ConvKernels& avx2_kernels();
const ConvKernels& avx512_kernels();
#endif

}  // namespace nq

#endif  // NQ_SYNTHESIS_CONV_H
