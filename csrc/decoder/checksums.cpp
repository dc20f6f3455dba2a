#include "decoder/checksums.h"

#include <algorithm>
#include <cstring>

namespace nq {
namespace {

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kCrcTable = crc_table();

// floor(2^32 |sin(i + 1)|), RFC 1321, 3.4.
constexpr uint32_t kSines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

uint32_t rotated(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

// The four words of a step in one of the four rounds; `round` is a constant, so that the loops unroll.
template <int round>
void md5_round(const uint32_t* words, uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d) {
  for (int i = 0; i < 16; ++i) {
    const uint32_t mixed = round == 0   ? (d ^ (b & (c ^ d)))
                           : round == 1 ? (c ^ (d & (b ^ c)))
                           : round == 2 ? (b ^ c ^ d)
                                        : (c ^ (b | ~d));
    const int word = (round == 0 ? i : round == 1 ? 5 * i + 1 : round == 2 ? 3 * i + 5 : 7 * i) & 15;
    const uint32_t turned = rotated(a + mixed + kSines[16 * round + i] + words[word], kShifts[round][i & 3]);
    a = d;
    d = c;
    c = b;
    b += turned;
  }
}

}  // namespace

uint32_t crc32(uint32_t crc, const uint8_t* data, size_t size) {
  crc = ~crc;
  for (size_t i = 0; i < size; ++i) crc = crc >> 8 ^ kCrcTable[(crc ^ data[i]) & 255];
  return ~crc;
}

void Md5::block(const uint8_t* data) {
  uint32_t words[16];
  for (int i = 0; i < 16; ++i) {
    words[i] = uint32_t{data[4 * i]} | uint32_t{data[4 * i + 1]} << 8 | uint32_t{data[4 * i + 2]} << 16 |
               uint32_t{data[4 * i + 3]} << 24;
  }
  uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3];
  md5_round<0>(words, a, b, c, d);
  md5_round<1>(words, a, b, c, d);
  md5_round<2>(words, a, b, c, d);
  md5_round<3>(words, a, b, c, d);
  state_[0] += a;
  state_[1] += b;
  state_[2] += c;
  state_[3] += d;
}

void Md5::update(const uint8_t* data, size_t size) {
  const size_t kept = size_ % sizeof rest_;
  size_ += size;
  if (kept) {
    const size_t taken = std::min(sizeof rest_ - kept, size);
    std::memcpy(rest_ + kept, data, taken);
    if (kept + taken < sizeof rest_) return;
    block(rest_);
    data += taken;
    size -= taken;
  }
  for (; size >= sizeof rest_; data += sizeof rest_, size -= sizeof rest_) block(data);
  if (size) std::memcpy(rest_, data, size);
}

Md5Digest Md5::digest() const {
  Md5 last = *this;
  const uint64_t bits = 8 * size_;
  const uint8_t one = 0x80, zero = 0;
  last.update(&one, 1);
  while (last.size_ % sizeof rest_ != 56) last.update(&zero, 1);
  uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(bits >> (8 * i));
  last.update(length, sizeof length);
  Md5Digest digest;
  for (int i = 0; i < 16; ++i)
    digest[static_cast<size_t>(i)] = static_cast<uint8_t>(last.state_[i / 4] >> (8 * (i & 3)));
  return digest;
}

}  // namespace nq
