// Bounded reading of the format's integers from one chunk's payload (formats/nq.md, 1).
#ifndef NQ_DECODER_READER_H
#define NQ_DECODER_READER_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nq {

// Never reads past the payload's end; what it cannot read is an error that names file, chunk and byte.
class Reader {
 public:
  // `base` is the payload's offset in the file. What is pointed to must outlive the reader.
  Reader(const uint8_t* data, size_t size, uint64_t base, std::string_view file, std::string_view chunk)
      : data_(data), size_(size), base_(base), file_(file), chunk_(chunk) {}

  std::string_view file() const { return file_; }
  size_t position() const { return position_; }
  size_t left() const { return size_ - position_; }

  // A FormatError at the current position, or at another one.
  [[noreturn]] void fail(std::string_view what) const { fail_at(what, position_); }
  [[noreturn]] void fail_at(std::string_view what, size_t position) const;

  const uint8_t* take(uint64_t count, std::string_view what);
  uint64_t fixed(int bytes, std::string_view what);
  uint8_t u8(std::string_view what) { return static_cast<uint8_t>(fixed(1, what)); }
  uint16_t u16(std::string_view what) { return static_cast<uint16_t>(fixed(2, what)); }
  uint32_t u32(std::string_view what) { return static_cast<uint32_t>(fixed(4, what)); }
  uint32_t uv(std::string_view what);
  int64_t sv(std::string_view what);

 private:
  const uint8_t* data_;
  size_t size_;
  size_t position_ = 0;
  uint64_t base_;
  std::string_view file_, chunk_;
};

}  // namespace nq

#endif  // NQ_DECODER_READER_H
