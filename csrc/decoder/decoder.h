// A decoder: bytes in, pictures out, in the order of the file or from any frame on.
#ifndef NQ_DECODER_DECODER_H
#define NQ_DECODER_DECODER_H

#include <memory>
#include <optional>
#include <string>

#include "decoder/container.h"
#include "decoder/frames.h"
#include "decoder/picture.h"
#include "decoder/segment.h"
#include "decoder/tables.h"
#include "nq/nq.h"

namespace nq {

// The settings with what is left to the library filled in; throws Error for what is none.
NqSettings checked_settings(const NqSettings& settings);

class Decoder {
 public:
  // Settings that checked_settings has passed.
  explicit Decoder(const NqSettings& settings);

  // These throw Error, std::bad_alloc or std::system_error.
  void send(const uint8_t* data, size_t size);
  void end_of_file();
  NqResult get_picture(NqPicture& picture);  // its Error comes again until the next seek
  void seek(uint32_t frame, uint32_t count);

  const Container& container() const { return container_; }
  const NqLimits& limits() const { return settings_.limits; }
  const Tables& tables() const { return tables_; }

 private:
  // The segment that is being decoded.
  struct Open {
    size_t number;
    std::shared_ptr<const Segment> segment;
    Md5Digest md5;
    std::unique_ptr<const Network> network;
    std::unique_ptr<FrameSource> frames;
    Md5 planes;
    bool is_whole;  // all of its frames are decoded
    uint32_t end;   // frame of the file after the last one to be decoded
  };

  uint32_t last_wanted() const;
  NqResult make_picture(NqPicture& picture);
  void open(size_t number);
  void close_segment();
  void check_frame(const Segment& segment, const Frame& frame) const;
  void describe(const Segment& segment, NqPicture& picture) const;

  NqSettings settings_;
  Container container_;
  Tables tables_;
  PictureAllocator allocator_;
  bool has_ended_ = false;        // the file, as it should
  std::optional<Error> failure_;  // of the container, after which it takes nothing more
  std::optional<Error> stopped_;  // the error of a segment, which ends decoding until the next seek
  std::optional<Open> open_;
  uint32_t next_ = 0;   // frame
  uint32_t count_ = 0;  // of frames from the last seek on that are wanted; 0: all
  uint32_t start_ = 0;  // frame of the last seek
};

}  // namespace nq

#endif  // NQ_DECODER_DECODER_H
