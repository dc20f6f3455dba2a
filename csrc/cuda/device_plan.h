// What a CUDA device runs for a program, in what order, and where maps live. Host code only.
//
// Operations whose maps are the same for every frame run once, when a program is loaded; the others for a batch of
// frames at a time. A convolution's store does what follows it alone: a shuffle or fold, then an add or mul.
#ifndef NQ_DEVICE_PLAN_H
#define NQ_DEVICE_PLAN_H

#include <vector>

#include "synthesis/plan.h"

namespace nq {

struct NodePlan {
  int32_t op = -1;     // the operation that runs
  int32_t fold = -1;   // a shuffle or fold that its store does
  int32_t pair = -1;   // an add or mul that its store does
  int32_t other = -1;  // what the pair reads beside it
  int32_t made = -1;   // the operation whose map it writes
  bool is_static = false;
};

// Which buffer holds each map, and how many values of a frame each buffer takes. A buffer is free again once the last
// reader of its map has run. A map goes where it fits most closely, else into the largest buffer, which grows.
struct Placement {
  std::vector<int32_t> buffer_of;  // by operation; -1 for maps that are elsewhere or nowhere
  std::vector<int64_t> buffer_size;
  std::vector<char> is_kept;  // by buffer: holds a map that is read for every frame
};

struct DevicePlan {
  std::vector<NodePlan> nodes;  // in program order
  std::vector<char> is_static;  // by operation
  Placement once, each;         // maps of static nodes; of the others, for every frame of a batch
};

// For a valid program. Operations that nothing needs are left out.
DevicePlan plan_device(const NqProgram& program);

// Bytes of the planes of a frame, one plane after the other.
int64_t plane_bytes(const NqProgram& program, int32_t plane);
int64_t picture_bytes(const NqProgram& program);

// What is different for each frame of a batch, found on the host; a node that depends on t has one for each.
struct FramePlace {
  int64_t first, second;  // grid: where its two latents begin; window: row and column of the first visible cell
  int32_t a, b, c, d;     // grid: the second's weight; window: weights, then offsets of the next cell, down and right
};

FramePlace frame_place(const NqOp& op, int64_t t, int64_t frames);

constexpr int32_t kSlots = 2;  // batches in flight

// Device memory that a program takes: whatever the batch is, and for each of its frames.
struct DeviceMemory {
  int64_t fixed, each;

  int64_t bytes(int32_t batch) const { return fixed + batch * each; }
};

DeviceMemory device_memory(const NqProgram& program, const DevicePlan& plan);

}  // namespace nq

#endif  // NQ_DEVICE_PLAN_H
