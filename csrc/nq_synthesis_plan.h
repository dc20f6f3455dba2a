// Checks a flat program and plans the memory of its feature maps; shared by the CPU and the CUDA library.
#ifndef NQ_SYNTHESIS_PLAN_H
#define NQ_SYNTHESIS_PLAN_H

#include <algorithm>
#include <cstddef>
#include <vector>

#include "nq_synthesis.h"

namespace nq {

constexpr int64_t kMaxMapSize = int64_t{1} << 30;  // values of one map: 2^31 bytes (formats/nq.md, 8)

inline int64_t map_area(const NqOp& op) { return int64_t{op.height} * op.width; }
inline int64_t map_size(const NqOp& op) { return op.channels * map_area(op); }
inline int32_t fan_in(const NqOp& op, const NqOp& input) { return op.depthwise ? 1 : input.channels; }

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

// True if operation `index` fits its input (formats/nq.md, 5), so that no kernel leaves its buffers.
inline bool is_valid_op(const NqProgram& program, int32_t index) {
  const NqOp& op = program.ops[index];
  if (op.channels < 1 || op.height < 1 || op.width < 1 || !has_valid_format(op)) return false;
  if (map_area(op) > kMaxMapSize / op.channels) return false;
  if (op.code == kNqGrid) return op.times >= 1 && has_valid_rescale(op);
  if (op.input < 0 || op.input >= index) return false;
  const NqOp& in = program.ops[op.input];
  const bool same_size = op.height == in.height && op.width == in.width;
  if (op.code == kNqConv) {
    const bool known = op.activation >= kNqNone && op.activation <= kNqHalfTanh;
    return known && same_size && op.bias && has_valid_rescale(op) && op.kernel >= 1 && op.kernel <= 255 &&
           op.kernel % 2 == 1 && (!op.depthwise || op.channels == in.channels);
  }
  if (op.ratio < 1 || op.ratio > 65535) return false;
  const int64_t r = op.ratio;
  if (op.code == kNqShuffle) {
    return op.channels * r * r == in.channels && op.height == in.height * r && op.width == in.width * r;
  }
  return op.code == kNqPlanes && same_size && op.channels == in.channels && is_valid_planes(program, op);
}

inline bool is_valid_program(const NqProgram& program) {
  if (!program.ops || program.op_count < 2 || program.frames < 1 || program.depth < 8 || program.depth > 12 ||
      program.plane_count < 1 || program.plane_count > 3) {
    return false;
  }
  if (!program.tables.gelu || !program.tables.silu || !program.tables.half_tanh) return false;
  for (int32_t i = 0; i < program.op_count; ++i) {
    if ((program.ops[i].code == kNqPlanes) != (i == program.op_count - 1) || !is_valid_op(program, i)) return false;
  }
  return true;
}

// Which buffer holds each operation's map, and how many values each buffer needs. A buffer is free again once the last
// reader of its map has run, so a chain of any length takes two.
struct MapPlan {
  std::vector<int32_t> buffer_of;  // by operation; -1 for planes
  std::vector<int64_t> buffer_size;
};

inline MapPlan plan_maps(const NqProgram& program) {
  const int32_t count = program.op_count;
  std::vector<int32_t> last_reader(count);
  for (int32_t i = 0; i < count; ++i) {
    last_reader[i] = i;  // a map that nothing reads is free at once
    if (program.ops[i].code != kNqGrid) last_reader[program.ops[i].input] = i;
  }
  MapPlan plan{std::vector<int32_t>(count, -1), {}};
  std::vector<int32_t> free;
  for (int32_t i = 0; i < count; ++i) {
    if (program.ops[i].code != kNqPlanes) {
      if (free.empty()) {
        free.push_back(static_cast<int32_t>(plan.buffer_size.size()));
        plan.buffer_size.push_back(0);
      }
      const auto largest = std::max_element(free.begin(), free.end(), [&](int32_t a, int32_t b) {
        return plan.buffer_size[a] < plan.buffer_size[b];
      });
      plan.buffer_of[i] = *largest;
      plan.buffer_size[*largest] = std::max(plan.buffer_size[*largest], map_size(program.ops[i]));
      free.erase(largest);
    }
    for (int32_t j = 0; j <= i; ++j) {
      if (last_reader[j] == i && plan.buffer_of[j] >= 0) free.push_back(plan.buffer_of[j]);
    }
  }
  return plan;
}

}  // namespace nq

#endif  // NQ_SYNTHESIS_PLAN_H
