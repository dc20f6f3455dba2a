// What each operation asks for, whether a flat program is legal, and where windows are; shared by the CPU and the CUDA
// library. Switches over codes list every one, so that the compiler names each place that lacks a new one; codes that
// are none are refused by is_valid_op before anything else looks at them.
#ifndef NQ_SYNTHESIS_PLAN_H
#define NQ_SYNTHESIS_PLAN_H

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "common/integer_math.h"
#include "nq/synthesis.h"

namespace nq {

constexpr int64_t kMaxFrames = int64_t{1} << 24;
constexpr int64_t kMaxMapSize = int64_t{1} << 30;  // values of one map: 2^31 bytes (formats/nq.md, 8)

inline NqCode code_of(const NqOp& op) { return static_cast<NqCode>(op.code); }

// Ends a switch over the codes of checked programs: to get here is a fault of this library, not of a file.
[[noreturn]] inline void stop_at_unknown_code(int32_t code) {
  std::fprintf(stderr, "nqcodec: operation code %d was not refused\n", code);
  std::abort();
}

// How many inputs an operation may have; of a code that is none, no number is legal.
struct Arity {
  int32_t least, most;
};

inline Arity arity(const NqOp& op) {
  switch (code_of(op)) {
    case kNqGrid:
    case kNqFrequency: return {0, 0};
    case kNqConv:
    case kNqShuffle:
    case kNqFold:
    case kNqUpsample:
    case kNqNorm:
    case kNqTile:
    case kNqWindow:
    case kNqPlanes: return {1, 1};
    case kNqAdd:
    case kNqMul:
    case kNqWarp: return {2, 2};
    case kNqConcat: return {1, INT32_MAX};
  }
  return {1, 0};
}

// What a row of an operation's map, or of what it enlarges, is computed from.
enum class RowAccess {
  kSame,     // the same row of the input
  kAround,   // as many rows on both sides as a kernel covers
  kBetween,  // the two rows that an enlarged one lies between
  kAll,
};

inline RowAccess row_access(const NqOp& op, int32_t input) {
  switch (code_of(op)) {
    case kNqConv: return op.kernel == 1 ? RowAccess::kSame : RowAccess::kAround;
    case kNqUpsample: return RowAccess::kBetween;
    case kNqTile:
    case kNqWindow: return RowAccess::kAll;
    case kNqWarp: return input == 0 ? RowAccess::kAll : RowAccess::kSame;
    case kNqGrid:
    case kNqFrequency:
    case kNqConcat:
    case kNqAdd:
    case kNqMul:
    case kNqNorm:
    case kNqShuffle:
    case kNqFold:
    case kNqPlanes: return RowAccess::kSame;
  }
  stop_at_unknown_code(op.code);
}

// True for operations whose map depends on t by itself: grids of several times, frequencies, windows that move.
inline bool depends_on_time(const NqOp& op) {
  switch (code_of(op)) {
    case kNqGrid: return op.times > 1;
    case kNqFrequency: return true;
    case kNqWindow:
      return std::any_of(op.knots, op.knots + op.knot_count, [&](const NqKnot& knot) {
        return knot.row != op.knots[0].row || knot.column != op.knots[0].column;
      });
    case kNqConv:
    case kNqShuffle:
    case kNqFold:
    case kNqUpsample:
    case kNqConcat:
    case kNqAdd:
    case kNqMul:
    case kNqNorm:
    case kNqTile:
    case kNqWarp:
    case kNqPlanes: return false;
  }
  stop_at_unknown_code(op.code);
}

inline int64_t map_area(const NqOp& op) { return int64_t{op.height} * op.width; }
inline int64_t map_size(const NqOp& op) { return op.channels * map_area(op); }

inline bool has_valid_format(const NqOp& op) {
  return op.map_width >= 8 && op.map_width <= 14 && op.frac >= 0 && op.frac <= 20;
}

inline bool has_valid_rescale(const NqOp& op) {
  if (!op.values || !op.multiplier || !op.shift) return false;
  return std::all_of(op.shift, op.shift + op.channels, [](int32_t s) { return s >= 1 && s <= 46; });
}

inline bool is_valid_planes(const NqProgram& program, const NqOp& op) {
  int64_t channels = 0;
  for (int32_t k = 0; k < program.plane_count; ++k) {
    const NqPlane& plane = program.planes[k];
    if (plane.sub_x < 1 || plane.sub_y < 1 || op.ratio % plane.sub_x || op.ratio % plane.sub_y) return false;
    const int64_t rows = op.ratio / plane.sub_y, columns = op.ratio / plane.sub_x;
    if (plane.height < 1 || plane.height > op.height * rows) return false;
    if (plane.width < 1 || plane.width > op.width * columns) return false;
    channels += rows * columns;
  }
  return channels == op.channels;
}

inline bool is_valid_conv(const NqOp& op, const NqOp& in) {
  const bool known = op.activation >= kNqNone && op.activation <= kNqHalfTanh;
  return known && op.height == in.height && op.width == in.width && op.bias && has_valid_rescale(op) &&
         op.kernel >= 1 && op.kernel <= 255 && op.kernel % 2 == 1 && (!op.depthwise || op.channels == in.channels);
}

inline bool is_valid_fold(const NqOp& op, const NqOp& in) {
  if (op.rows < 1 || op.columns < 1) return false;
  const int64_t cells = int64_t{op.rows} * op.columns;
  return cells <= in.channels && op.channels * cells == in.channels && op.height == int64_t{in.height} * op.rows &&
         op.width == int64_t{in.width} * op.columns;
}

inline bool is_valid_upsample(const NqOp& op, const NqOp& in) {
  return op.ratio >= 1 && op.ratio <= kNqMostRatio && op.channels == in.channels &&
         op.height <= int64_t{in.height} * op.ratio && op.width <= int64_t{in.width} * op.ratio;
}

inline bool is_valid_window(const NqOp& op, const NqOp& in) {
  if (op.bits < 0 || op.bits > kNqMostWindowBits || op.ratio < 1 || op.ratio > kNqMostRatio || op.knot_count < 1 ||
      !op.knots || op.channels != int64_t{in.channels} * op.ratio * op.ratio) {
    return false;
  }
  const int64_t spare_rows = in.height - int64_t{op.height} * op.ratio;
  const int64_t spare_columns = in.width - int64_t{op.width} * op.ratio;
  if (spare_rows < 0 || spare_columns < 0) return false;
  const int64_t rows = spare_rows << op.bits, columns = spare_columns << op.bits;
  for (int32_t k = 0; k < op.knot_count; ++k) {
    const NqKnot& knot = op.knots[k];
    if (knot.time <= (k > 0 ? op.knots[k - 1].time : -1) || knot.time >= kMaxFrames) return false;
    if (knot.row < 0 || knot.row > rows || knot.column < 0 || knot.column > columns) return false;
  }
  return true;
}

inline bool is_valid_warp(const NqOp& op, const NqOp& vectors) {
  return op.bits >= 0 && op.bits <= kNqMostWarpBits && (op.taps == kNqLinearTaps || op.taps == kNqCubicTaps) &&
         vectors.channels == 2 && vectors.height == op.height && vectors.width == op.width;
}

// Where a window is at frame t: what a kernel needs of its path (formats/nq.md, 6.13).
struct WindowPlace {
  int64_t row, column;            // of the first visible cell
  int32_t down, right;            // weights of the row below and of the column to the right, of 2^bits
  int64_t next_row, next_column;  // how far those are: 0 where they weigh nothing, and the map may end before them
};

inline WindowPlace window_place(const NqKnot* knots, const NqOp& op, int64_t t) {
  const NqKnot* const end = knots + op.knot_count;
  const NqKnot* const after =
      std::upper_bound(knots, end, t, [](int64_t time, const NqKnot& knot) { return time < knot.time; });
  NqKnot at = after == knots ? *after : after[-1];
  if (after != knots && after != end) {
    const int64_t length = after->time - at.time, since = t - at.time;
    at.row += nq_floor_div(2 * (after->row - at.row) * since + length, 2 * length);
    at.column += nq_floor_div(2 * (after->column - at.column) * since + length, 2 * length);
  }
  const int64_t mask = (int64_t{1} << op.bits) - 1;
  const int32_t down = static_cast<int32_t>(at.row & mask), right = static_cast<int32_t>(at.column & mask);
  return {at.row >> op.bits, at.column >> op.bits, down, right, down > 0, right > 0};
}

inline bool is_valid_concat(const NqProgram& program, const NqOp& op) {
  int64_t channels = 0;
  for (int32_t k = 0; k < op.input_count; ++k) {
    const NqOp& in = program.ops[op.inputs[k]];
    if (in.height != op.height || in.width != op.width) return false;
    channels += in.channels;
  }
  return channels == op.channels;
}

inline bool same_shape(const NqOp& a, const NqOp& b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

// True if operation `index` fits its inputs (formats/nq.md, 5), so that no kernel leaves its buffers.
inline bool is_valid_op(const NqProgram& program, int32_t index) {
  const NqOp& op = program.ops[index];
  if (op.channels < 1 || op.height < 1 || op.width < 1 || !has_valid_format(op)) return false;
  if (map_area(op) > kMaxMapSize / op.channels) return false;
  const Arity inputs = arity(op);
  if (op.input_count < inputs.least || op.input_count > inputs.most || (inputs.least && !op.inputs)) return false;
  const auto is_earlier = [&](int32_t i) { return i >= 0 && i < index; };
  if (!std::all_of(op.inputs, op.inputs + op.input_count, is_earlier)) return false;
  const NqOp& in = op.input_count ? program.ops[op.inputs[0]] : op;
  switch (code_of(op)) {
    case kNqGrid: return op.times >= 1 && has_valid_rescale(op);
    case kNqFrequency: return op.increments && op.phases && op.channels % 2 == 0 && map_area(op) == 1;
    case kNqConv: return is_valid_conv(op, in);
    case kNqShuffle:
    case kNqFold: return is_valid_fold(op, in);
    case kNqUpsample: return is_valid_upsample(op, in);
    case kNqConcat: return is_valid_concat(program, op);
    case kNqAdd:
    case kNqMul: return same_shape(op, in) && same_shape(op, program.ops[op.inputs[1]]);
    case kNqNorm: return same_shape(op, in) && op.channels <= kNqMostNormChannels;
    case kNqTile: return op.channels == in.channels;
    case kNqWindow: return is_valid_window(op, in);
    case kNqWarp: return same_shape(op, in) && is_valid_warp(op, program.ops[op.inputs[1]]);
    case kNqPlanes:
      return same_shape(op, in) && op.ratio >= 1 && op.ratio <= kNqMostRatio && is_valid_planes(program, op);
  }
  return false;
}

inline bool is_valid_program(const NqProgram& program) {
  if (!program.ops || program.op_count < 2 || program.frames < 1 || program.depth < 8 || program.depth > 12 ||
      program.plane_count < 1 || program.plane_count > 3) {
    return false;
  }
  const NqTables& tables = program.tables;
  if (!tables.gelu || !tables.silu || !tables.half_tanh || !tables.sine) return false;
  for (int32_t i = 0; i < program.op_count; ++i) {
    if ((program.ops[i].code == kNqPlanes) != (i == program.op_count - 1) || !is_valid_op(program, i)) return false;
  }
  return true;
}

}  // namespace nq

#endif  // NQ_SYNTHESIS_PLAN_H
