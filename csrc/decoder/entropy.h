// From coded pieces to the integers of a segment's tensors (formats/nq.md, 3): what libnq's coder needs for each.
#ifndef NQ_DECODER_ENTROPY_H
#define NQ_DECODER_ENTROPY_H

#include <cstdint>
#include <vector>

#include "decoder/layers.h"
#include "decoder/reader.h"
#include "decoder/tables.h"

namespace nq {

struct DecodedTensor {
  std::vector<int32_t> steps;   // step indices: one, or one a channel
  std::vector<int32_t> values;  // in array order
};

// The pieces of a segment, in the order of the payload.
struct CodedIntegers {
  PieceRun common;
  std::vector<PieceRun> own;  // by tensor; without pieces for small ones
};

// Finds all pieces; throws Error if they do not end with the payload.
CodedIntegers scan_integers(Reader& reader, const Layers& layers);

// Decodes them on up to `threads` threads; throws Error, which for damage is that of the first damaged piece.
std::vector<DecodedTensor> decode_tensors(const Reader& reader, const Layers& layers, const CodedIntegers& coded,
                                          const Tables& tables, int32_t threads);

}  // namespace nq

#endif  // NQ_DECODER_ENTROPY_H
