// What a file's header says of the video, as the decoder works with it.
#ifndef NQ_DECODER_VIDEO_H
#define NQ_DECODER_VIDEO_H

#include <cstdint>

#include "nq/nq.h"

namespace nq {

constexpr int32_t kChroma400 = 0, kChroma420 = 1, kChroma422 = 2, kChroma444 = 3;
constexpr int32_t kMatrixIdentity = 0;  // the planes are G, B, R

struct PlaneShape {
  uint32_t height, width;
  int32_t sub_x, sub_y;
};

inline int32_t plane_count(int32_t chroma) { return chroma == kChroma400 ? 1 : 3; }

inline int32_t sub_x(int32_t chroma, int32_t plane) {
  return plane > 0 && (chroma == kChroma420 || chroma == kChroma422) ? 2 : 1;
}

inline int32_t sub_y(int32_t chroma, int32_t plane) { return plane > 0 && chroma == kChroma420 ? 2 : 1; }

// Chroma of odd sizes is rounded up.
inline PlaneShape plane_shape(const NqVideo& video, int32_t plane) {
  const int32_t sx = sub_x(video.chroma, plane), sy = sub_y(video.chroma, plane);
  const auto part = [](uint32_t size, int32_t sub) {
    return static_cast<uint32_t>((uint64_t{size} + static_cast<uint32_t>(sub) - 1) / static_cast<uint32_t>(sub));
  };
  return {part(video.height, sy), part(video.width, sx), sx, sy};
}

inline const char* chroma_label(int32_t chroma) {
  constexpr const char* kLabels[] = {"4:0:0", "4:2:0", "4:2:2", "4:4:4"};
  return kLabels[chroma];
}

inline bool is_rgb(const NqVideo& video) { return video.chroma == kChroma444 && video.matrix == kMatrixIdentity; }

inline int32_t sample_bytes(int32_t depth) { return depth == 8 ? 1 : 2; }

}  // namespace nq

#endif  // NQ_DECODER_VIDEO_H
