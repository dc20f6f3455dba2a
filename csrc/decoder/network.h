// The integer network of a segment, in the form that synthesis takes: what formats/nq.md 6 computes with.
#ifndef NQ_DECODER_NETWORK_H
#define NQ_DECODER_NETWORK_H

#include <cstdint>
#include <memory>
#include <vector>

#include "decoder/entropy.h"
#include "decoder/layers.h"
#include "decoder/program.h"
#include "nq/synthesis.h"

namespace nq {

// Integers of one operation with tensors, derived from the file's own.
struct Derived {
  std::vector<int16_t> values;                   // a grid's latents, or a convolution's weights as used [out, in, k, k]
  std::vector<int32_t> multiplier, shift, bias;  // by channel; bias in accumulator units
};

class Network {
 public:
  // Checks every rule of 6; throws std::string, the reason, for a network that breaks one. The decoded tensors are used
  // up; `tables` must live as long as the network. `threads` are for Hadamard transforms.
  Network(std::shared_ptr<const Program> program, const Layers& layers, std::vector<DecodedTensor> tensors,
          const NqTables& tables, const NqVideo& video, uint32_t frames, int32_t threads);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  const NqProgram& flat() const { return flat_; }
  const Program& program() const { return *program_; }

 private:
  void describe(size_t index, const std::vector<MapFormat>& formats);
  void describe_planes(const NqVideo& video);

  std::shared_ptr<const Program> program_;
  std::vector<Derived> derived_;  // by operation
  std::vector<NqOp> ops_;
  NqProgram flat_ = {};
};

}  // namespace nq

#endif  // NQ_DECODER_NETWORK_H
