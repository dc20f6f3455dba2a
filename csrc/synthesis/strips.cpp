#include "synthesis/strips.h"

#include <algorithm>

#include "synthesis/conv.h"
#include "synthesis/plan.h"

namespace nq {
namespace {

// Bytes of maps and packed rows that a strip may have, so that it stays in the cache of a core.
constexpr int64_t kStripBytes = int64_t{3} << 18;
// Strips for each thread that loads are balanced with, where they keep this many rows.
constexpr int32_t kStripsAThread = 4, kLeastRows = 8;

int64_t rounded_up(int64_t v, int64_t unit) { return (v + unit - 1) / unit * unit; }

int64_t even(int64_t v) { return rounded_up(v, 2); }

class Planner {
 public:
  Planner(const NqProgram& program, const Schedule& schedule, int32_t threads)
      : program_(program), schedule_(schedule), threads_(threads) {}

  Strips plan() const {
    Strips strips;
    for (const Group& group : schedule_.groups) {
      strips.rows.emplace_back();
      for (const RowRange& band : group.bands) {
        const int32_t rows = band.rows() > 0 ? height(group, band.rows()) : 0;
        strips.rows.back().push_back(rows);
        if (rows > 0) include(group, rows, strips);
      }
    }
    return strips;
  }

 private:
  int64_t scratch(int32_t index, int32_t rows) const {
    const NqOp& op = program_.ops[index];
    return scratch_values(op, op.input_count > 0 ? program_.ops[op.inputs[0]].channels : 0, rows);
  }

  // Values of a map that lives in a strip.
  int64_t local(int32_t index, int32_t rows) const {
    const NqOp& op = program_.ops[index];
    const bool is_local = schedule_.buffer_of[index] < 0 && op.code != kNqPlanes;
    return is_local ? int64_t{op.channels} * rows * op.width : 0;
  }

  int64_t bytes(const Group& group, int32_t rows) const {
    int64_t maps = 0, packed = 0;
    for (const int32_t index : group.ops) {
      maps += local(index, rows);
      packed = std::max(packed, scratch(index, rows));
    }
    return static_cast<int64_t>(sizeof(int16_t)) * (maps + packed);
  }

  // As many rows as the cache holds, and few enough that every thread has strips.
  int32_t height(const Group& group, int32_t rows) const {
    int32_t fitting = rows;
    while (fitting > 1 && bytes(group, fitting) > kStripBytes) fitting -= (fitting + 7) / 8;
    if (threads_ == 1) return fitting;
    const int64_t threads = threads_;
    const int64_t shares = std::clamp<int64_t>(rows / (threads * kLeastRows), 1, kStripsAThread) * threads;
    return std::min<int32_t>(fitting, static_cast<int32_t>((rows + shares - 1) / shares));
  }

  void include(const Group& group, int32_t rows, Strips& strips) const {
    strips.map_values.resize(std::max(strips.map_values.size(), group.ops.size()));
    for (size_t place = 0; place < group.ops.size(); ++place) {
      int64_t& most = strips.map_values[place];
      most = std::max(most, local(group.ops[place], rows));
      strips.packed_values = std::max(strips.packed_values, scratch(group.ops[place], rows));
    }
  }

  const NqProgram& program_;
  const Schedule& schedule_;
  const int32_t threads_;
};

}  // namespace

Strips plan_strips(const NqProgram& program, const Schedule& schedule, int32_t threads) {
  return Planner(program, schedule, threads).plan();
}

int64_t scratch_values(const NqOp& op, int32_t in_channels, int32_t rows) {
  if (op.code != kNqConv) return 0;
  const int64_t pitch = rounded_up(op.width, kRowTile) + op.kernel - 1;
  if (op.depthwise) return op.kernel * pitch;
  if (op.kernel == 1) return even(in_channels) * rounded_up(int64_t{rows} * op.width, kRowTile);
  return even(in_channels) * (int64_t{rows} + op.kernel - 1) * pitch;
}

int64_t weight_values(const NqOp& op, int32_t in_channels) {
  const int64_t taps = int64_t{op.kernel} * op.kernel;
  return op.channels * (op.depthwise ? even(taps) : even(in_channels) * taps);
}

int64_t needed_bytes(const NqProgram& program, const Schedule& schedule, const Strips& strips, int32_t threads) {
  int64_t values = 0, scratch = strips.packed_values;
  for (int32_t i = 0; i < program.op_count; ++i) {
    const NqOp& op = program.ops[i];
    if (op.code == kNqGrid) values += op.times * map_size(op);
    if (op.code == kNqConv) values += weight_values(op, program.ops[op.inputs[0]].channels);
  }
  for (const int64_t size : schedule.buffer_size) values += size;
  for (const int64_t size : strips.map_values) scratch += size;
  return static_cast<int64_t>(sizeof(int16_t)) * (values + threads * scratch);
}

}  // namespace nq
