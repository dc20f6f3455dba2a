// Dense convolutions by matrix instructions of 8-bit integers (formats/nq.md 6.3), exact: see common/tiles.h for the
// parts of values, cuda/device_conv.h for how a map is cut.
#include "cuda/device.h"
#include "cuda/device_conv.h"
#include "cuda/mma.h"

namespace nq {
namespace {

// What a block works on.
struct Block {
  int32_t frame, group;
  int32_t y, x;  // of its first pixel
};

__device__ __forceinline__ Block this_block(const TensorShape& s) {
  const uint32_t across = s.tiles_x, down = s.tiles_y, groups = s.groups;
  uint32_t rest = blockIdx.x;
  const uint32_t tile_x = rest % across;
  rest /= across;
  const uint32_t tile_y = rest % down;
  rest /= down;
  return {static_cast<int32_t>(rest / groups), static_cast<int32_t>(rest % groups),
          static_cast<int32_t>(tile_y) * s.block_rows, static_cast<int32_t>(tile_x) * s.block_tiles * kNqTileColumns};
}

// Where the pixels of each pair (octet, tap) of a stage begin in shared memory, from a pixel on; those of pairs that
// only fill a matrix instruction are read too, for nothing.
__device__ void fill_offsets(const TensorConv& c, int32_t* offsets) {
  const TensorShape& s = c.shape;
  for (int32_t pair = threadIdx.x; pair < kNqStepOctets * s.steps_of(0); pair += kTensorThreads) {
    const int32_t octet = pair / s.taps, tap = pair % s.taps;
    offsets[pair] = octet < s.stage_octets ? octet * s.plane + tap / c.kernel * s.pitch + tap % c.kernel : 0;
  }
}

// Eight channels of a pixel: the high parts of all, then the low parts. Channels and pixels outside the map are 0.
__device__ __forceinline__ uint4 load_octet(const int16_t* pixel, int64_t area, int32_t channels) {
  int32_t v[kNqOctet];
#pragma unroll
  for (int32_t i = 0; i < kNqOctet; ++i) v[i] = i < channels ? __ldg(pixel + i * area) : 0;
  uint32_t words[4];
#pragma unroll
  for (int32_t k = 0; k < 2; ++k) {
    const int32_t* const u = v + 4 * k;
    words[k] = nq_pack_bytes(nq_high_part(u[0]), nq_high_part(u[1]), nq_high_part(u[2]), nq_high_part(u[3]));
    words[k + 2] = nq_pack_bytes(nq_low_part(u[0]), nq_low_part(u[1]), nq_low_part(u[2]), nq_low_part(u[3]));
  }
  return make_uint4(words[0], words[1], words[2], words[3]);
}

// Brings the octets of a stage into shared memory: the block's pixels and their border. A thread loads `kAtOnce` octets
// before it waits for the first.
template <int kAtOnce>
__device__ __forceinline__ void stage_octets(const TensorConv& c, const Block& block, int32_t stage, uint4* staged) {
  const TensorShape& s = c.shape;
  const int64_t area = int64_t{s.height} * s.width;
  const uint32_t by_pitch = nq_reciprocal32(s.pitch), by_pixels = nq_reciprocal32(s.pixels);
  const int32_t pad = (c.kernel - 1) / 2, first_channel = stage * s.stage_octets * kNqOctet;
  const int16_t* const maps = c.in.data + block.frame * c.in.stride + first_channel * area;
  const int32_t count = s.octets_of(stage) * s.pixels;
#pragma unroll kAtOnce
  for (int32_t item = threadIdx.x; item < count; item += kTensorThreads) {
    const int32_t octet = static_cast<int32_t>(nq_quotient(item, by_pixels)), pixel = item - octet * s.pixels;
    const int32_t row = static_cast<int32_t>(nq_quotient(pixel, by_pitch));
    const int32_t y = block.y + row - pad, x = block.x + pixel - row * s.pitch - pad;
    const bool inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
    const int32_t channels = inside ? c.in_channels - first_channel - octet * kNqOctet : 0;
    staged[octet * s.plane + pixel] =
        load_octet(maps + octet * kNqOctet * area + int64_t{y} * s.width + x, area, channels);
  }
}

// Sums of products by (parts of weight and map), row tile, column tile and place within a lane's fragment.
template <int kRowTiles, int kParts>
struct Sums {
  int32_t of[kParts + 1][kRowTiles][kWarpColumns][4];
};

// A lane's weights of one matrix instruction's worth of pairs.
template <int kRowTiles, int kParts>
struct Weights {
  uint4 of[kRowTiles][kParts];

  __device__ __forceinline__ void load(const uint4* from) {
#pragma unroll
    for (int32_t r = 0; r < kRowTiles; ++r) {
#pragma unroll
      for (int32_t part = 0; part < kParts; ++part) of[r][part] = __ldg(from + (r * kParts + part) * 32);
    }
  }
};

// Adds the products of one matrix instruction's worth of pairs; `pixels` are a lane's, one for each column tile.
template <int kRowTiles, int kParts>
__device__ __forceinline__ void multiply(const Weights<kRowTiles, kParts>& weights, const uint4* staged,
                                         const int32_t (&pixels)[kWarpColumns], Sums<kRowTiles, kParts>& sums) {
#pragma unroll
  for (int32_t n = 0; n < kWarpColumns; ++n) {
    const uint4 b = staged[pixels[n]];
#pragma unroll
    for (int32_t r = 0; r < kRowTiles; ++r) {
#pragma unroll
      for (int32_t part = 0; part < kParts; ++part) {
        nq_mma_s8(sums.of[part][r][n], weights.of[r][part], b.x, b.y);
        nq_mma_s8(sums.of[part + 1][r][n], weights.of[r][part], b.z, b.w);
      }
    }
  }
}

template <int kParts>
__device__ __forceinline__ int32_t joined(const int32_t (&parts)[kParts + 1]) {
  if constexpr (kParts == 1) return nq_join(parts[0], parts[1]);
  else return nq_join_both(parts[0], parts[1], parts[2]);
}

// Stores two neighbouring pixels of an output channel.
__device__ __forceinline__ void store_two(const TensorConv& c, const Block& block, const ChannelPlace& place, int32_t o,
                                          int32_t y, int32_t x, int32_t first, int32_t second) {
  const ConvStore& s = c.store;
  if (x >= c.shape.width) return;
  const int64_t at = place.first + y * place.down + int64_t{x} * place.right;
  int16_t* const out = s.out.data + block.frame * s.out.stride + at;
  const int32_t v = paired_value(s, block.frame, at, conv_value(s, o, first));
  if (x + 1 >= c.shape.width) {
    *out = static_cast<int16_t>(v);
    return;
  }
  const int32_t w = paired_value(s, block.frame, at + place.right, conv_value(s, o, second));
  if (place.right == 1 && (c.shape.width & 1) == 0) {
    *reinterpret_cast<short2*>(out) = make_short2(static_cast<int16_t>(v), static_cast<int16_t>(w));
  } else {
    out[0] = static_cast<int16_t>(v);
    out[place.right] = static_cast<int16_t>(w);
  }
}

template <int kRowTiles, int kParts>
__device__ __forceinline__ void store_sums(const TensorConv& c, const Block& block, int32_t first_row,
                                           int32_t first_tile, int32_t lane, const Sums<kRowTiles, kParts>& sums) {
#pragma unroll
  for (int32_t r = 0; r < kRowTiles; ++r) {
#pragma unroll
    for (int32_t half = 0; half < 2; ++half) {
      const int32_t o = first_row + r * kNqTileRows + half * 8 + lane / 4;
      if (o >= c.channels) continue;
      const ChannelPlace place = channel_place(c.store, o);
#pragma unroll
      for (int32_t n = 0; n < kWarpColumns; ++n) {
        const int32_t tile = first_tile + n, y = block.y + tile / c.shape.block_tiles;
        if (y >= c.shape.height) continue;
        int32_t first[kParts + 1], second[kParts + 1];
#pragma unroll
        for (int32_t part = 0; part <= kParts; ++part) {
          first[part] = sums.of[part][r][n][2 * half];
          second[part] = sums.of[part][r][n][2 * half + 1];
        }
        const int32_t x = block.x + tile % c.shape.block_tiles * kNqTileColumns + lane % 4 * 2;
        store_two(c, block, place, o, y, x, joined<kParts>(first), joined<kParts>(second));
      }
    }
  }
}

// A warp's part of its block, as one lane sees it.
struct Warp {
  int32_t lane, first_row, first_tile;
  bool is_busy;                  // the same for all lanes: it has pixels and channels of the map
  int32_t starts[kWarpColumns];  // where a lane's pixels begin in shared memory
  const uint4* weights;          // of the next step
};

// Two blocks to a multiprocessor where the sums leave the registers for it. Weights are fetched a step ahead where
// there are registers for those as well; elsewhere, one of the warps that share them brings them into the cache.
template <int kRowTiles, int kParts>
constexpr int kResidentBlocks = kRowTiles * (kParts + 1) <= 4 ? 2 : 1;
template <int kRowTiles, int kParts>
constexpr bool kFetchesAhead = kResidentBlocks<kRowTiles, kParts> == 1 || kRowTiles * (kParts + 1) <= 2;
template <int kRowTiles, int kParts>
constexpr int kStepVectors = kRowTiles * kParts * 32;

template <int kRowTiles, int kParts>
__device__ __forceinline__ Warp this_warp(const TensorConv& c, const Block& block) {
  const TensorShape& s = c.shape;
  const int32_t warp = threadIdx.x / 32, row_warp = block.group * s.row_warps + warp % s.row_warps;
  Warp w;
  w.lane = threadIdx.x % 32;
  w.first_row = row_warp * kRowTiles * kNqTileRows;
  w.first_tile = warp / s.row_warps * kWarpColumns;
  w.is_busy = false;
#pragma unroll
  for (int32_t n = 0; n < kWarpColumns; ++n) {
    const int32_t tile = w.first_tile + n, row = tile / s.block_tiles, column = tile % s.block_tiles * kNqTileColumns;
    w.starts[n] = row * s.pitch + column + w.lane / 4;
    w.is_busy = w.is_busy || (block.y + row < s.height && block.x + column < s.width);
  }
  w.is_busy = w.is_busy && w.first_row < c.channels;
  w.weights = c.weights + int64_t{row_warp} * s.steps() * kStepVectors<kRowTiles, kParts> + w.lane;
  return w;
}

// Has one of the warps that share weights, each in turn, bring those of the step after `step` into the cache.
template <int kVectors>
__device__ __forceinline__ void prefetch_weights(const TensorShape& s, const Warp& w, int32_t step) {
  constexpr int32_t kLineVectors = 8;
  const bool is_its_turn = threadIdx.x / 32 / s.row_warps == step % (kTensorWarps / s.row_warps);
  if (is_its_turn && w.lane < kVectors / kLineVectors) {
    nq_prefetch(w.weights - w.lane + kVectors + w.lane * kLineVectors);
  }
}

// Adds the products of a stage.
template <int kRowTiles, int kParts>
__device__ __forceinline__ void multiply_stage(const TensorShape& s, int32_t steps, const uint4* staged,
                                               const int32_t* offsets, Warp& w, Weights<kRowTiles, kParts>& weights,
                                               Sums<kRowTiles, kParts>& sums) {
  constexpr int32_t kVectors = kStepVectors<kRowTiles, kParts>;
  constexpr bool kAhead = kFetchesAhead<kRowTiles, kParts>;
  for (int32_t step = 0; step < steps; ++step) {
    Weights<kRowTiles, kParts> fetched;
    if constexpr (kAhead) {
      fetched.load(w.weights + kVectors);
    } else {
      weights.load(w.weights);
      prefetch_weights<kVectors>(s, w, step);
    }
    w.weights += kVectors;
    const int32_t offset = offsets[kNqStepOctets * step + w.lane % 4];
    int32_t pixels[kWarpColumns];
#pragma unroll
    for (int32_t n = 0; n < kWarpColumns; ++n) pixels[n] = w.starts[n] + offset;
    multiply(weights, staged, pixels, sums);
    if constexpr (kAhead) weights = fetched;
  }
}

template <int kRowTiles, int kParts>
__global__ void __launch_bounds__(kTensorThreads, (kResidentBlocks<kRowTiles, kParts>))
    conv_tensor_kernel(const __grid_constant__ TensorConv c) {
  const TensorShape& s = c.shape;
  constexpr bool kAhead = kFetchesAhead<kRowTiles, kParts>;
  uint4* const staged = nq_shared_memory<uint4>();
  int32_t* const offsets = reinterpret_cast<int32_t*>(staged + s.stage_octets * s.plane);
  const Block block = this_block(s);
  Warp warp = this_warp<kRowTiles, kParts>(c, block);
  fill_offsets(c, offsets);
  Sums<kRowTiles, kParts> sums = {};
  Weights<kRowTiles, kParts> weights;
  if constexpr (kAhead) weights.load(warp.weights);
  for (int32_t stage = 0; stage < s.stages; ++stage) {
    __syncthreads();
    stage_octets<kAhead ? 2 : 1>(c, block, stage, staged);
    __syncthreads();
    multiply_stage(s, warp.is_busy ? s.steps_of(stage) : 0, staged, offsets, warp, weights, sums);
  }
  nq_mma_finish();
  if (warp.is_busy) store_sums(c, block, warp.first_row, warp.first_tile, warp.lane, sums);
}

template <int kParts, int kRowTiles = 1>
void launch_rows(const TensorConv& conv, const LaunchShape& shape, cudaStream_t stream) {
  if (conv.shape.row_tiles == kRowTiles) return launch(conv_tensor_kernel<kRowTiles, kParts>, shape, stream, conv);
  constexpr int32_t kMost = kParts == 1 ? kMostRowTiles : kMostRowTilesInParts;
  if constexpr (kRowTiles < kMost) launch_rows<kParts, kRowTiles + 1>(conv, shape, stream);
}

}  // namespace

void run_tensor_conv(const TensorConv& conv, int32_t frames, cudaStream_t stream) {
  const int64_t blocks = conv.shape.blocks() * frames;
  if (blocks > INT32_MAX) throw DeviceError{cudaErrorInvalidConfiguration};
  const LaunchShape shape = {dim3(static_cast<uint32_t>(blocks)), dim3(kTensorThreads),
                             static_cast<size_t>(conv.shape.shared_bytes())};
  conv.shape.parts == 1 ? launch_rows<1>(conv, shape, stream) : launch_rows<2>(conv, shape, stream);
}

}  // namespace nq
