// Frames of one segment in order: by one synthesizer whose threads share each frame, or by several that compute whole
// frames beside one another. Threads that share the rows of a small frame wait for one another at every operation, so
// whole frames are faster where maps are small enough to be held several times.
#ifndef NQ_DECODER_FRAMES_H
#define NQ_DECODER_FRAMES_H

#include <memory>
#include <string_view>

#include "decoder/network.h"
#include "decoder/picture.h"
#include "nq/nq.h"

namespace nq {

// How a decoder computes, from its settings.
struct Machine {
  int32_t threads, level;
  bool low_memory;
  bool hashes;  // whether frames get their MD5
};

struct Frame {
  OwnedPicture picture;
  Md5Digest md5 = {};
};

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // The next frame; throws std::bad_alloc.
  virtual Frame next() = 0;
};

// A synthesizer of libnq.
class Synthesizing {
 public:
  // Throws Error, or std::bad_alloc.
  Synthesizing(const Network& network, const NqOptions& options);
  Synthesizing(const Synthesizing&) = delete;
  Synthesizing& operator=(const Synthesizing&) = delete;
  ~Synthesizing() { nq_synth_destroy(handle_); }

  void* handle() const { return handle_; }
  // Fills the planes with frame t of the segment.
  void frame(uint32_t t, const NqPicture& picture) const;

 private:
  void* handle_ = nullptr;
};

// The options of a synthesizer that a frame's threads share.
NqOptions synthesis_options(const Machine& machine);

// Checks that the memory a synthesizer needs is within the limits; throws Error.
void check_memory(const Network& network, const NqOptions& options, const NqLimits& limits, std::string_view file);

// Frames begin..end-1 of a segment. Throws Error, or std::bad_alloc. The network must live as long as it.
std::unique_ptr<FrameSource> open_frames(const Network& network, const NqVideo& video, const NqLimits& limits,
                                         const Machine& machine, const PictureAllocator& allocator, uint32_t begin,
                                         uint32_t end, std::string_view file);

}  // namespace nq

#endif  // NQ_DECODER_FRAMES_H
