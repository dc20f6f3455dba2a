// The two 16-bit float formats and their conversions in integers, rounding to nearest even as the vector paths do.
#ifndef NQ_FLOAT16_H
#define NQ_FLOAT16_H

#include <cstdint>
#include <cstring>

namespace nq {

struct Float16 {
  uint16_t bits;
};

struct Bfloat16 {
  uint16_t bits;
};

inline uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

inline float to_float(Float16 h) {
  const uint32_t sign = (h.bits & 0x8000u) << 16, magnitude = h.bits & 0x7fffu;
  if (magnitude < 0x400) {  // subnormal: a count of 2^-24
    return float_of(sign | bits_of(static_cast<float>(magnitude) * 0x1p-24f));
  }
  const uint32_t rebias = magnitude < 0x7c00 ? 112u << 23 : 224u << 23;  // infinity and NaN stay what they are
  return float_of(sign | ((magnitude << 13) + rebias));
}

inline Float16 to_float16(float x) {
  const uint32_t sign = bits_of(x) >> 16 & 0x8000u, magnitude = bits_of(x) & 0x7fffffffu;
  uint32_t rounded;
  if (magnitude > 0x7f800000) {
    rounded = 0x7e00 | (magnitude >> 13 & 0x3ff);  // a quiet NaN
  } else if (magnitude >= 0x477ff000) {            // 65520 and above
    rounded = 0x7c00;
  } else if (magnitude < 0x38800000) {  // below 2^-14: adding 0.5 makes the processor round to a multiple of 2^-24
    rounded = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
  } else {
    const uint32_t rebiased = magnitude - (112u << 23);
    rounded = (rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13;
  }
  return {static_cast<uint16_t>(sign | rounded)};
}

inline float to_float(Bfloat16 b) { return float_of(uint32_t{b.bits} << 16); }

inline Bfloat16 to_bfloat16(float x) {
  const uint32_t bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000) return {static_cast<uint16_t>(bits >> 16 | 0x40)};  // a quiet NaN
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

}  // namespace nq

#endif  // NQ_FLOAT16_H
