// Texts of messages, put together from words and numbers.
#ifndef NQ_DECODER_TEXT_H
#define NQ_DECODER_TEXT_H

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace nq {

inline void append(std::string& out, std::string_view words) { out += words; }

template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
void append(std::string& out, T number) {
  out += std::to_string(number);
}

// The parts one after the other.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

// "1 frame", "2 frames".
inline std::string counted(uint64_t count, std::string_view noun) {
  return text(count, " ", noun, count == 1 ? "" : "s");
}

// Bytes as lower-case hexadecimal digits.
inline std::string hex(const uint8_t* data, size_t size) {
  std::string out;
  for (size_t i = 0; i < size; ++i) {
    for (const int digit : {data[i] >> 4, data[i] & 15}) out += "0123456789abcdef"[digit];
  }
  return out;
}

// A byte or a set of flags as 0x.., of at least two digits.
inline std::string flags_text(uint32_t flags) {
  std::string digits;
  for (; flags || digits.size() < 2; flags >>= 4) digits.insert(digits.begin(), "0123456789abcdef"[flags & 15]);
  return "0x" + digits;
}

}  // namespace nq

#endif  // NQ_DECODER_TEXT_H
