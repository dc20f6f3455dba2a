// A program on a CUDA device: its tensors and maps, and what it launches for a batch of frames.
#ifndef NQ_DEVICE_PROGRAM_H
#define NQ_DEVICE_PROGRAM_H

#include <functional>
#include <vector>

#include "cuda/device_conv.h"
#include "cuda/device_maps.h"
#include "cuda/device_memory.h"
#include "cuda/device_plan.h"

namespace nq {

// One node and its tensors on the device.
struct DeviceNode : MapNode {
  NodePlan plan;
  TensorShape tensor;    // of a convolution
  ConvStore store = {};  // the same
  DevicePointer<int16_t> values;
  DevicePointer<uint32_t> packed, increments, phases;
  DevicePointer<int32_t> bias, multiplier, shift;
};

class DeviceProgram {
 public:
  // Copies all that it needs and computes the maps that are the same for every frame.
  DeviceProgram(const NqProgram& program, int32_t batch);

  const NqProgram& program() const { return program_; }
  int64_t place_count() const { return static_cast<int64_t>(placed_.size()); }  // lists of places of a batch

  // Fills [place_count(), frames] for frames from `first` on; those after the last are the last once more.
  void find_places(int64_t first, int32_t frames, FramePlace* places) const;

  // Launches everything for a batch; `after` is called after the launches of each node with its operation.
  void run(const Batch& batch, const std::function<void(int32_t)>& after = nullptr) const;

  // Multiply-accumulates and bytes of each operation for a frame, by operation, as far as it runs on its own.
  void work(NqCudaWork* by_operation) const;

 private:
  DeviceMap map_of(int32_t op) const;
  void copy_tables();
  void add_node(const NqProgram& program, const NodePlan& plan);
  void copy_tensors(DeviceNode& node, const NqOp& in);
  void make_store(const NqProgram& program, DeviceNode& node);
  void run_once();
  void run_node(const DeviceNode& node, const Batch& batch) const;
  void run_conv(const DeviceNode& node, const Batch& batch) const;

  NqProgram program_;  // its `ops` are the caller's and not used after construction; its tables are the device's
  DevicePlan plan_;
  std::vector<DevicePointer<int32_t>> tables_;
  std::vector<DevicePointer<int16_t>> once_, each_;  // maps: of static nodes, and of a batch
  std::vector<DeviceNode> nodes_;
  std::vector<NqOp> placed_;                // operations of the lists of places, in order
  std::vector<std::vector<NqKnot>> knots_;  // the host's: a window's place is found there
};

}  // namespace nq

#endif  // NQ_DEVICE_PROGRAM_H
