#include "decoder/text.h"

namespace nq {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

}  // namespace

void Word::append_to(std::string& out) const {
  if (!is_number_) {
    out += words_;
    return;
  }
  char digits[20];
  char* first = digits + sizeof digits;
  uint64_t rest = magnitude_;
  do {
    *--first = kDigits[rest % 10];
    rest /= 10;
  } while (rest);
  if (is_negative_) out += '-';
  out.append(first, digits + sizeof digits);
}

std::string joined(const Word* words, size_t count) {
  std::string out;
  for (size_t k = 0; k < count; ++k) words[k].append_to(out);
  return out;
}

std::string counted(uint64_t count, std::string_view noun) { return text(count, " ", noun, count == 1 ? "" : "s"); }

std::string hex(const uint8_t* data, size_t size) {
  std::string out;
  for (size_t i = 0; i < size; ++i) {
    out += kDigits[data[i] >> 4];
    out += kDigits[data[i] & 15];
  }
  return out;
}

std::string flags_text(uint32_t flags) {
  std::string digits;
  for (; flags || digits.size() < 2; flags >>= 4) digits.insert(digits.begin(), kDigits[flags & 15]);
  return "0x" + digits;
}

}  // namespace nq
