#include <algorithm>

#include "common/integer_math.h"
#include "cuda/device_conv.h"
#include "cuda/device_plan.h"

namespace nq {
namespace {

bool is_static_op(const NqProgram& program, int32_t index, const std::vector<char>& is_static) {
  const NqOp& op = program.ops[index];
  if (op.code == kNqPlanes || depends_on_time(op)) return false;
  return std::all_of(op.inputs, op.inputs + op.input_count, [&](int32_t input) { return is_static[input] != 0; });
}

class NodePlanner {
 public:
  NodePlanner(const NqProgram& program, const std::vector<char>& is_static)
      : program_(program), is_static_(is_static), made_(program.op_count), readers_(program.op_count) {
    std::vector<char> needed(program.op_count);
    needed.back() = 1;
    for (int32_t i = program.op_count - 1; i >= 0; --i) {
      for (int32_t k = 0; needed[i] && k < program.ops[i].input_count; ++k) {
        needed[program.ops[i].inputs[k]] = 1;
        readers_[program.ops[i].inputs[k]].push_back(i);
      }
    }
    for (int32_t i = 0; i < program.op_count; ++i) {
      if (needed[i] && !made_[i]) add(i);
    }
  }

  std::vector<NodePlan> nodes;

 private:
  void add(int32_t index) {
    NodePlan node;
    node.op = node.made = index;
    node.is_static = is_static_[index];
    if (program_.ops[index].code == kNqConv) take_followers(node);
    for (const int32_t done : {node.op, node.fold, node.pair}) {
      if (done >= 0) made_[done] = 1;
    }
    nodes.push_back(node);
  }

  // The only reader of a map if its code is one of two, else -1.
  int32_t follower(int32_t index, int32_t code, int32_t or_code) const {
    if (readers_[index].size() != 1) return -1;
    const int32_t reader = readers_[index].front(), found = program_.ops[reader].code;
    return found == code || found == or_code ? reader : -1;
  }

  // A pair joins only if its other map is there by then, and if that does not make a static map one of every frame.
  void take_followers(NodePlan& node) const {
    node.fold = follower(node.op, kNqShuffle, kNqFold);
    if (node.fold >= 0) node.made = node.fold;
    const int32_t pair = follower(node.made, kNqAdd, kNqMul);
    if (pair < 0 || is_static_[pair] != is_static_[node.op]) return;
    const int32_t* const inputs = program_.ops[pair].inputs;
    const int32_t other = inputs[inputs[0] == node.made ? 1 : 0];
    if (!made_[other]) return;
    node.pair = node.made = pair;
    node.other = other;
  }

  const NqProgram& program_;
  const std::vector<char>& is_static_;
  std::vector<char> made_;
  std::vector<std::vector<int32_t>> readers_;
};

std::vector<int32_t> maps_read(const NqProgram& program, const NodePlan& node) {
  const NqOp& op = program.ops[node.op];
  std::vector<int32_t> maps(op.inputs, op.inputs + op.input_count);
  if (node.other >= 0) maps.push_back(node.other);
  return maps;
}

// Places the maps of the static nodes, or of the others.
class Placer {
 public:
  Placer(const NqProgram& program, const std::vector<NodePlan>& nodes, bool is_static)
      : program_(program), last_reader_(program.op_count, -1) {
    placement.buffer_of.assign(program.op_count, -1);
    const int32_t count = static_cast<int32_t>(nodes.size());
    for (int32_t at = 0; at < count; ++at) {
      last_reader_[nodes[at].made] = std::max(last_reader_[nodes[at].made], at);
      for (const int32_t map : maps_read(program, nodes[at])) {
        // A static map that a node of every frame reads stays for ever.
        const bool stays = is_static && !nodes[at].is_static;
        last_reader_[map] = stays ? count : std::max(last_reader_[map], at);
      }
    }
    for (int32_t at = 0; at < count; ++at) {
      if (nodes[at].is_static != is_static) continue;
      if (program.ops[nodes[at].op].code != kNqPlanes) take(nodes[at].made, last_reader_[nodes[at].made] == count);
      for (int32_t map = 0; map < program.op_count; ++map) {
        if (last_reader_[map] == at && placement.buffer_of[map] >= 0) free_.push_back(placement.buffer_of[map]);
      }
    }
  }

  Placement placement;

 private:
  void take(int32_t map, bool is_kept) {
    std::vector<int64_t>& sizes = placement.buffer_size;
    if (free_.empty()) {
      free_.push_back(static_cast<int32_t>(sizes.size()));
      sizes.push_back(0);
      placement.is_kept.push_back(0);
    }
    const int64_t size = map_size(program_.ops[map]);
    // Those that fit come first, the smallest of them at the front; then the others, the largest first.
    const auto suits_better = [&](int32_t a, int32_t b) {
      return sizes[a] >= size && sizes[b] >= size ? sizes[a] < sizes[b] : sizes[a] > sizes[b];
    };
    const auto best = std::min_element(free_.begin(), free_.end(), suits_better);
    placement.buffer_of[map] = *best;
    sizes[*best] = std::max(sizes[*best], size);
    placement.is_kept[*best] = is_kept;
    free_.erase(best);
  }

  const NqProgram& program_;
  std::vector<int32_t> last_reader_;  // by operation: the last node that reads its map, or makes it
  std::vector<int32_t> free_;
};

int64_t total(const std::vector<int64_t>& sizes) {
  int64_t sum = 0;
  for (const int64_t size : sizes) sum += size;
  return sum;
}

}  // namespace

DevicePlan plan_device(const NqProgram& program) {
  DevicePlan plan;
  plan.is_static.resize(program.op_count);
  for (int32_t i = 0; i < program.op_count; ++i) plan.is_static[i] = is_static_op(program, i, plan.is_static);
  plan.nodes = NodePlanner(program, plan.is_static).nodes;
  plan.once = Placer(program, plan.nodes, true).placement;
  plan.each = Placer(program, plan.nodes, false).placement;
  return plan;
}

int64_t plane_bytes(const NqProgram& program, int32_t plane) {
  return int64_t{program.planes[plane].height} * program.planes[plane].width * (program.depth == 8 ? 1 : 2);
}

int64_t picture_bytes(const NqProgram& program) {
  int64_t bytes = 0;
  for (int32_t k = 0; k < program.plane_count; ++k) bytes += plane_bytes(program, k);
  return bytes;
}

FramePlace frame_place(const NqOp& op, int64_t t, int64_t frames) {
  if (op.code == kNqWindow) {
    const WindowPlace place = window_place(op.knots, op, t);
    return {place.row,
            place.column,
            place.down,
            place.right,
            static_cast<int32_t>(place.next_row),
            static_cast<int32_t>(place.next_column)};
  }
  if (op.code == kNqFrequency) return {t, 0, 0, 0, 0, 0};
  if (op.code != kNqGrid) stop_at_unknown_code(op.code);
  const int64_t p = nq_grid_position(t, frames, op.times), size = map_size(op);
  const int64_t i = p >> kNqGridFractionBits, j = std::min<int64_t>(i + 1, op.times - 1);
  return {i * size, j * size, static_cast<int32_t>(p & ((1 << kNqGridFractionBits) - 1)), 0, 0, 0};
}

DeviceMemory device_memory(const NqProgram& program, const DevicePlan& plan) {
  DeviceMemory memory = {};
  memory.fixed = int64_t{4} * kNqTableSize * sizeof(int32_t) + sizeof(int16_t) * total(plan.once.buffer_size);
  memory.each = sizeof(int16_t) * total(plan.each.buffer_size);
  int64_t slot = picture_bytes(program);
  for (const NodePlan& node : plan.nodes) {
    const NqOp& op = program.ops[node.op];
    if (depends_on_time(op)) slot += sizeof(FramePlace);
    if (op.code == kNqFrequency) memory.fixed += sizeof(uint32_t) * op.channels;
    if (op.code == kNqConv) memory.fixed += conv_bytes(op, program.ops[op.inputs[0]], node.fold < 0);
    if (op.code != kNqGrid) continue;
    memory.fixed += sizeof(int16_t) * op.times * map_size(op) + int64_t{2} * sizeof(int32_t) * op.channels;
  }
  memory.fixed += slot;  // of the slot of one frame
  memory.each += kSlots * slot;
  return memory;
}

}  // namespace nq
