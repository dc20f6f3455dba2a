// What the chunks beside the pictures say: frame times, HDR10, display matrix, encoder, clips (formats/nq.md, 2.6 to
// 2.10).
#ifndef NQ_DECODER_METADATA_H
#define NQ_DECODER_METADATA_H

#include <cstdint>
#include <string>
#include <vector>

#include "decoder/reader.h"
#include "nq/nq.h"

namespace nq {

constexpr uint64_t kSecond = 1000000000;  // in nanoseconds

// When the frames of a segment are shown.
struct FrameTimes {
  struct Run {
    uint64_t ticks;  // of each frame
    uint32_t first;  // frame of the run
    uint64_t begin;  // ticks from the segment's first frame to it
  };

  uint32_t tick_num = 0, tick_den = 0;
  uint32_t start = 0;  // ticks from the first frame of the source to the first one of the segment
  std::vector<Run> runs;
  uint32_t frames = 0;

  // Ticks from the segment's first frame to frame t, which may be the one after the last.
  uint64_t ticks(uint32_t t) const;
  // The same in nanoseconds, rounded down.
  uint64_t nanoseconds(uint32_t t) const;
};

// `numerator` / `denominator` seconds in nanoseconds, rounded down; what is beyond 64 bits saturates.
uint64_t to_nanoseconds(uint64_t numerator, uint64_t denominator);

// `cLIP`: the segment that follows is the first one of a clip.
struct ClipStart {
  uint32_t first_frame;  // of the clip as it was encoded
  std::string name;
};

// Each reads a payload to its end and throws Error.
FrameTimes parse_times(Reader& reader, uint32_t frames);
void parse_mastering(Reader& reader, NqVideo& video);
void parse_light(Reader& reader, NqVideo& video);
void parse_matrix(Reader& reader, NqVideo& video);
std::string parse_encoder(Reader& reader);
ClipStart parse_clip(Reader& reader);

}  // namespace nq

#endif  // NQ_DECODER_METADATA_H
