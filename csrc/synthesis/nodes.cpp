// Runs operations on strips of rows (formats/nq.md, 6).
#include "synthesis/nodes.h"
#include "common/integer_math.h"

#include <algorithm>
#include <cstring>

#include "synthesis/plan.h"

namespace nq {
namespace {

// Goes on repeating the first `period` of `size` values.
void repeat(int16_t* values, int64_t period, int64_t size) {
  for (int64_t done = period; done < size; done *= 2) {
    std::memcpy(values + done, values, sizeof(int16_t) * std::min(done, size - done));
  }
}

int64_t row_pitch(int32_t width, int32_t kernel) {
  return (int64_t{width} + kRowTile - 1) / kRowTile * kRowTile + kernel - 1;
}

// Columns [first, first + count) of a row, zero where the row has none (a null row has none at all).
void copy_window(const int16_t* row, int32_t width, int64_t first, int64_t count, int16_t* target) {
  const int64_t begin = std::clamp<int64_t>(-first, 0, count), end = std::clamp<int64_t>(width - first, begin, count);
  if (!row) {
    std::memset(target, 0, sizeof(int16_t) * count);
    return;
  }
  std::memset(target, 0, sizeof(int16_t) * begin);
  std::memcpy(target + begin, row + first + begin, sizeof(int16_t) * (end - begin));
  std::memset(target + end, 0, sizeof(int16_t) * (count - end));
}

// 6.2.
void run_grid(const NqProgram& program, const MapKernels& kernels, const Node& node, RowRange rows, int64_t t,
              const Rows& out) {
  const NqOp& op = node.op;
  const int64_t area = map_area(op), size = map_size(op);
  const int64_t p = nq_grid_position(t, program.frames, op.times);
  const int64_t i = p >> kNqGridFractionBits, j = std::min<int64_t>(i + 1, op.times - 1);
  const int32_t fraction = static_cast<int32_t>(p & ((1 << kNqGridFractionBits) - 1));
  for (int64_t c = 0; c < op.channels; ++c) {
    const int16_t* const channel = node.values.data() + c * area + int64_t{rows.first} * op.width;
    const Rescale& r = node.rescale[c];
    const NqBlend blend = {fraction, r.multiplier, r.shift, nq_low(op.map_width), nq_high(op.map_width)};
    kernels.blend(channel + i * size, channel + j * size, int64_t{rows.rows()} * op.width, blend,
                  out.at(c, rows.first));
  }
}

// Blocks of channels outside, rows inside: a block's weights are read once a strip.
void run_dense_rows(const ConvKernels& kernels, const Node& node, RowRange rows, const int16_t* packed, int64_t pitch,
                    const Rows& out) {
  const ConvLayer& c = node.conv;
  const bool is_pointwise = c.kernel == 1;
  const int32_t lines = is_pointwise ? 1 : rows.rows();
  const int32_t columns = is_pointwise ? rows.rows() * node.op.width : node.op.width;
  const int64_t plane = 2 * pitch * (lines + c.kernel - 1);
  for (int32_t block = 0; block * c.block < c.channels; ++block) {
    for (int32_t y = 0; y < lines; ++y) {
      const PackedRows input = {packed + 2 * pitch * y, pitch, plane};
      kernels.dense_row(c, input, columns, block, out.at(block * c.block, rows.first + y), out.stride);
    }
  }
}

// 6.3 and 6.5. The rows that the strip reads are packed first; a pointwise convolution's strip is one long row.
void run_dense(const ConvKernels& kernels, const Node& node, RowRange rows, const Rows& in, const Rows& out,
               int16_t* packed) {
  const ConvLayer& c = node.conv;
  const int32_t width = node.op.width, pad = (c.kernel - 1) / 2;
  const bool is_pointwise = c.kernel == 1;
  const int32_t columns = is_pointwise ? rows.rows() * width : width;
  const int64_t pitch = row_pitch(columns, c.kernel);
  int16_t* target = packed;
  for (int64_t pair = 0; pair < c.pairs(); ++pair) {
    const bool has_second = 2 * pair + 1 < c.in_channels;
    const int32_t end = is_pointwise ? rows.first + 1 : rows.end + pad;
    for (int32_t y = rows.first - pad; y < end; ++y, target += 2 * pitch) {
      const bool inside = y >= 0 && y < node.op.height;
      const int64_t left = inside ? pad : pitch, used = inside ? pad + int64_t{columns} : pitch;
      std::memset(target, 0, sizeof(int16_t) * 2 * left);
      if (inside) {
        const int16_t* const first = in.at(2 * pair, y);
        kernels.pack_pairs(first, has_second ? first + in.stride : nullptr, columns, target + 2 * left);
      }
      std::memset(target + 2 * used, 0, sizeof(int16_t) * 2 * (pitch - used));
    }
  }
  run_dense_rows(kernels, node, rows, packed, pitch, out);
}

// Most of a row is read where it lies; tiles that reach over its edges, or rows over the map's, are packed.
void run_depthwise(const ConvKernels& kernels, const Node& node, RowRange rows, const Rows& in, const Rows& out,
                   int16_t* packed) {
  const ConvLayer& c = node.conv;
  const int32_t width = node.op.width, height = node.op.height, pad = (c.kernel - 1) / 2;
  const auto run_packed = [&](int32_t channel, int32_t y, int32_t first, int32_t columns) {
    const int64_t pitch = row_pitch(columns, c.kernel);
    for (int32_t a = 0; a < c.kernel; ++a) {
      const int32_t row = y + a - pad;
      copy_window(row >= 0 && row < height ? in.at(channel, row) : nullptr, width, first - pad, pitch,
                  packed + a * pitch);
    }
    kernels.depthwise_row(c, {packed, pitch, 0}, columns, channel, out.at(channel, y) + first);
  };
  // The first tile, and from the last that a whole tile and the kernel's reach still fit after.
  const int32_t left = (pad + kRowTile - 1) / kRowTile * kRowTile, whole = (width - left - pad) / kRowTile * kRowTile;
  for (int32_t channel = 0; channel < c.channels; ++channel) {
    for (int32_t y = rows.first; y < rows.end; ++y) {
      if (y < pad || y + pad >= height || whole <= 0) {
        run_packed(channel, y, 0, width);
        continue;
      }
      const int32_t right = left + whole;
      if (left > 0) run_packed(channel, y, 0, left);
      kernels.depthwise_row(c, {in.at(channel, y - pad) + left - pad, width, 0}, whole, channel,
                            out.at(channel, y) + left);
      if (right < width) run_packed(channel, y, right, width - right);
    }
  }
}

// 6.8.
void run_upsample(const MapKernels& kernels, const Node& node, RowRange rows, const Rows& in, const Rows& out) {
  const NqOp& op = node.op;
  UpsampleRow row = {nullptr, nullptr, 0, in.width, op.width, op.ratio, {}};
  for (int32_t phase = 0; phase < op.ratio; ++phase) row.phases[phase] = nq_phase(phase, op.ratio);
  const int64_t last = node.sources[0].height - 1;
  for (int32_t c = 0; c < op.channels; ++c) {
    for (int64_t y = rows.first; y < rows.end; ++y) {
      const NqPhase phase = row.phases[y % op.ratio];
      const int64_t i = y / op.ratio + phase.first;
      row.first = in.at(c, std::max<int64_t>(i, 0));
      row.second = in.at(c, std::min(i + 1, last));
      row.weight = phase.second;
      kernels.upsample_row(row, out.at(c, y));
    }
  }
}

// 6.10.
void run_concat(const MapKernels& kernels, const Node& node, RowRange rows, const Rows* in, const Rows& out) {
  const int32_t low = nq_low(node.op.map_width), high = nq_high(node.op.map_width);
  const int64_t count = int64_t{rows.rows()} * node.op.width;
  int64_t to = 0;
  for (size_t k = 0; k < node.sources.size(); ++k) {
    const NqOp& source = node.sources[k];
    for (int64_t c = 0; c < source.channels; ++c, ++to) {
      kernels.reformat(in[k].at(c, rows.first), count, source.frac - node.op.frac, low, high, out.at(to, rows.first));
    }
  }
}

// 6.11.
void run_pairwise(const MapKernels& kernels, const Node& node, RowRange rows, const Rows* in, const Rows& out) {
  const NqOp& op = node.op;
  const NqPair pair = nq_pair(node.sources[0].frac, node.sources[1].frac, op.map_width, op.frac, op.code == kNqMul);
  const auto kernel = op.code == kNqMul ? kernels.mul : kernels.add;
  for (int64_t c = 0; c < op.channels; ++c) {
    kernel(in[0].at(c, rows.first), in[1].at(c, rows.first), int64_t{rows.rows()} * op.width, pair,
           out.at(c, rows.first));
  }
}

// 6.12.
void run_norm(const MapKernels& kernels, const Node& node, RowRange rows, const Rows& in, const Rows& out) {
  const NqOp& op = node.op;
  NormLayer layer = {in.at(0, rows.first), out.at(0, rows.first), in.stride, out.stride, op.channels, op.frac,
                     nq_low(op.map_width), nq_high(op.map_width)};
  for (int64_t left = int64_t{rows.rows()} * op.width; left > 0; left -= kNormTile) {
    kernels.norm_positions(layer, static_cast<int32_t>(std::min<int64_t>(left, kNormTile)));
    layer.in += kNormTile;
    layer.out += kNormTile;
  }
}

// 6.4.
void run_fold(const MapKernels& kernels, const Node& node, RowRange rows, const Rows& in, const Rows& out) {
  const NqOp& op = node.op;
  for (int64_t c = 0; c < op.channels; ++c) {
    for (int64_t y = rows.first; y < rows.end; ++y) {
      for (int64_t a = 0; a < op.rows; ++a) {
        const int64_t channel = (c * op.rows + a) * op.columns;
        kernels.interleave({in.at(channel, y), in.stride, op.columns, op.width}, out.at(c, y * op.rows + a));
      }
    }
  }
}

// 6.9.
void run_tile(const Node& node, RowRange rows, const Rows& in, const Rows& out) {
  const NqOp &op = node.op, &source = node.sources[0];
  const int32_t columns = std::min(op.width, source.width);
  for (int64_t c = 0; c < op.channels; ++c) {
    for (int64_t y = rows.first; y < rows.end; ++y) {
      std::memcpy(out.at(c, y), in.at(c, y % source.height), sizeof(int16_t) * columns);
      repeat(out.at(c, y), columns, op.width);
    }
  }
}

// 6.13.
void run_window(const MapKernels& kernels, const Node& node, RowRange rows, int64_t t, const Rows& in,
                const Rows& out) {
  const NqOp& op = node.op;
  const WindowPlace place = window_place(node.knots.data(), op, t);
  const NqWindow weights = {op.bits, place.down, place.right};
  for (int64_t c = 0; c < op.channels; ++c) {
    // Channel (i ratio + a) ratio + b has the places (a, b) within the cells of channel i of the input.
    const int64_t a = c / op.ratio % op.ratio, b = c % op.ratio;
    for (int64_t y = rows.first; y < rows.end; ++y) {
      const int64_t row = place.row + y * op.ratio + a;
      const int16_t* const upper = in.at(c / op.ratio / op.ratio, row) + place.column + b;
      kernels.window_row(upper, upper + place.next_row * in.width, place.next_column, op.ratio, op.width, weights,
                         out.at(c, y));
    }
  }
}

// 6.14.
void run_warp(const MapKernels& kernels, const Node& node, RowRange rows, const Rows* in, const Rows& out) {
  const NqOp& op = node.op;
  WarpRow row = {};
  row.in = in[0].at(0, 0), row.in_stride = in[0].stride, row.out_stride = out.stride;
  row.channels = op.channels, row.height = op.height, row.width = op.width;
  row.shift = node.sources[1].frac + op.bits - kNqWarpBits;
  row.taps = op.taps, row.low = nq_low(op.map_width), row.high = nq_high(op.map_width);
  for (row.row = rows.first; row.row < rows.end; ++row.row) {
    row.down = in[1].at(0, row.row), row.right = in[1].at(1, row.row);
    kernels.warp_row(row, out.at(0, row.row));
  }
}

// 6.7.
void run_frequency(const NqProgram& program, const Node& node, int64_t t, const Rows& out) {
  const NqOp& op = node.op;
  const int32_t low = nq_low(op.map_width), high = nq_high(op.map_width);
  constexpr uint32_t kQuarterTurn = uint32_t{1} << 30;
  for (int32_t k = 0; k < op.channels / 2; ++k) {
    const uint32_t angle = node.phases[k] + static_cast<uint32_t>(t) * node.increments[k];
    const int32_t* const sine = program.tables.sine;
    *out.at(2 * k, 0) = static_cast<int16_t>(nq_sine(angle, op.frac, low, high, sine));
    *out.at(2 * k + 1, 0) = static_cast<int16_t>(nq_sine(angle + kQuarterTurn, op.frac, low, high, sine));
  }
}

// 6.6.
void run_planes(const NqProgram& program, const MapKernels& kernels, const Node& node, RowRange rows,
                const FrameTarget& frame, const Rows& in) {
  int64_t first = 0;
  for (int32_t k = 0; k < program.plane_count; ++k) {
    const NqPlane& plane = program.planes[k];
    const int32_t lines = node.op.ratio / plane.sub_y, columns = node.op.ratio / plane.sub_x;
    const int64_t end = std::min<int64_t>(int64_t{rows.end} * lines, plane.height);
    for (int64_t y = int64_t{rows.first} * lines; y < end; ++y) {
      const int64_t channel = first + y % lines * columns;
      kernels.sample_row({in.at(channel, y / lines), in.stride, columns, plane.width}, node.sources[0].frac,
                         program.depth, static_cast<char*>(frame.planes[k]) + y * frame.strides[k]);
    }
    first += int64_t{lines} * columns;
  }
}

}  // namespace

void NodeRunner::run(const Node& node, RowRange rows, const FrameTarget& frame, const Rows* in, const Rows& out,
                     int16_t* scratch) const {
  switch (code_of(node.op)) {
    case kNqGrid: return run_grid(program_, kernels_.maps, node, rows, frame.t, out);
    case kNqConv:
      if (node.op.depthwise) return run_depthwise(kernels_.conv, node, rows, in[0], out, scratch);
      return run_dense(kernels_.conv, node, rows, in[0], out, scratch);
    case kNqShuffle:
    case kNqFold: return run_fold(kernels_.maps, node, rows, in[0], out);
    case kNqUpsample: return run_upsample(kernels_.maps, node, rows, in[0], out);
    case kNqConcat: return run_concat(kernels_.maps, node, rows, in, out);
    case kNqAdd:
    case kNqMul: return run_pairwise(kernels_.maps, node, rows, in, out);
    case kNqNorm: return run_norm(kernels_.maps, node, rows, in[0], out);
    case kNqFrequency: return run_frequency(program_, node, frame.t, out);
    case kNqTile: return run_tile(node, rows, in[0], out);
    case kNqWindow: return run_window(kernels_.maps, node, rows, frame.t, in[0], out);
    case kNqWarp: return run_warp(kernels_.maps, node, rows, in, out);
    case kNqPlanes: return run_planes(program_, kernels_.maps, node, rows, frame, in[0]);
  }
  stop_at_unknown_code(node.op.code);
}

}  // namespace nq
