// Convolutions on a CUDA device (formats/nq.md 6.3): dense ones by matrix instructions, the others plainly.
#ifndef NQ_DEVICE_CONV_H
#define NQ_DEVICE_CONV_H

#include <vector>

#include "common/tiles.h"
#include "cuda/device_store.h"
#include "nq/synthesis.h"

namespace nq {

constexpr int32_t kTensorThreads = 256, kTensorWarps = kTensorThreads / 32;
constexpr int32_t kWarpColumns = 4;  // tiles of 8 pixels that a warp works on
constexpr int32_t kMostRowWarps = 4;
constexpr int32_t kMostRowTiles = 4;  // tiles of 16 output channels that a warp works on, with weights of one byte
constexpr int32_t kMostRowTilesInParts = 2;
constexpr int64_t kMostSharedBytes = 40 * 1024;  // two blocks' share of any multiprocessor since sm_80

// How a dense convolution is cut for matrix instructions.
//
// A block computes a rectangle of pixels, `block_rows` rows of `block_tiles` tiles, of `row_warps` * `row_tiles` * 16
// output channels: its eight warps are `row_warps` times as many as share the pixels. Octets of input channels pass
// through its shared memory, `stage_octets` at a time, each with the pixels of the rectangle and its border, `pitch` to
// a row, `pixels` in all and `plane` apart. The products of a stage are pairs (octet, tap), octet first, four to a
// matrix instruction; the last may have none left, whose weights are 0.
struct TensorShape {
  bool fits = false;  // else it is computed plainly
  int32_t taps, octets, stages, stage_octets;
  int32_t parts;                         // of a weight: 1 if all are bytes, else 2
  int32_t row_tiles, row_warps, groups;  // groups: blocks of output channels
  int32_t block_rows, block_tiles, pitch, pixels, plane;
  int32_t tiles_x, tiles_y;
  int32_t height, width;  // of the map as it is walked: one long row for a kernel of 1 whose store keeps places

  __host__ __device__ int32_t octets_of(int32_t stage) const {
    return stage < stages - 1 ? stage_octets : octets - stage * stage_octets;
  }
  __host__ __device__ int32_t steps_of(int32_t stage) const {
    return nq_ceil_div(octets_of(stage) * taps, kNqStepOctets);
  }
  __host__ __device__ int32_t steps() const { return (stages - 1) * steps_of(0) + steps_of(stages - 1); }
  __host__ __device__ int32_t step_words() const { return row_tiles * parts * 32 * 4; }  // of one warp's weights
  int64_t weight_words() const { return (int64_t{groups} * row_warps * steps() + 1) * step_words(); }
  int64_t shared_bytes() const { return int64_t{16} * stage_octets * plane + int64_t{4} * kNqStepOctets * steps_of(0); }
  int64_t blocks() const { return int64_t{tiles_x} * tiles_y * groups; }
};

// `may_flatten` if every value's place in the output is its place in the map.
TensorShape tensor_shape(const NqOp& op, const NqOp& in, bool may_flatten);

// Weights in the order in which lanes read them: [group][row warp][stage][step][row tile][part][lane][4], the four
// words that nq_mma_s8 takes as `a`. Another step follows, since each is fetched during the one before it.
std::vector<uint32_t> pack_weights(const NqOp& op, int32_t in_channels, const TensorShape& shape);

// Device memory of a convolution's tensors.
int64_t conv_bytes(const NqOp& op, const NqOp& in, bool may_flatten);

struct TensorConv {
  TensorShape shape;
  int32_t kernel, channels, in_channels;
  DeviceMap in;
  const uint4* weights;
  ConvStore store;
};

void run_tensor_conv(const TensorConv& conv, int32_t frames, cudaStream_t stream);

struct PlainConv {
  int32_t kernel, channels;
  int32_t in_channels, depthwise;  // fan-in of an output channel
  int32_t height, width;
  DeviceMap in;
  const int16_t* weights;
  ConvStore store;
};

void run_plain_conv(const PlainConv& conv, int32_t frames, cudaStream_t stream);

}  // namespace nq

#endif  // NQ_DEVICE_CONV_H
