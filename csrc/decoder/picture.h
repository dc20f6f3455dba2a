// Pictures that are given out: their memory, and the MD5 of their planes (formats/nq.md, 7).
#ifndef NQ_DECODER_PICTURE_H
#define NQ_DECODER_PICTURE_H

#include "decoder/checksums.h"
#include "nq/nq.h"

namespace nq {

// Where pictures are kept: in the library's memory, or in that of the settings' callbacks.
class PictureAllocator {
 public:
  // `release` may be called after the decoder has gone, and so keeps nothing of it.
  explicit PictureAllocator(const NqSettings& settings)
      : allocate_(settings.allocate), release_(settings.release), cookie_(settings.cookie) {}

  // A picture of the video whose planes are not filled yet; throws std::bad_alloc.
  NqPicture allocate(const NqVideo& video) const;

 private:
  int (*allocate_)(NqPicture*, void*);
  void (*release_)(NqPicture*, void*);
  void* cookie_;
};

// Frees what a picture holds, and makes it empty. An empty one is left alone.
void release_picture(NqPicture& picture);

// A picture that is released unless it is taken.
class OwnedPicture {
 public:
  OwnedPicture() = default;
  explicit OwnedPicture(const NqPicture& picture) : picture_(picture) {}
  OwnedPicture(OwnedPicture&& other) noexcept : picture_(other.take()) {}
  OwnedPicture& operator=(OwnedPicture&& other) noexcept {
    release_picture(picture_);
    picture_ = other.take();
    return *this;
  }
  ~OwnedPicture() { release_picture(picture_); }

  NqPicture& get() { return picture_; }
  NqPicture take() {
    const NqPicture taken = picture_;
    picture_ = {};
    return taken;
  }

 private:
  NqPicture picture_ = {};
};

// Continues the MD5 of planes by those of a picture.
void hash_picture(Md5& md5, const NqPicture& picture);

}  // namespace nq

#endif  // NQ_DECODER_PICTURE_H
