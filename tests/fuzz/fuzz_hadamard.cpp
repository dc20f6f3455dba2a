// libFuzzer target: Walsh-Hadamard transforms of integers (formats/nq.md, 6.3.1), csrc/hadamard*.cpp.
// Every instruction set gives the same integers, and a transform taken twice gives n times its input.
#include "fuzz_input.h"
#include "nq/hadamard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  std::vector<int32_t> blocks(static_cast<size_t>(input.within(0, 5)));
  int64_t covered = 0;
  for (int32_t& block : blocks) {
    block = input.byte() % 16 == 0 ? input.mostly(-2, 5000) : 1 << input.within(0, 8);
    covered += block > 0 && block <= 4096 ? block : 0;
  }
  const int64_t rows = input.within(0, 9), length = covered + (input.byte() % 16 == 0 ? input.within(-2, 2) : 0);
  const NqHadamard transform = {rows,
                                length,
                                blocks.data(),
                                nullptr,
                                static_cast<int32_t>(blocks.size()),
                                input.byte() % 16 == 0 ? input.mostly(0, 4) : int32_t{kNqInt32}};
  const size_t count = static_cast<size_t>(length > 0 ? rows * length : 0);
  std::vector<int32_t> values(count), expected(count), out(count);
  for (int32_t& v : values) v = static_cast<int32_t>(input.within(-128, 127));
  if (transform.type != kNqInt32) {
    // Other types take no more bytes a value; their bits are any.
    nq_hadamard(&transform, values.data(), out.data(), 1, nq_cpu_level());
    return 0;
  }
  if (nq_hadamard(&transform, values.data(), expected.data(), 1, 0) != kNqOk) return 0;
  for (int32_t level = 1; level <= nq_cpu_level(); ++level) {
    FUZZ_CHECK(nq_hadamard(&transform, values.data(), out.data(), 2, level) == kNqOk);
    FUZZ_CHECK(out == expected);
  }
  FUZZ_CHECK(nq_hadamard(&transform, expected.data(), expected.data(), 1, nq_cpu_level()) == kNqOk);
  size_t place = 0;
  for (int64_t row = 0; row < rows; ++row) {
    for (const int32_t n : blocks) {
      for (int32_t i = 0; i < n; ++i, ++place) FUZZ_CHECK(expected[place] == n * values[place]);
    }
  }
  return 0;
}
