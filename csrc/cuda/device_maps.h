// Operations other than convolutions on a CUDA device.
#ifndef NQ_DEVICE_MAPS_H
#define NQ_DEVICE_MAPS_H

#include <cuda_runtime.h>

#include <vector>

#include "cuda/device_plan.h"
#include "cuda/device_store.h"
#include "synthesis/plan.h"

namespace nq {

// A map that an operation reads.
struct MapInput {
  DeviceMap map;
  int32_t channels, height, width, frac;

  int64_t size() const { return int64_t{channels} * height * width; }
};

// What it takes to run an operation for some frames. All pointers are the device's.
struct MapNode {
  NqOp op = {};
  std::vector<MapInput> inputs;
  DeviceMap out;
  int32_t place = -1;  // which of the batch's lists of places is its own, -1 without
};

// The frames of a launch.
struct Batch {
  int32_t frames;
  cudaStream_t stream;
  const FramePlace* places;  // [lists, frames]
  uint8_t* pictures;         // [frames, picture_bytes]

  const FramePlace* places_of(const MapNode& node) const { return places + int64_t{node.place} * frames; }
};

// Any operation but a convolution. `program` has the device's tables.
void run_map(const MapNode& node, const NqProgram& program, const Batch& batch);

// Where frames begin and end: grid, frequency, planes.
void run_grid(const MapNode& node, const Batch& batch);
void run_frequency(const MapNode& node, const int32_t* sine, const Batch& batch);
void run_planes(const MapNode& node, const NqProgram& program, const Batch& batch);

}  // namespace nq

#endif  // NQ_DEVICE_MAPS_H
