// A segment's payload taken apart and decoded (formats/nq.md, 2.2, 2.3 and 8.1).
#ifndef NQ_DECODER_SEGMENT_H
#define NQ_DECODER_SEGMENT_H

#include <memory>

#include "decoder/container.h"
#include "decoder/entropy.h"
#include "decoder/layers.h"
#include "decoder/network.h"
#include "decoder/program.h"

namespace nq {

// A payload taken apart, before entropy decoding. Bytes of its parts are counted for whoever describes a file.
struct SegmentLayout {
  Md5Digest md5;
  std::shared_ptr<const Program> program;
  uint8_t levels[3];
  Layers layers;
  CodedIntegers coded;
  size_t header_bytes, program_bytes, layer_bytes;
};

// Checks limits first: nothing of the network's size is allocated before. Throws Error.
SegmentLayout scan_segment(const Segment& segment, const NqVideo& video, const NqLimits& limits, std::string_view file);

// The network of a segment, entropy-decoded on up to `threads` threads. Throws Error.
std::unique_ptr<const Network> decode_segment(const Segment& segment, const SegmentLayout& layout, const NqVideo& video,
                                              const Tables& tables, int32_t threads, std::string_view file);

}  // namespace nq

#endif  // NQ_DECODER_SEGMENT_H
