// Makes operations ready to run: packs weights, finds the ends of rescales, builds activation tables.
#include <algorithm>

#include "common/integer_math.h"
#include "synthesis/nodes.h"
#include "synthesis/plan.h"
#include "synthesis/strips.h"

namespace nq {
namespace {

// Dense weights [out, in, k, k] in the order that ConvLayer describes.
std::vector<int16_t> pack_dense(const NqOp& op, int32_t in_channels, int32_t block) {
  const int64_t taps = int64_t{op.kernel} * op.kernel, pairs = (int64_t{in_channels} + 1) / 2;
  std::vector<int16_t> packed(weight_values(op, in_channels));
  int16_t* target = packed.data();
  for (int32_t first = 0; first < op.channels; first += block) {
    const int32_t end = std::min(first + block, op.channels);
    for (int64_t pair = 0; pair < pairs; ++pair) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int32_t o = first; o < end; ++o) {
          for (int64_t i = 2 * pair; i < 2 * pair + 2; ++i) {
            *target++ = i < in_channels ? op.values[(o * int64_t{in_channels} + i) * taps + tap] : int16_t{0};
          }
        }
      }
    }
  }
  return packed;
}

// The least block that needs no more of them than blocks of `most` channels: a last one of few would be slow.
int32_t even_block(int32_t channels, int32_t most) {
  const int32_t blocks = (channels + most - 1) / most;
  return (channels + blocks - 1) / blocks;
}

// Depthwise weights [channel, 1, k, k], an odd number of taps made even.
std::vector<int16_t> pack_depthwise(const NqOp& op) {
  const int64_t taps = int64_t{op.kernel} * op.kernel, padded = (taps + 1) / 2 * 2;
  std::vector<int16_t> packed(weight_values(op, 1));
  for (int64_t c = 0; c < op.channels; ++c) {
    std::copy_n(op.values + c * taps, taps, packed.data() + c * padded);
  }
  return packed;
}

int64_t floor_div(int64_t a, int64_t b) { return nq_floor_div(a, b); }

// rescale(acc) <= high for acc up to acc_high, and >= low from acc_low on.
Rescale bounded(int32_t multiplier, int32_t shift, int32_t low, int32_t high) {
  const int64_t half = int64_t{1} << (shift - 1), unit = int64_t{1} << shift;
  const int64_t most = floor_div((int64_t{high} + 1) * unit - half - 1, multiplier);
  const int64_t least = -floor_div(half - int64_t{low} * unit, multiplier);
  const int64_t upper = shift <= 32 ? int64_t{multiplier} << (32 - shift) : 0;
  return {multiplier, shift, static_cast<int32_t>(std::max<int64_t>(least, INT32_MIN)),
          static_cast<int32_t>(std::min<int64_t>(most, INT32_MAX)),
          upper <= INT32_MAX ? static_cast<int32_t>(upper) : 0};
}

void prepare_conv(Node& node, const Kernels& kernels, ActivationTables& tables) {
  const NqOp& op = node.op;
  const int32_t in_channels = op.depthwise ? 1 : node.sources[0].channels;
  node.bias.assign(op.bias, op.bias + op.channels);
  const int32_t block = even_block(op.channels, kernels.conv.block);
  node.values = op.depthwise ? pack_depthwise(op) : pack_dense(op, in_channels, block);
  const NqEpilogue e = nq_epilogue(op.activation, op.map_width, op.frac, {});
  bool narrows = true, has_upper = true;
  for (int32_t c = 0; c < op.channels; ++c) {
    // The multiplier is at least 2^15 (6.1), so a rescale by one is the only one of shift 15 that does not enlarge.
    narrows = narrows && op.multiplier[c] > 0 && op.multiplier[c] <= int64_t{1} << op.shift[c];
    if (op.multiplier[c] > 0) {
      node.rescale.push_back(bounded(op.multiplier[c], op.shift[c], e.p_low, e.p_high));
    } else {
      node.rescale.push_back({op.multiplier[c], op.shift[c], INT32_MIN, INT32_MAX, 0});
    }
    has_upper = has_upper && node.rescale.back().upper != 0;
  }
  node.conv = {op.channels,
               in_channels,
               op.kernel,
               block,
               node.values.data(),
               node.bias.data(),
               node.rescale.data(),
               narrows,
               narrows && has_upper,
               e.p_low,
               e.p_high,
               tables.find(op, kernels.conv.gates)};
}

}  // namespace

ActivationTable ActivationTables::find(const NqOp& op, bool gates) {
  if (op.activation == kNqNone) return {ActivationTable::kCopy};
  if (op.activation == kNqRelu) return {ActivationTable::kRelu};
  if (op.activation == kNqGelu && gates && can_run_gate(op.frac)) {
    if (!gate_) {
      gate_.reset(new GateTable);
      is_gate_ = fill_gate(tables_.gelu, *gate_);
    }
    if (is_gate_) return {ActivationTable::kGate, nullptr, gate_.get(), op.frac};
  }
  std::vector<int16_t>& table = built_[{op.activation, op.map_width, op.frac}];
  const NqEpilogue e = nq_epilogue(op.activation, op.map_width, op.frac, tables_);
  if (op.activation == kNqHalfTanh) {
    if (table.empty()) {
      for (int32_t i = -kNqTableSize / 2; i < kNqTableSize / 2; ++i) {
        table.push_back(static_cast<int16_t>(nq_activate(16 * i, e)));
      }
    }
    return {ActivationTable::kHalfTanh, table.data() + kNqTableSize / 2};
  }
  if (table.empty()) {
    for (int32_t p = e.p_low; p <= e.p_high; ++p) table.push_back(static_cast<int16_t>(nq_activate(p, e)));
  }
  return {ActivationTable::kValue, table.data() - e.p_low};
}

Node make_node(const NqProgram& program, int32_t index, const Kernels& kernels, ActivationTables& tables) {
  Node node;
  node.op = program.ops[index];
  const NqOp& op = node.op;
  for (int32_t k = 0; k < op.input_count; ++k) {
    node.inputs.push_back(op.inputs[k]);
    node.sources.push_back(program.ops[op.inputs[k]]);
  }
  if (op.code == kNqGrid) {
    node.values.assign(op.values, op.values + op.times * map_size(op));
    for (int32_t c = 0; c < op.channels; ++c) node.rescale.push_back({op.multiplier[c], op.shift[c], 0, 0, 0});
  }
  if (op.code == kNqConv) prepare_conv(node, kernels, tables);
  if (op.code == kNqWindow) node.knots.assign(op.knots, op.knots + op.knot_count);
  if (op.code == kNqFrequency) {
    node.increments.assign(op.increments, op.increments + op.channels / 2);
    node.phases.assign(op.phases, op.phases + op.channels / 2);
  }
  return node;
}

}  // namespace nq
