// The arithmetic coder of formats/nq.md, section 3.2; nqcodec/entropy/coder.py is the definition.
//
// The specification renormalises bit by bit. After an event, the bits on which low and high agree come out together,
// and then the run of positions where low is 1 and high 0 (the third case) is dropped together: once it has begun,
// low's first bit is 0 and high's is 1 until the next event, so the first two cases cannot return.
// An interval of a normalised range (over 2^30) spans at least 2^14, so an event shifts by at most 18 bits.
#ifndef NQ_ARITH_H
#define NQ_ARITH_H

#include <algorithm>
#include <cstdint>

namespace nq {

constexpr uint32_t kTotal = 1u << 16;
constexpr uint32_t kHalfTotal = kTotal / 2;

inline int leading_zeros(uint32_t v) { return v ? __builtin_clz(v) : 32; }

// Shifts that low and high need after an event: `agreed` bits come out, `straddled` are owed.
struct Shifts {
  int agreed, straddled;
};

inline Shifts normalise(uint32_t& low, uint32_t& high) {
  // Neither argument is 0: low is below high, and the lowest bit of the other is 1.
  const int agreed = __builtin_clz(low ^ high);
  low <<= agreed;
  high = (high << agreed) | ((1u << agreed) - 1);
  const int straddled = __builtin_clz(~((low & ~high) << 1));
  low = (low << straddled) & 0x7FFFFFFFu;
  high = (high << straddled) | ((1u << straddled) - 1) | 0x80000000u;
  return {agreed, straddled};
}

inline void narrow(uint32_t& low, uint32_t& high, uint32_t event_low, uint32_t event_high) {
  const uint64_t range = uint64_t{high} - low + 1;
  high = low + static_cast<uint32_t>((range * event_high) >> 16) - 1;
  low += static_cast<uint32_t>((range * event_low) >> 16);
}

// Writes into a caller's buffer and never past its end: what does not fit is dropped and `overflowed` says so.
class Encoder {
 public:
  Encoder(uint8_t* out, int64_t capacity) : out_(out), capacity_(capacity) {}

  // Events with 0 <= event_low < event_high <= 2^16 only.
  void encode(uint32_t event_low, uint32_t event_high) {
    narrow(low_, high_, event_low, event_high);
    const uint32_t before = low_;
    const Shifts shifts = normalise(low_, high_);
    if (shifts.agreed) put_agreed(before, shifts.agreed);
    owed_ += shifts.straddled;
  }

  // Ends the piece and returns its bytes.
  int64_t finish() {
    ++owed_;
    put_with_owed(low_ >= (1u << 30));
    if (filled_) put(0, (8 - filled_ % 8) % 8);
    return size_;
  }

  bool overflowed() const { return size_ > capacity_; }

 private:
  void put_agreed(uint32_t low, int bits) {
    if (owed_ == 0) return put(low >> (32 - bits), bits);
    put_with_owed(low >> 31);
    if (bits > 1) put((low << 1) >> (33 - bits), bits - 1);
  }

  void put_with_owed(uint32_t bit) {
    put(bit, 1);
    while (owed_ > 0) {
      const int run = static_cast<int>(std::min<int64_t>(owed_, 16));
      put(bit ? 0 : (1u << run) - 1, run);
      owed_ -= run;
    }
  }

  // Appends the low `count` <= 32 bits of `bits`, which has no others.
  void put(uint32_t bits, int count) {
    window_ = (window_ << count) | bits;
    filled_ += count;
    while (filled_ >= 8) {
      filled_ -= 8;
      if (size_ < capacity_) out_[size_] = static_cast<uint8_t>(window_ >> filled_);
      ++size_;
    }
  }

  uint8_t* out_;
  int64_t capacity_;
  int64_t size_ = 0;
  int64_t owed_ = 0;
  uint64_t window_ = 0;
  int filled_ = 0;  // bits of the window not yet written
  uint32_t low_ = 0, high_ = 0xFFFFFFFFu;
};

// Reads a piece; past its end the bits are 0. Any bytes decode to something, without undefined behaviour.
class Decoder {
 public:
  Decoder(const uint8_t* data, int64_t size) : next_(data), end_(data + size), size_(size) {
    refill();
    distance_ = static_cast<uint32_t>(window_ >> 32);
    window_ <<= 32;
    filled_ -= 32;
  }

  // `count` of the specification. A quotient that is no integer is at least 1 / range >= 2^-32 below the next one, and
  // doubles below 2^16 are at most 2^-37 apart: so the truncated quotient is exact. It is faster than the 64-bit
  // integer division on CPUs of before 2020.
  uint32_t target() const {
    const uint64_t numerator = ((uint64_t{distance_} + 1) << 16) - 1;
    return static_cast<uint32_t>(static_cast<double>(numerator) / static_cast<double>(uint64_t{high_} - low_ + 1));
  }

  // Takes the event that holds target().
  void advance(uint32_t event_low, uint32_t event_high) {
    const uint32_t before = low_;
    narrow(low_, high_, event_low, event_high);
    distance_ -= low_ - before;
    const Shifts shifts = normalise(low_, high_);
    shift_in(shifts.agreed + shifts.straddled);
  }

  uint32_t bypass() {
    const uint32_t half = static_cast<uint32_t>((uint64_t{high_} - low_ + 1) >> 1);
    const uint32_t bit = distance_ >= half;
    advance(bit * kHalfTotal, (bit + 1) * kHalfTotal);
    return bit;
  }

  uint32_t bypass_number(int bits) {
    uint32_t number = 0;
    for (int i = 0; i < bits; ++i) number = 2 * number + bypass();
    return number;
  }

  // True if the piece has exactly the bytes that its events need.
  bool finished() const { return size_ == (shifts_ + 9) / 8; }

 private:
  void shift_in(int bits) {
    if (filled_ < bits) refill();
    distance_ = (distance_ << bits) | static_cast<uint32_t>((window_ >> 32) >> (32 - bits));
    window_ <<= bits;
    filled_ -= bits;
    shifts_ += bits;
  }

  void refill() {
    if (end_ - next_ >= 8) {
      uint64_t bytes = 0;
      for (int i = 0; i < 8; ++i) bytes = bytes << 8 | next_[i];
      // Bits of a byte that only begins to fit come again with the next refill, to the same places.
      window_ |= bytes >> filled_;
      const int whole = (63 - filled_) / 8;
      next_ += whole;
      filled_ += 8 * whole;
      return;
    }
    while (filled_ <= 56) {
      if (next_ != end_) window_ |= uint64_t{*next_++} << (56 - filled_);
      filled_ += 8;
    }
  }

  const uint8_t* next_;
  const uint8_t* end_;
  int64_t size_;
  int64_t shifts_ = 0;
  // Bits still to come, first at the top; below the filled ones zeros, or bits of the byte at next_.
  uint64_t window_ = 0;
  int filled_ = 0;
  uint32_t low_ = 0, high_ = 0xFFFFFFFFu;
  uint32_t distance_ = 0;  // code - low
};

}  // namespace nq

#endif  // NQ_ARITH_H
