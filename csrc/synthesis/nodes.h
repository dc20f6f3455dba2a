// One operation on the CPU, made ready to run, and how it runs on a strip of rows.
#ifndef NQ_SYNTHESIS_NODES_H
#define NQ_SYNTHESIS_NODES_H

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "common/buffer.h"
#include "nq/synthesis.h"
#include "synthesis/conv.h"
#include "synthesis/maps.h"
#include "synthesis/schedule.h"

namespace nq {

struct Kernels {
  const ConvKernels& conv;
  const MapKernels& maps;
};

// Some rows of a map, [C][rows][width] with `stride` values from channel to channel.
struct Rows {
  int16_t* data = nullptr;
  int64_t stride = 0;
  int32_t first = 0;  // which row of the map is the first
  int32_t width = 0;

  int16_t* at(int64_t channel, int64_t row) const { return data + channel * stride + (row - first) * width; }
};

// Activations as tables of every value p, shared by the operations that have the same.
class ActivationTables {
 public:
  explicit ActivationTables(const NqTables& tables) : tables_(tables) {}

  // `gates` allows the gate by vectors, where the CPU has what it needs.
  ActivationTable find(const NqOp& op, bool gates);

 private:
  NqTables tables_;
  std::unique_ptr<GateTable> gate_;
  bool is_gate_ = false;
  std::map<std::tuple<int32_t, int32_t, int32_t>, std::vector<int16_t>> built_;
};

// What an operation needs, copied from the caller's descriptor.
struct Node {
  NqOp op = {};
  std::vector<int32_t> inputs;
  std::vector<NqOp> sources;  // the inputs' operations: shape and format
  std::vector<int16_t> values;
  std::vector<int32_t> bias;
  std::vector<Rescale> rescale;
  std::vector<uint32_t> increments, phases;
  std::vector<NqKnot> knots;
  ConvLayer conv = {};
};

Node make_node(const NqProgram& program, int32_t index, const Kernels& kernels, ActivationTables& tables);

struct FrameTarget {
  int64_t t;
  void* const* planes;
  const int64_t* strides;
};

// Runs nodes on strips. One program serves all threads; each brings its own scratch.
class NodeRunner {
 public:
  NodeRunner(const NqProgram& program, const Kernels& kernels) : program_(program), kernels_(kernels) {}

  // Rows of the group's space (synthesis/schedule.h); `in` has each input's rows.
  void run(const Node& node, RowRange rows, const FrameTarget& frame, const Rows* in, const Rows& out,
           int16_t* scratch) const;

 private:
  const NqProgram& program_;
  const Kernels kernels_;
};

}  // namespace nq

#endif  // NQ_SYNTHESIS_NODES_H
