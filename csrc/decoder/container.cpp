#include "decoder/container.h"

#include <algorithm>

#include "decoder/limits.h"

namespace nq {
namespace {

constexpr uint8_t kSignature[] = {0x89, 'N', 'Q', 'V', '\r', '\n', 0x1a, '\n'};
constexpr uint32_t kCommonProgram = 1, kNeeds = 2;  // flags of a segment
constexpr size_t kMd5Bytes = 16;
constexpr size_t kCompact = size_t{1} << 20;  // parsed bytes in front of the others that are worth moving these

constexpr const char* kMetadata[] = {"mDCV", "cLLI", "dMTX", "eNCD"};
constexpr const char* kBeforeSegment[] = {"cLIP", "PROG", "fTIM", "fHSH"};
constexpr const char* kCritical[] = {"VHDR", "SEGM", "PROG", "SIDX", "NEND"};

template <size_t n>
bool is_one_of(const std::string& type, const char* const (&types)[n]) {
  return std::find(std::begin(types), std::end(types), type) != std::end(types);
}

bool is_letter(uint8_t byte) { return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z'); }

uint32_t little_endian(const uint8_t* data) {
  return uint32_t{data[0]} | uint32_t{data[1]} << 8 | uint32_t{data[2]} << 16 | uint32_t{data[3]} << 24;
}

// Bytes as Python shows them: printable ones as they are.
std::string quoted(const uint8_t* data, size_t size) {
  std::string words;
  bool has_single = false, has_double = false;
  for (size_t i = 0; i < size; ++i) {
    const uint8_t byte = data[i];
    has_single |= byte == '\'';
    has_double |= byte == '"';
    if (byte == '\t' || byte == '\n' || byte == '\r') {
      words += byte == '\t' ? "\\t" : byte == '\n' ? "\\n" : "\\r";
    } else if (byte == '\\') {
      words += "\\\\";
    } else if (byte < 32 || byte > 126) {
      words += "\\x" + hex(&byte, 1);
    } else {
      words += static_cast<char>(byte);
    }
  }
  const char* const mark = has_single && !has_double ? "\"" : "'";
  if (has_single && has_double) {
    for (size_t at = 0; (at = words.find('\'', at)) != std::string::npos; at += 2) words.insert(at, "\\");
  }
  return text("b", mark, words, mark);
}

// Integers as the format has them, for the comparison with an index.
void write_uv(std::vector<uint8_t>& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out.push_back(static_cast<uint8_t>(value | 128));
  out.push_back(static_cast<uint8_t>(value));
}

// The payload of the SIDX at byte `end` (2.5); empty if the format's integers do not hold a distance.
std::vector<uint8_t> index_payload(const std::vector<std::shared_ptr<const Segment>>& segments, uint64_t end) {
  std::vector<uint8_t> out;
  write_uv(out, segments.size());
  for (size_t k = 0; k < segments.size(); ++k) {
    const Segment& segment = *segments[k];
    const uint64_t after = (k + 1 < segments.size() ? segments[k + 1]->chunk.offset : end) - segment.chunk.offset;
    if (after > UINT32_MAX || segment.program_distance > UINT32_MAX) return {};
    write_uv(out, segment.frames);
    write_uv(out, after);
    write_uv(out, segment.program_distance);
  }
  const size_t size = out.size() + 4 + kFraming;
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<uint8_t>(size >> (8 * i)));
  return out;
}

}  // namespace

void Container::feed(const uint8_t* data, size_t size) {
  if (begin_ == pending_.size() || begin_ > kCompact) {
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(begin_));
    begin_ = 0;
  }
  pending_.insert(pending_.end(), data, data + size);
  if (stage_ == Stage::kSignature && !take_signature()) return;
  while (stage_ != Stage::kEnd && take_chunk()) {
  }
  // What follows the end is told apart by as many bytes as a signature has.
  if (stage_ == Stage::kEnd && pending_.size() - begin_ >= sizeof kSignature) finish();
}

void Container::finish() {
  const size_t left = pending_.size() - begin_;
  const uint8_t* const data = pending_.data() + begin_;
  if (stage_ == Stage::kSignature) {
    if (!left) throw_format(file_, "the file is empty");
    throw_format(file_, "this is no .nq file (its first 8 bytes are not the signature)");
  }
  if (stage_ == Stage::kEnd) {
    if (!left) return;
    if (left >= sizeof kSignature && std::equal(std::begin(kSignature), std::end(kSignature), data)) {
      throw_format(file_, "", offset_, "another file follows the end chunk: nqtool join makes one of several");
    }
    throw_format(file_, "NEND", offset_, "bytes follow the end chunk");
  }
  if (left < kChunkHead) throw_format(file_, "", offset_, "the file is truncated: a chunk should start here");
  const uint64_t missing = kFraming + uint64_t{little_endian(data + 4)} - left;
  throw_format(file_, std::string(data, data + 4), offset_,
               text("the file is truncated or damaged: ", missing, " bytes of this chunk are missing"));
}

size_t Container::segment_of(uint32_t frame) const {
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), frame,
                                      [](uint32_t f, const auto& segment) { return f < segment->first; });
  if (after == segments_.begin() || frame >= after[-1]->first + after[-1]->frames) return segments_.size();
  return static_cast<size_t>(after - segments_.begin()) - 1;
}

void Container::forget(size_t number) {
  auto rest = std::make_shared<Segment>();
  const Segment& segment = *segments_[number];
  rest->chunk.offset = segment.chunk.offset;
  rest->program_distance = segment.program_distance;
  rest->first = segment.first;
  rest->frames = segment.frames;
  segments_[number] = std::move(rest);
}

bool Container::take_signature() {
  const size_t left = std::min(pending_.size() - begin_, sizeof kSignature);
  if (!std::equal(kSignature, kSignature + left, pending_.begin() + static_cast<ptrdiff_t>(begin_))) {
    throw_format(file_, "this is no .nq file (its first 8 bytes are not the signature)");
  }
  if (left < sizeof kSignature) return false;
  begin_ += left;
  offset_ += left;
  stage_ = Stage::kHeader;
  return true;
}

// Takes a chunk if all of it is there.
bool Container::take_chunk() {
  const size_t left = pending_.size() - begin_;
  if (left < kChunkHead) return false;
  const uint8_t* const data = pending_.data() + begin_;
  if (!std::all_of(data, data + 4, is_letter)) {
    throw_format(file_, "", offset_, text(quoted(data, 4), " is no chunk type: the file is damaged"));
  }
  const uint64_t length = little_endian(data + 4);
  if (left < kFraming + length) return false;
  const uint8_t* const payload = data + kChunkHead;
  const auto size = static_cast<size_t>(length);
  Chunk chunk = {offset_, std::string(data, data + 4), {}};
  if (crc32(crc32(0, data, 4), payload, size) != little_endian(payload + size)) {
    throw_format(file_, chunk.type, offset_, "the CRC does not match: the chunk is damaged");
  }
  chunk.payload.assign(payload, payload + size);
  begin_ += kFraming + size;
  offset_ += kFraming + size;
  take(std::move(chunk));
  return true;
}

void Container::misplaced(const Chunk& chunk, std::string_view why) const {
  throw_format(file_, chunk.type, chunk.offset, text("misplaced chunk: ", why));
}

void Container::take(Chunk chunk) {
  const bool is_critical = chunk.type[0] < 'a';
  if (is_critical && !is_one_of(chunk.type, kCritical)) {
    throw Error{NQ_ERROR_UNSUPPORTED, text(file_, file_.empty() ? "" : ", ", "chunk ", chunk.type, ", byte ",
                                           chunk.offset, ": critical chunk of a newer format: update nqcodec")};
  }
  if (stage_ == Stage::kHeader) return take_header(chunk);
  if (stage_ == Stage::kIndexed && chunk.type != "NEND") misplaced(chunk, "after the index, a file ends with NEND");
  if (is_critical || is_one_of(chunk.type, kMetadata) || is_one_of(chunk.type, kBeforeSegment)) {
    take_known(std::move(chunk));
  }
}

void Container::take_header(const Chunk& chunk) {
  if (chunk.type != "VHDR") misplaced(chunk, "a file starts with VHDR");
  Reader reader = chunk.reader(file_);
  video_ = parse_header(reader);
  check_limit(limits_, &NqLimits::picture_pixels, Count{video_.width} * video_.height, file_);
  has_header_ = true;
  stage_ = Stage::kMetadata;
}

void Container::take_known(Chunk chunk) {
  const bool is_metadata = is_one_of(chunk.type, kMetadata);
  if (is_metadata && stage_ == Stage::kMetadata) return take_metadata(chunk);
  if (is_metadata || chunk.type == "VHDR") {
    misplaced(chunk, "what is about the whole video stands before the first segment, once");
  }
  stage_ = std::max(stage_, Stage::kSegments);
  if (is_one_of(chunk.type, kBeforeSegment)) return take_waiting(std::move(chunk));
  if (chunk.type == "SEGM") return take_segment(std::move(chunk));
  for (const auto& waiting : {waiting_.clip, waiting_.program, waiting_.times, waiting_.hashes}) {
    if (waiting) misplaced(*waiting, "it belongs to a segment, and none follows");
  }
  if (segments_.empty()) misplaced(chunk, "a file has at least one segment");
  return chunk.type == "SIDX" ? take_index(chunk) : take_end(chunk);
}

void Container::take_metadata(const Chunk& chunk) {
  if (std::find(seen_.begin(), seen_.end(), chunk.type) != seen_.end()) misplaced(chunk, "there may be only one");
  seen_.push_back(chunk.type);
  Reader reader = chunk.reader(file_);
  if (chunk.type == "mDCV") return parse_mastering(reader, video_);
  if (chunk.type == "cLLI") return parse_light(reader, video_);
  if (chunk.type == "dMTX") return parse_matrix(reader, video_);
  encoder_ = parse_encoder(reader);
}

void Container::take_waiting(Chunk chunk) {
  std::shared_ptr<const Chunk>& place = chunk.type == "cLIP"   ? waiting_.clip
                                        : chunk.type == "PROG" ? waiting_.program
                                        : chunk.type == "fTIM" ? waiting_.times
                                                               : waiting_.hashes;
  if (place) misplaced(chunk, "there may be only one before a segment");
  place = std::make_shared<const Chunk>(std::move(chunk));
}

void Container::take_segment(Chunk chunk) {
  auto segment = std::make_shared<Segment>();
  segment->chunk = std::move(chunk);
  Reader reader = segment->chunk.reader(file_);
  const uint32_t flags = reader.u8("segment flags");
  if (flags & kNeeds) {
    throw_unsupported(file_, "a segment needs earlier ones, which this format version does not have: update nqcodec");
  }
  if (flags & ~kCommonProgram) {
    throw_unsupported(file_,
                      text("segment flags ", flags_text(flags), " are not of this format version: update nqcodec"));
  }
  const size_t start = reader.position();
  segment->frames = reader.uv("number of frames");
  if (!segment->frames) reader.fail_at("a segment without frames", start);
  segment->body = reader.position();
  reader.take(kMd5Bytes, "the segment's MD5");
  if (waiting_.hashes) {
    const std::vector<uint8_t>& hashes = waiting_.hashes->payload;
    if (hashes.size() != uint64_t{kMd5Bytes} * segment->frames) {
      waiting_.hashes->reader(file_).fail_at(
          text(hashes.size(), " bytes of frame hashes do not fit ", segment->frames, " frames"), 0);
    }
    segment->frame_md5 = hashes;
  }
  if (waiting_.times) {
    Reader times = waiting_.times->reader(file_);
    segment->times = parse_times(times, segment->frames);
  }
  if (waiting_.clip) {
    Reader clip = waiting_.clip->reader(file_);
    segment->clip = parse_clip(clip);
  }
  if (waiting_.program) {
    program_ = waiting_.program;
    ++programs_;
  }
  segment->program = program_;
  const bool takes_program = program_ && flags & kCommonProgram;
  segment->program_distance = takes_program ? segment->chunk.offset - program_->offset : 0;
  waiting_ = {};
  check_limit(limits_, &NqLimits::frames, Count{video_.frames} + segment->frames, file_);
  segment->first = video_.frames;
  segment->time = time_;
  video_.frames += segment->frames;
  time_ = add(time_, segment->times ? segment->times->nanoseconds(segment->frames)
                                    : to_nanoseconds(uint64_t{segment->frames} * video_.fps_den, video_.fps_num));
  segments_.push_back(std::move(segment));
}

void Container::take_index(const Chunk& chunk) {
  const std::vector<uint8_t> right = index_payload(segments_, chunk.offset);
  if (right.empty()) misplaced(chunk, "no index can say where the segments lie");
  if (chunk.payload != right) {
    const size_t common = std::min(chunk.payload.size(), right.size());
    const auto differing =
        std::mismatch(right.begin(), right.begin() + static_cast<ptrdiff_t>(common), chunk.payload.begin());
    chunk.reader(file_).fail_at("the index does not match the segments before it",
                                static_cast<size_t>(differing.first - right.begin()));
  }
  has_index_ = true;
  stage_ = Stage::kIndexed;
}

void Container::take_end(const Chunk& chunk) {
  if (!chunk.payload.empty()) throw_format(file_, "NEND", chunk.offset, "the end chunk is not empty");
  stage_ = Stage::kEnd;
  video_.is_complete = 1;
}

}  // namespace nq
