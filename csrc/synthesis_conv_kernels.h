// The body of the convolution kernels. Included by one file for each instruction set, after it has defined, in an
// unnamed namespace:
//   NQ_TARGET        attribute that allows the instruction set in a function
//   Vec, kLanes      a vector of kLanes int32 accumulators; kLanes pairs of int16 as well
//   kBlock, kSpan    output channels and vectors of a full tile, chosen so that its accumulators stay in registers
//   vec_set(int32), vec_load(const int16_t*), vec_store(int32_t*, Vec)
//   vec_dot(sum, pairs, weights)   sum + a0 w0 + a1 w1 in each lane
// A bound of formats/nq.md 6.3 keeps every partial sum within 32 bits, in any order.

#include <array>
#include <cstring>
#include <utility>

#include "synthesis_conv.h"

namespace nq {
namespace {

static_assert(kLanes * kSpan <= kMaxTile && kBlock <= kMaxBlock, "packing pads for the largest tile");

// Of a tile's values p. The activation is known before each loop, so that the loops have no branch and vectorise.
NQ_TARGET void activate(const int32_t* __restrict p, int32_t count, const NqEpilogue& e, int16_t* __restrict out) {
  const int32_t frac = e.frac;
  if (e.activation == kNqNone) {
    for (int32_t x = 0; x < count; ++x) out[x] = static_cast<int16_t>(p[x]);
  } else if (e.activation == kNqRelu) {
    for (int32_t x = 0; x < count; ++x) out[x] = static_cast<int16_t>(p[x] > 0 ? p[x] : 0);
  } else if (e.activation == kNqHalfTanh) {
    for (int32_t x = 0; x < count; ++x) out[x] = static_cast<int16_t>(nq_activate(p[x], e));
  } else {
    const int32_t* const table = e.activation == kNqGelu ? e.tables.gelu : e.tables.silu;
    for (int32_t x = 0; x < count; ++x) out[x] = static_cast<int16_t>(nq_gate(p[x], frac, table));
  }
}

// Accumulators to map values: rescale, clamp, activation (6.3).
NQ_TARGET void finish(const int32_t* acc, int32_t count, int32_t multiplier, int32_t shift, const NqEpilogue& e,
                      int16_t* out) {
  int32_t p[kMaxTile];
  const int32_t low = e.p_low, high = e.p_high;
  for (int32_t x = 0; x < count; ++x) p[x] = nq_requantize(acc[x], multiplier, shift, low, high);
  activate(p, count, e, out);
}

// Accumulators of kOut channels by kVectors vectors of columns; `input` is the tile's top left packed pair.
template <int kOut, int kVectors>
NQ_TARGET void dense_tile(const ConvLayer& c, const int16_t* input, const int16_t* weights, const int32_t* bias,
                          int32_t* acc) {
  Vec sum[kOut][kVectors];
  for (int o = 0; o < kOut; ++o) {
    for (int v = 0; v < kVectors; ++v) sum[o][v] = vec_set(bias[o]);
  }
  const int64_t row_step = 2 * c.pitch, plane_step = row_step * c.rows(), pairs = c.pairs();
  for (int64_t i = 0; i < pairs; ++i) {
    for (int32_t a = 0; a < c.kernel; ++a) {
      const int16_t* row = input + i * plane_step + a * row_step;
      for (int32_t b = 0; b < c.kernel; ++b, row += 2) {
        Vec x[kVectors];
        for (int v = 0; v < kVectors; ++v) x[v] = vec_load(row + 2 * v * kLanes);
        for (int o = 0; o < kOut; ++o, weights += 2) {
          int32_t pair;
          std::memcpy(&pair, weights, sizeof pair);
          const Vec w = vec_set(pair);
          for (int v = 0; v < kVectors; ++v) sum[o][v] = vec_dot(sum[o][v], x[v], w);
        }
      }
    }
  }
  for (int o = 0; o < kOut; ++o) {
    for (int v = 0; v < kVectors; ++v) vec_store(acc + (o * kVectors + v) * kLanes, sum[o][v]);
  }
}

using DenseTile = void (*)(const ConvLayer&, const int16_t*, const int16_t*, const int32_t*, int32_t*);

template <int kVectors, int... kIndex>
constexpr std::array<DenseTile, sizeof...(kIndex)> dense_tiles(std::integer_sequence<int, kIndex...>) {
  return {{dense_tile<kIndex + 1, kVectors>...}};
}

// By channels of the block, less one.
constexpr auto kFullTiles = dense_tiles<kSpan>(std::make_integer_sequence<int, kBlock>());
constexpr auto kSingleTiles = dense_tiles<1>(std::make_integer_sequence<int, kBlock>());

NQ_TARGET void dense_row(const ConvLayer& c, const int16_t* packed, int32_t y, int32_t first_block, int32_t end_block,
                         int16_t* out) {
  const int64_t area = int64_t{c.height} * c.width, taps = c.pairs() * c.kernel * c.kernel;
  const int16_t* row = packed + 2 * c.pitch * y;
  alignas(64) int32_t acc[kBlock * kSpan * kLanes];
  for (int32_t block = first_block; block < end_block; ++block) {
    const int32_t first = block * kBlock;
    const int32_t count = c.channels - first < kBlock ? c.channels - first : kBlock;
    const int16_t* weights = c.weights + 2 * taps * first;
    int32_t tile = 0;
    for (int32_t x = 0; x < c.width; x += tile) {
      const bool full = c.width - x > kLanes;
      tile = full ? kSpan * kLanes : kLanes;
      (full ? kFullTiles : kSingleTiles)[count - 1](c, row + 2 * x, weights, c.bias + first, acc);
      const int32_t columns = c.width - x < tile ? c.width - x : tile;
      for (int32_t o = 0; o < count; ++o) {
        finish(acc + o * tile, columns, c.multiplier[first + o], c.shift[first + o], c.epilogue,
               out + (first + o) * area + int64_t{y} * c.width + x);
      }
    }
  }
}

NQ_TARGET void depthwise_row(const ConvLayer& c, const int16_t* packed, int32_t y, int32_t channel, int16_t* out) {
  const int16_t* row = packed + (channel * c.rows() + y) * c.pitch;
  const int16_t* weights = c.weights + int64_t{channel} * c.kernel * c.kernel;
  int16_t* const target = out + (int64_t{channel} * c.height + y) * c.width;
  for (int32_t x = 0; x < c.width; x += kMaxTile) {
    int32_t acc[kMaxTile];
    for (int32_t l = 0; l < kMaxTile; ++l) acc[l] = c.bias[channel];
    for (int32_t a = 0; a < c.kernel; ++a) {
      for (int32_t b = 0; b < c.kernel; ++b) {
        const int16_t* in = row + a * c.pitch + x + b;
        const int32_t w = weights[a * c.kernel + b];
        for (int32_t l = 0; l < kMaxTile; ++l) acc[l] += w * in[l];
      }
    }
    const int32_t columns = c.width - x < kMaxTile ? c.width - x : kMaxTile;
    finish(acc, columns, c.multiplier[channel], c.shift[channel], c.epilogue, target + x);
  }
}

constexpr ConvKernels kKernels = {kBlock, dense_row, depthwise_row};

}  // namespace
}  // namespace nq
