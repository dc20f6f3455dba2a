// Operations other than convolutions on the CPU: their kernels, compiled once for each instruction set as those are
// (synthesis/conv.h).
#ifndef NQ_SYNTHESIS_MAPS_H
#define NQ_SYNTHESIS_MAPS_H

#include <cstdint>

#include "common/integer_math.h"

namespace nq {

// An enlargement of a row (formats/nq.md 6.8).
struct UpsampleRow {
  const int16_t* first;  // the two input rows that the output row lies between
  const int16_t* second;
  int32_t weight;               // of the second
  int32_t in_width, out_width;  // out_width <= in_width * ratio
  int32_t ratio;
  NqPhase phases[kNqMostRatio];  // of columns
};

// A row of all channels of a map at displaced places (formats/nq.md 6.14).
struct WarpRow {
  const int16_t* in;    // the whole map
  int64_t in_stride;    // from channel to channel
  const int16_t* down;  // the row's vectors
  const int16_t* right;
  int64_t out_stride;
  int32_t channels, height, width;
  int32_t row;
  int32_t shift;      // of vectors, to 2^-kNqWarpBits of a cell
  int32_t taps;       // kNqLinearTaps or kNqCubicTaps
  int32_t low, high;  // of the map's width
};

// A norm of positions that follow one another in each channel (formats/nq.md 6.12).
struct NormLayer {
  const int16_t* in;
  int16_t* out;
  int64_t in_stride, out_stride;  // from channel to channel
  int32_t channels, frac;
  int32_t low, high;
};

// Most positions that norm_positions takes at a time.
constexpr int32_t kNormTile = 128;

// Rows of several channels that become one row, value by value in turn: `rows` of them, `stride` apart.
struct Interleaved {
  const int16_t* first;
  int64_t stride;
  int32_t rows;
  int32_t width;  // of the row that they become
};

// The kernels of one instruction set; inputs and outputs never overlap.
struct MapKernels {
  // Two latents of a grid, blended and rescaled (formats/nq.md 6.2).
  void (*blend)(const int16_t* a, const int16_t* b, int64_t count, const NqBlend&, int16_t* out);
  void (*reformat)(const int16_t* in, int64_t count, int32_t n, int32_t low, int32_t high, int16_t* out);
  void (*add)(const int16_t* a, const int16_t* b, int64_t count, const NqPair&, int16_t* out);
  void (*mul)(const int16_t* a, const int16_t* b, int64_t count, const NqPair&, int16_t* out);
  void (*upsample_row)(const UpsampleRow&, int16_t* out);
  // A row of a window between two rows of its map, every `ratio` values; the right neighbour is `next` values on.
  void (*window_row)(const int16_t* upper, const int16_t* lower, int64_t next, int64_t ratio, int64_t count,
                     const NqWindow&, int16_t* out);
  void (*warp_row)(const WarpRow&, int16_t* out);
  void (*norm_positions)(const NormLayer&, int32_t count);
  void (*interleave)(const Interleaved&, int16_t* out);
  // Samples of a plane's row (formats/nq.md 6.6): of 8 bits at depth 8, else of 16.
  void (*sample_row)(const Interleaved&, int32_t frac, int32_t depth, void* out);
};

const MapKernels& scalar_map_kernels();
#if defined(__x86_64__)
const MapKernels& avx2_map_kernels();
const MapKernels& avx512_map_kernels();
const MapKernels& vnni_map_kernels();
#endif

}  // namespace nq

#endif  // NQ_SYNTHESIS_MAPS_H
