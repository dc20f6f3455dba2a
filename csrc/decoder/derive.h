// Rescale factors, accumulator biases and weights as used of one operation (formats/nq.md, 6.1 to 6.3).
#ifndef NQ_DECODER_DERIVE_H
#define NQ_DECODER_DERIVE_H

#include <string>

#include "decoder/network.h"

namespace nq {

// A decoded tensor and its record.
struct Tensor {
  const TensorEntry* entry;
  DecodedTensor* data;
};

// Of a grid whose map has `format`. Uses the tensor up. Throws std::string, the reason, as the next one does.
Derived derive_grid(const MapFormat& format, const Tensor& latent);

// Of convolution `index`, which reads a map of `in` and gives one of `format`.
Derived derive_conv(size_t index, const Operation& op, const MapFormat& in, const MapFormat& format,
                    const Tensor& weight, const Tensor& bias, int32_t threads);

}  // namespace nq

#endif  // NQ_DECODER_DERIVE_H
