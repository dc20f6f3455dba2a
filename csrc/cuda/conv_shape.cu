// How dense convolutions are cut for matrix instructions, and their weights packed: host code.
#include <algorithm>

#include "cuda/device_conv.h"
#include "synthesis/plan.h"

namespace nq {
namespace {

int64_t weight_count(const NqOp& op, int32_t fan_in) { return int64_t{op.channels} * fan_in * op.kernel * op.kernel; }

bool has_byte_weights(const NqOp& op, int32_t fan_in) {
  return std::all_of(op.values, op.values + weight_count(op, fan_in), [](int16_t w) { return nq_is_byte(w); });
}

// Clocks of a multiprocessor, about: for bringing an octet of a pixel into shared memory, and for a matrix
// instruction's worth of pairs in all warps of a block. Reading operands takes longer than multiplying where a warp has
// few rows; sums of many rows leave room for one block instead of two.
double stage_clocks(const TensorShape& s) { return 0.35 * s.octets * s.plane; }
double step_clocks(const TensorShape& s) {
  const double multiply = 12.8 * s.row_tiles * s.parts, read = 17.0 + 4.0 * s.row_tiles * s.parts;
  return kTensorWarps * std::max(multiply, read) * (s.row_tiles * (s.parts + 1) > 4 ? 1.15 : 1.0);
}

void set_rectangle(TensorShape& s, int32_t kernel, int32_t tiles) {
  s.block_tiles = tiles;
  s.block_rows = kTensorWarps * kWarpColumns / s.row_warps / tiles;
  s.pitch = tiles * kNqTileColumns + kernel - 1;
  s.pixels = s.pitch * (s.block_rows + kernel - 1);
  // Lanes read four octets of two neighbouring pixels at once: planes that are 2 modulo 8 apart keep them on
  // different banks.
  s.plane = s.pixels + (10 - s.pixels % 8) % 8;
  s.tiles_x = nq_ceil_div(s.width, tiles * kNqTileColumns);
  s.tiles_y = nq_ceil_div(s.height, s.block_rows);
}

// What a block computes: the cheapest of all choices.
void choose_block(TensorShape& shape, int32_t channels, int32_t kernel) {
  const int32_t tiles = nq_ceil_div(channels, kNqTileRows);
  const double steps = static_cast<double>(nq_ceil_div(shape.octets * shape.taps, kNqStepOctets));
  double least = 0;
  TensorShape s = shape;
  for (s.row_warps = 1; s.row_warps <= kMostRowWarps; s.row_warps *= 2) {
    for (s.row_tiles = 1; s.row_tiles <= (s.parts == 1 ? kMostRowTiles : kMostRowTilesInParts); ++s.row_tiles) {
      s.groups = nq_ceil_div(tiles, s.row_warps * s.row_tiles);
      for (int32_t across = 1; across <= kTensorWarps * kWarpColumns / s.row_warps; across *= 2) {
        set_rectangle(s, kernel, across);
        const double cost = static_cast<double>(s.blocks()) * (stage_clocks(s) + steps * step_clocks(s));
        if (least > 0 && cost >= least) continue;
        least = cost;
        shape = s;
      }
    }
  }
}

}  // namespace

TensorShape tensor_shape(const NqOp& op, const NqOp& in, bool may_flatten) {
  TensorShape shape = {};
  if (op.depthwise || op.kernel > 63) return shape;
  const int64_t count = weight_count(op, in.channels);
  if (!std::all_of(op.values, op.values + count, [](int16_t w) { return nq_has_parts(w); })) return shape;
  const bool flat = may_flatten && op.kernel == 1;
  shape.height = flat ? 1 : op.height;
  shape.width = flat ? op.height * op.width : op.width;
  shape.taps = op.kernel * op.kernel;
  shape.octets = nq_ceil_div(in.channels, kNqOctet);
  shape.parts = has_byte_weights(op, in.channels) ? 1 : 2;
  choose_block(shape, op.channels, op.kernel);
  const int64_t octet_bytes = int64_t{16} * shape.plane + int64_t{4} * (shape.taps + kNqStepOctets);
  const int64_t most = std::min<int64_t>(kMostSharedBytes / octet_bytes, shape.octets);
  if (most < 1) return shape;
  shape.stages = nq_ceil_div(shape.octets, static_cast<int32_t>(most));
  shape.stage_octets = nq_ceil_div(shape.octets, shape.stages);
  shape.stages = nq_ceil_div(shape.octets, shape.stage_octets);
  shape.fits = shape.blocks() <= INT32_MAX;
  return shape;
}

std::vector<uint32_t> pack_weights(const NqOp& op, int32_t in_channels, const TensorShape& shape) {
  std::vector<uint32_t> packed(shape.weight_words());
  uint32_t* word = packed.data();
  const auto weight = [&](int32_t o, int32_t i, int32_t tap, int32_t part) -> int32_t {
    if (o >= op.channels || i >= in_channels) return 0;
    const int32_t w = op.values[(int64_t{o} * in_channels + i) * shape.taps + tap];
    return shape.parts == 1 ? w : part == 0 ? nq_high_part(w) : nq_low_part(w);
  };
  const auto pack_lane = [&](int32_t first_row, int32_t stage, int32_t step, int32_t part, int32_t lane) {
    const int32_t pair = kNqStepOctets * step + lane % 4;
    const int32_t octet = pair / shape.taps, tap = pair % shape.taps;
    for (int32_t r = 0; r < 4; ++r, ++word) {
      if (octet >= shape.octets_of(stage)) continue;
      const int32_t o = first_row + lane / 4 + 8 * (r & 1);
      const int32_t i = (stage * shape.stage_octets + octet) * kNqOctet + 4 * (r >> 1);
      *word = nq_pack_bytes(weight(o, i, tap, part), weight(o, i + 1, tap, part), weight(o, i + 2, tap, part),
                            weight(o, i + 3, tap, part));
    }
  };
  for (int32_t warp = 0; warp < shape.groups * shape.row_warps; ++warp) {
    for (int32_t stage = 0; stage < shape.stages; ++stage) {
      for (int32_t step = 0; step < shape.steps_of(stage); ++step) {
        for (int32_t tile = 0; tile < shape.row_tiles; ++tile) {
          const int32_t first_row = (warp * shape.row_tiles + tile) * kNqTileRows;
          for (int32_t part = 0; part < shape.parts; ++part) {
            for (int32_t lane = 0; lane < 32; ++lane) pack_lane(first_row, stage, step, part, lane);
          }
        }
      }
    }
  }
  return packed;
}

int64_t conv_bytes(const NqOp& op, const NqOp& in, bool may_flatten) {
  const TensorShape shape = tensor_shape(op, in, may_flatten);
  const int64_t values = weight_count(op, op.depthwise ? 1 : in.channels);
  return (shape.fits ? 4 * shape.weight_words() : 2 * values) + 3 * int64_t{4} * op.channels;
}

}  // namespace nq
