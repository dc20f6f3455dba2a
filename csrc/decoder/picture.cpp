#include "decoder/picture.h"

#include <cstdlib>
#include <memory>
#include <new>

#include "decoder/video.h"

namespace nq {
namespace {

constexpr size_t kRowAlignment = 64;

// What the library keeps of a picture until it is released.
struct Holder {
  void (*release)(NqPicture*, void*);  // of the settings, or null
  void* cookie;
  void* memory;  // of the library, or null
};

size_t aligned(size_t bytes) { return (bytes + kRowAlignment - 1) / kRowAlignment * kRowAlignment; }

void allocate_planes(NqPicture& picture, Holder& holder) {
  size_t total = 0;
  for (int32_t k = 0; k < picture.planes; ++k) {
    const size_t row = aligned(size_t{picture.width[k]} * static_cast<size_t>(sample_bytes(picture.depth)));
    picture.stride[k] = static_cast<ptrdiff_t>(row);
    total += row * picture.height[k];
  }
  holder.memory = std::aligned_alloc(kRowAlignment, total);
  if (!holder.memory) throw std::bad_alloc();
  auto* next = static_cast<uint8_t*>(holder.memory);
  for (int32_t k = 0; k < picture.planes; ++k) {
    picture.data[k] = next;
    next += static_cast<size_t>(picture.stride[k]) * picture.height[k];
  }
}

}  // namespace

NqPicture PictureAllocator::allocate(const NqVideo& video) const {
  NqPicture picture = {};
  picture.planes = plane_count(video.chroma);
  picture.depth = video.depth;
  picture.chroma = video.chroma;
  for (int32_t k = 0; k < picture.planes; ++k) {
    const PlaneShape shape = plane_shape(video, k);
    picture.width[k] = shape.width;
    picture.height[k] = shape.height;
  }
  auto holder = std::make_unique<Holder>(Holder{release_, cookie_, nullptr});
  if (!allocate_) {
    allocate_planes(picture, *holder);
  } else if (allocate_(&picture, cookie_) != 0) {
    throw std::bad_alloc();
  }
  picture.internal = holder.release();
  return picture;
}

void release_picture(NqPicture& picture) {
  if (!picture.internal) return;
  auto* const holder = static_cast<Holder*>(picture.internal);
  if (holder->release) holder->release(&picture, holder->cookie);
  std::free(holder->memory);
  delete holder;
  picture = {};
}

void hash_picture(Md5& md5, const NqPicture& picture) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "samples are hashed as they lie in memory, which must be little-endian"
#endif
  for (int32_t k = 0; k < picture.planes; ++k) {
    const auto* row = static_cast<const uint8_t*>(picture.data[k]);
    const size_t bytes = size_t{picture.width[k]} * static_cast<size_t>(sample_bytes(picture.depth));
    for (uint32_t y = 0; y < picture.height[k]; ++y, row += picture.stride[k]) md5.update(row, bytes);
  }
}

}  // namespace nq
