// The memory of a float network: maps stay for the gradients, whose own memory is used again once they are done.
#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "nq/synthesis.h"
#include "training/frame_network.h"

namespace nq {
namespace {

// Places of pieces in one memory, of which those that are free are used again.
class Pieces {
 public:
  int64_t take(int64_t size) {
    auto best = free_.end();
    for (auto piece = free_.begin(); piece != free_.end(); ++piece) {
      if (piece->size >= size && (best == free_.end() || piece->size < best->size)) best = piece;
    }
    if (best == free_.end()) {
      taken_.push_back({size_, size});
      size_ += size;
      return taken_.back().first;
    }
    taken_.push_back(*best);
    free_.erase(best);
    return taken_.back().first;
  }

  void give_back(int64_t first) {
    const auto piece = std::find_if(taken_.begin(), taken_.end(), [&](const Piece& p) { return p.first == first; });
    free_.push_back(*piece);
    taken_.erase(piece);
  }

  int64_t size() const { return size_; }

 private:
  struct Piece {
    int64_t first, size;
  };
  std::vector<Piece> taken_, free_;
  int64_t size_ = 0;
};

int64_t map_size(const NqFrameOp& op) { return FloatMap::size(op.channels, op.height, op.width); }

bool has_activation(const NqFrameOp& op) { return op.code == kNqConv && op.activation != kNqNone; }

}  // namespace

FrameNetwork::FrameNetwork(const NqFrameProgram& program, const FrameKernels& kernels, const ConvKernels* bfloat16,
                           const FloatWarpKernels& warp)
    : program_(program),
      kernels_(kernels),
      bfloat16_(bfloat16),
      warp_(warp),
      frames_(program.frames),
      conv_(&kernels.conv) {
  for (int32_t index = 0; index < program.op_count; ++index) {
    const NqFrameOp& op = program.ops[index];
    ops_.push_back({op, {op.inputs, op.inputs + op.input_count}, {}, {}});
    FrameOp& own = ops_.back();
    if (op.code == kNqGrid) {
      own.places.assign(op.positions, op.positions + frames_);
      own.parts.assign(op.fractions, op.fractions + frames_);
    }
    if (op.code == kNqWindow) own.places.assign(op.positions, op.positions + 2 * frames_);
  }
  readers_.resize(ops_.size());
  for (const FrameOp& op : ops_) {
    for (const int32_t read : op.read) ++readers_[read];
  }
  const NqFrameOp& planes = ops_.back();
  plane_.assign(program.plane, program.plane + planes.channels);
  average_.assign(program.average, program.average + planes.channels);
  plane_weights_.assign(program.plane_weights, program.plane_weights + program.plane_count);
  if (program.mask) {
    mask_.assign(program.mask, program.mask + int64_t{planes.channels} * planes.height * planes.width);
  }
  plan_maps();
  plan_gradients();
}

// The input of a sum in whose place that lies, because nothing else reads it; -1 for none.
int32_t FrameNetwork::replaced_input(int32_t index) const {
  const FrameOp& op = ops_[index];
  return op.code == kNqAdd && readers_[op.read[1]] == 1 ? op.read[1] : -1;
}

// Whether an input of a sum has the sum's gradient itself. Both may, unless one of them changes it before the other one
// has read it: a convolution with an activation does, and so may what shares the gradient of a further sum.
bool FrameNetwork::shares_gradient(int32_t index, int32_t number) const {
  const FrameOp& op = ops_[index];
  if (op.code != kNqAdd || readers_[op.read[number]] != 1) return false;
  const auto keeps = [&](int32_t read) { return ops_[read].code != kNqAdd && !has_activation(ops_[read]); };
  return number == 1 || (keeps(op.read[0]) && keeps(op.read[1]));
}

void FrameNetwork::plan_maps() {
  int64_t size = 0, longest = 0, most_weights = 0, most_bias = 0, most_cells = 0, most_values = 0, most_columns = 0;
  for (size_t index = 0; index < ops_.size(); ++index) {
    const FrameOp& op = ops_[index];
    const bool is_own = op.code != kNqPlanes && replaced_input(index) < 0;
    size += map_size(op) * (is_own + has_activation(op));
    longest = std::max<int64_t>(longest, op.width * std::max(op.ratio, 1));
    if (op.code == kNqConv) {
      const int64_t in = ops_[op.read[0]].channels, square = op.kernel * op.kernel;
      const int64_t ins = in + kOutputs, outs = op.channels + kOutputs;
      most_weights = std::max(most_weights, ins * outs * square);
      most_bias = std::max({most_bias, ins, outs});
    }
    if (op.code == kNqWarp) {
      most_cells = std::max<int64_t>(most_cells, int64_t{op.channels} * op.height * op.width);
      most_values = std::max<int64_t>(most_values, int64_t{op.channels} * op.width);
      most_columns = std::max<int64_t>(most_columns, op.width);
    }
  }
  map_memory_.resize(size);
  int64_t first = 0;
  for (size_t index = 0; index < ops_.size(); ++index) {
    const FrameOp& op = ops_[index];
    const int32_t place = op.code == kNqPlanes ? op.read[0] : replaced_input(index);
    maps_.push_back(place < 0 ? FloatMap::in(&map_memory_[first], op.channels, op.height, op.width) : maps_[place]);
    if (place < 0) first += map_size(op);
    slopes_.push_back(maps_.back());
    if (has_activation(op)) {
      slopes_.back() = FloatMap::in(&map_memory_[first], op.channels, op.height, op.width);
      first += map_size(op);
    }
  }
  weights_.resize(most_weights);
  bias_.resize(most_bias);
  line_.resize(longest + 4 * kRowUnit);
  targets_.resize(int64_t{ops_.back().channels} * FloatMap::row_size(ops_.back().width));
  cells_.resize(most_cells);
  by_cells_.resize(most_cells);
  vectors_.resize(2 * most_columns);
  by_vectors_.resize(2 * most_columns);
  values_.resize(most_values);
}

// A gradient lives from the last operation that reads its map, which adds to it first, to its own operation; one that
// inputs of a sum share, to the first of those.
void FrameNetwork::plan_gradients() {
  const int32_t count = static_cast<int32_t>(ops_.size());
  std::vector<int64_t> first(count, -1);
  std::map<int64_t, int32_t> sharing;  // operations by the gradient that they have, until it is done
  Pieces pieces;
  first_needed_.resize(count);
  for (int32_t index = count - 1; index >= 0; --index) {
    const FrameOp& op = ops_[index];
    for (int32_t number = 0; number < op.input_count; ++number) {
      const int32_t read = op.read[number];
      if (first[read] >= 0) continue;
      if (shares_gradient(index, number)) {
        first[read] = first[index];
      } else {
        first[read] = pieces.take(map_size(ops_[read]));
        first_needed_[index].push_back(read);
      }
      ++sharing[first[read]];
    }
    if (first[index] >= 0 && --sharing[first[index]] == 0) pieces.give_back(first[index]);
  }
  gradient_memory_.resize(pieces.size());
  for (int32_t index = 0; index < count; ++index) {
    const FrameOp& op = ops_[index];
    const bool is_read = first[index] >= 0;
    gradients_.push_back(is_read ? FloatMap::in(&gradient_memory_[first[index]], op.channels, op.height, op.width)
                                 : FloatMap{});
  }
}

}  // namespace nq
