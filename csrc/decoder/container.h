// The file's frame, as it arrives: signature, chunks with CRC, their order, header and index (formats/nq.md, 2).
#ifndef NQ_DECODER_CONTAINER_H
#define NQ_DECODER_CONTAINER_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "decoder/checksums.h"
#include "decoder/error.h"
#include "decoder/metadata.h"
#include "decoder/reader.h"
#include "nq/nq.h"

namespace nq {

constexpr uint32_t kFormatMajor = 2, kFormatMinor = 0;  // newest version that is read; any minor of the major is
constexpr size_t kChunkHead = 8, kFraming = 12;         // bytes of type and length, and with the CRC

// A chunk that is kept, at `offset` in the file.
struct Chunk {
  uint64_t offset;
  std::string type;
  std::vector<uint8_t> payload;

  Reader reader(std::string_view file) const {
    return Reader(payload.data(), payload.size(), offset + kChunkHead, file, type);
  }
};

// A segment and what stands before it.
struct Segment {
  Chunk chunk;                           // without a payload once it has been forgotten
  std::shared_ptr<const Chunk> program;  // the PROG in force, or null
  uint64_t program_distance;             // bytes from the PROG that it takes to its chunk, or 0
  uint32_t first, frames;                // frames in the file
  uint64_t time;                         // of its first frame in the file, in nanoseconds
  size_t body;                           // place of its MD5 in the payload
  std::vector<uint8_t> frame_md5;        // 16 bytes a frame, or none
  std::optional<FrameTimes> times;
  std::optional<ClipStart> clip;
};

class Container {
 public:
  Container(std::string file, const NqLimits& limits) : file_(std::move(file)), limits_(limits) {}

  // Takes the next bytes; throws Error. After one, it may not be called again.
  void feed(const uint8_t* data, size_t size);
  // The file has ended; throws Error if it should not have.
  void finish();

  const std::string& file() const { return file_; }
  uint64_t size() const { return offset_ + pending_.size() - begin_; }
  bool has_header() const { return has_header_; }
  // Whether all that is about the whole video has arrived: what follows it has.
  bool has_metadata() const { return stage_ >= Stage::kSegments; }
  // Frees what decoding a segment needs.
  void forget(size_t number);
  bool is_complete() const { return stage_ == Stage::kEnd; }
  const NqVideo& video() const { return video_; }
  const std::string& encoder() const { return encoder_; }
  bool has_index() const { return has_index_; }
  uint64_t programs() const { return programs_; }  // PROG chunks before segments
  const std::vector<std::shared_ptr<const Segment>>& segments() const { return segments_; }
  // Number of the segment that has a frame, of those that have arrived; their count if none has.
  size_t segment_of(uint32_t frame) const;

 private:
  enum class Stage { kSignature, kHeader, kMetadata, kSegments, kIndexed, kEnd };

  // What stands before the segment that it belongs to.
  struct Waiting {
    std::shared_ptr<const Chunk> program, clip, times, hashes;
  };

  bool take_signature();
  bool take_chunk();
  void take(Chunk chunk);
  void take_header(const Chunk& chunk);
  void take_known(Chunk chunk);
  void take_metadata(const Chunk& chunk);
  void take_waiting(Chunk chunk);
  void take_segment(Chunk chunk);
  void take_index(const Chunk& chunk);
  void take_end(const Chunk& chunk);
  [[noreturn]] void misplaced(const Chunk& chunk, std::string_view why) const;

  std::string file_;
  NqLimits limits_;
  Stage stage_ = Stage::kSignature;
  std::vector<uint8_t> pending_;  // bytes that are not parsed yet, from begin_ on
  size_t begin_ = 0;
  uint64_t offset_ = 0;  // of pending_[begin_] in the file
  bool has_header_ = false, has_index_ = false;
  uint64_t programs_ = 0;
  NqVideo video_ = {};
  std::string encoder_;
  std::vector<std::string> seen_;  // types of metadata chunks
  Waiting waiting_;
  std::shared_ptr<const Chunk> program_;  // in force
  std::vector<std::shared_ptr<const Segment>> segments_;
  uint64_t time_ = 0;  // of the next segment's first frame
};

// Reads the payload of VHDR; throws Error.
NqVideo parse_header(Reader& reader);

}  // namespace nq

#endif  // NQ_DECODER_CONTAINER_H
