// What every C target shares: reading choices from the fuzzer's bytes, the normative tables, and a check that stops.
#ifndef NQ_FUZZ_INPUT_H
#define NQ_FUZZ_INPUT_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "fuzz_tables.h"  // made by tests/fuzz/targets.py from formats/tables
#include "nq/coder.h"
#include "nq/synthesis.h"

// A property that must hold for every input. Aborts, so that libFuzzer and the replay both keep the input.
#define FUZZ_CHECK(condition)                                                            \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

namespace fuzz {

// Choices from the front of the input; zeros once it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : next_(data), left_(size) {}

  uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *next_++;
  }

  uint32_t word() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | byte();
    return value;
  }

  // A number of low..high, which span 2^32 at most; `low` where there is none.
  int64_t within(int64_t low, int64_t high) {
    if (high < low) return low;
    const uint64_t span = static_cast<uint64_t>(high - low) + 1;
    const uint64_t value = span > 65536 ? word() : span > 256 ? (uint32_t{byte()} << 8 | byte()) : byte();
    return low + static_cast<int64_t>(value % span);
  }

  // A number of low..high, or one time in 16 any 32-bit number.
  int32_t mostly(int64_t low, int64_t high) {
    if (byte() % 16 == 0) return static_cast<int32_t>(word());
    return static_cast<int32_t>(within(low, high));
  }

  bool chance() { return byte() & 1; }

  // What is left, in memory of exactly that size, so that a read beyond it is seen.
  std::vector<uint8_t> rest() {
    std::vector<uint8_t> bytes(next_, next_ + left_);
    left_ = 0;
    bytes.shrink_to_fit();
    return bytes;
  }

  size_t left() const { return left_; }

 private:
  const uint8_t* next_;
  size_t left_;
};

inline NqFrequencyTable gaussian() { return {kGaussianHalfWidth, kGaussianCumulative, kGaussianFirst}; }
inline NqFrequencyTable logistic() { return {kLogisticHalfWidth, kLogisticCumulative, kLogisticFirst}; }
inline NqTables activations() { return {kGelu, kSilu, kHalfTanh, kSine}; }

// More bytes than any coded value takes: 16 for the end of a piece, and 12 a value.
inline int64_t room(int64_t values) { return 16 + 12 * values; }

}  // namespace fuzz

#endif  // NQ_FUZZ_INPUT_H
