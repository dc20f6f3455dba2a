// Texts of messages, put together from words and numbers.
#ifndef NQ_DECODER_TEXT_H
#define NQ_DECODER_TEXT_H

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace nq {

// A part of a message: words, or an integer.
class Word {
 public:
  Word(std::string_view words) : words_(words) {}
  Word(const std::string& words) : words_(words) {}
  Word(const char* words) : words_(words) {}
  template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
  Word(T number) : is_number_(true), is_negative_(number < 0), magnitude_(static_cast<uint64_t>(number)) {
    if (is_negative_) magnitude_ = ~magnitude_ + 1;
  }

  void append_to(std::string& out) const;

 private:
  std::string_view words_;
  bool is_number_ = false, is_negative_ = false;
  uint64_t magnitude_ = 0;
};

std::string joined(const Word* words, size_t count);

// The parts one after the other.
template <class... Parts>
std::string text(const Parts&... parts) {
  const Word words[] = {Word(parts)...};
  return joined(words, sizeof...(parts));
}

// "1 frame", "2 frames".
std::string counted(uint64_t count, std::string_view noun);

// Bytes as lower-case hexadecimal digits.
std::string hex(const uint8_t* data, size_t size);

// A byte or a set of flags as 0x.., of at least two digits.
std::string flags_text(uint32_t flags);

}  // namespace nq

#endif  // NQ_DECODER_TEXT_H
