#include "decoder/reader.h"

#include "decoder/error.h"

namespace nq {
namespace {

constexpr int kUvBytes = 5;  // most bytes of a uv

}  // namespace

void Reader::fail_at(std::string_view what, size_t position) const {
  throw_format(file_, chunk_, base_ + position, what);
}

const uint8_t* Reader::take(uint64_t count, std::string_view what) {
  if (count > left()) fail(text("the chunk ends inside ", what, ": ", count, " bytes needed, ", left(), " left"));
  const uint8_t* const start = data_ + position_;
  position_ += static_cast<size_t>(count);
  return start;
}

uint64_t Reader::fixed(int bytes, std::string_view what) {
  const uint8_t* const data = take(static_cast<uint64_t>(bytes), what);
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | data[i];
  return value;
}

uint32_t Reader::uv(std::string_view what) {
  const size_t start = position_;
  uint64_t value = 0;
  for (int i = 0; i < kUvBytes; ++i) {
    const uint8_t byte = *take(1, what);
    value |= uint64_t{byte & 127u} << (7 * i);
    if (byte < 128) {
      if (byte == 0 && i > 0) fail_at(text(what, " is not in its shortest form"), start);
      if (value >> 32) fail_at(text(what, " is ", value, ", which is not below 2^32"), start);
      return static_cast<uint32_t>(value);
    }
  }
  fail_at(text(what, " is longer than ", kUvBytes, " bytes"), start);
}

int64_t Reader::sv(std::string_view what) {
  const int64_t value = uv(what);
  return value & 1 ? -((value + 1) >> 1) : value >> 1;
}

}  // namespace nq
