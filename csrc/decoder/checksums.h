// CRC-32 of chunks and MD5 of planes (formats/nq.md, 2 and 7).
#ifndef NQ_DECODER_CHECKSUMS_H
#define NQ_DECODER_CHECKSUMS_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace nq {

// CRC-32 (ISO-HDLC) of what has been seen, `crc` being that of what came before, 0 at the beginning.
uint32_t crc32(uint32_t crc, const uint8_t* data, size_t size);

using Md5Digest = std::array<uint8_t, 16>;

// MD5 (RFC 1321): a checksum here, no protection.
class Md5 {
 public:
  void update(const uint8_t* data, size_t size);
  // The digest of all bytes so far; more may follow.
  Md5Digest digest() const;

 private:
  void block(const uint8_t* data);

  uint32_t state_[4] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u};
  uint64_t size_ = 0;
  uint8_t rest_[64];  // bytes of a block that is not full yet
};

}  // namespace nq

#endif  // NQ_DECODER_CHECKSUMS_H
