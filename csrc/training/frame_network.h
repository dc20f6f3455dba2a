// A float network that computes frames one by one, and their gradients, in memory of its own.
#ifndef NQ_TRAINING_FRAME_NETWORK_H
#define NQ_TRAINING_FRAME_NETWORK_H

#include <cstdint>
#include <vector>

#include "nq/frame_gradient.h"
#include "training/frame_maps.h"
#include "training/warp_rows.h"

namespace nq {

struct FrameOp : NqFrameOp {
  std::vector<int32_t> read;  // what `inputs` points to
  std::vector<int32_t> places;
  std::vector<float> parts;
};

class FrameNetwork {
 public:
  // The program has to be valid. `bfloat16` is null where the CPU has no dot products of it.
  FrameNetwork(const NqFrameProgram& program, const FrameKernels& kernels, const ConvKernels* bfloat16,
               const FloatWarpKernels& warp);

  void run(const float* const* tensors, int32_t t, const void* samples, int32_t flags, float share, float* errors,
           float* const* gradients);

  int32_t frames() const { return frames_; }

 private:
  int32_t replaced_input(int32_t index) const;
  bool shares_gradient(int32_t index, int32_t number) const;
  void plan_maps();
  void plan_gradients();
  void forward(int32_t index, const float* const* tensors, int32_t t);
  void backward(int32_t index, const float* const* tensors, int32_t t, float* const* gradients);

  void read_grid(int32_t index, const float* latent, int32_t t);
  void grid_gradients(int32_t index, int32_t t, float* by_latent);
  template <typename Weight>
  void pack_weights(int32_t outputs, int32_t inputs, int32_t kernel, const Weight& weight);
  void convolve(int32_t index, const float* weight, const float* bias);
  void conv_gradients(int32_t index, const float* weight, float* by_weight, float* by_bias);
  void sum_gradients(int32_t index);
  void start_gradients(int32_t index);
  bool is_first(int32_t index, int32_t read) const;
  void warp(int32_t index);
  void warp_gradients(int32_t index);
  FloatWarpRow warp_row(const FrameOp& op, int32_t y);
  void fill_cells(const FrameOp& op);
  void find_vectors(const FrameOp& op, int32_t y);

  Corner corner(const FrameOp& op, int32_t t) const;
  void measure(const void* samples, bool rounds, float* errors);
  void differentiate(const void* samples, float share, const float* errors);
  void read_samples(const void* samples, int32_t y);
  const float* mask_row(int32_t channel, int32_t y) const;

  const FloatMap& input(const FrameOp& op, int32_t number = 0) const { return maps_[op.read[number]]; }
  const FloatMap& input_gradient(const FrameOp& op, int32_t number = 0) const { return gradients_[op.read[number]]; }

  NqFrameProgram program_;
  const FrameKernels& kernels_;
  const ConvKernels* const bfloat16_;
  const FloatWarpKernels& warp_;
  int32_t frames_;
  std::vector<FrameOp> ops_;
  std::vector<int32_t> plane_;
  std::vector<float> average_, plane_weights_, mask_;

  std::vector<FloatMap> maps_, slopes_, gradients_;  // by operation
  std::vector<int32_t> readers_;                     // by operation: how often its map is read
  std::vector<std::vector<int32_t>> first_needed_;   // by operation: inputs whose gradients it is the first to add to
  std::vector<float> map_memory_, gradient_memory_;

  // Working space.
  std::vector<float> weights_, bias_, line_, targets_, conv_scratch_;
  std::vector<float> cells_, by_cells_, vectors_, by_vectors_, values_;
  bool rounds_vectors_ = false;
  const ConvKernels* conv_;  // of this run
};

}  // namespace nq

#endif  // NQ_TRAINING_FRAME_NETWORK_H
