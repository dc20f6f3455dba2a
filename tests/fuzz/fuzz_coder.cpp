// libFuzzer target: pieces of the Gaussian and the adaptive model (formats/nq.md, 3.3 and 3.4), csrc/entropy/coder.cpp.
// Any bytes decode to values or to a named status; what decodes can be coded again and decodes to the same.
#include "fuzz_input.h"

namespace {

constexpr int64_t kMostValues = 4096;

void fuzz_gaussian(fuzz::Input& input) {
  const NqFrequencyTable table = fuzz::gaussian();
  std::vector<uint8_t> channel_scales(static_cast<size_t>(input.within(0, 9)));
  for (uint8_t& scale : channel_scales) scale = static_cast<uint8_t>(input.mostly(0, 63));
  const NqScales scales = {channel_scales.data(), static_cast<int64_t>(channel_scales.size()), input.within(0, 40),
                           input.within(-1, 70000)};
  const int32_t offset = static_cast<int32_t>(input.within(-32768, 32767));
  const int64_t count = input.within(0, kMostValues);
  const std::vector<uint8_t> data = input.rest();
  const int64_t size = static_cast<int64_t>(data.size());
  std::vector<int32_t> values(static_cast<size_t>(count)), again(values.size());
  if (nq_gaussian_decode(&table, data.data(), size, &scales, offset, values.data(), count) != kNqOk) return;
  std::vector<uint8_t> coded(static_cast<size_t>(fuzz::room(count)));
  const int64_t capacity = static_cast<int64_t>(coded.size());
  int64_t coded_size = 0;
  FUZZ_CHECK(nq_gaussian_encode(&table, values.data(), count, &scales, offset, coded.data(), capacity, &coded_size) ==
             kNqOk);
  FUZZ_CHECK(coded_size == size);
  FUZZ_CHECK(nq_gaussian_decode(&table, coded.data(), coded_size, &scales, offset, again.data(), count) == kNqOk);
  FUZZ_CHECK(values == again);
  std::vector<uint8_t> short_of_room(static_cast<size_t>(size - 1));
  FUZZ_CHECK(nq_gaussian_encode(&table, values.data(), count, &scales, offset, short_of_room.data(), size - 1,
                                &coded_size) == kNqNoRoom);
}

void fuzz_adaptive(fuzz::Input& input) {
  const int32_t bits = input.mostly(2, 8);
  const int64_t count = input.within(0, kMostValues);
  const std::vector<uint8_t> data = input.rest();
  const int64_t size = static_cast<int64_t>(data.size());
  std::vector<int32_t> values(static_cast<size_t>(count)), again(values.size());
  if (nq_adaptive_decode(data.data(), size, bits, values.data(), count) != kNqOk) return;
  for (const int32_t v : values) FUZZ_CHECK(v >= -(1 << (bits - 1)) && v < 1 << (bits - 1));
  std::vector<uint8_t> coded(static_cast<size_t>(fuzz::room(count)));
  const int64_t capacity = static_cast<int64_t>(coded.size());
  int64_t coded_size = 0;
  FUZZ_CHECK(nq_adaptive_encode(values.data(), count, bits, coded.data(), capacity, &coded_size) == kNqOk);
  FUZZ_CHECK(coded_size == size);
  FUZZ_CHECK(nq_adaptive_decode(coded.data(), coded_size, bits, again.data(), count) == kNqOk);
  FUZZ_CHECK(values == again);
}

// Any 32-bit values: coded, or refused by name. What was coded is then damaged in one place, and still decodes to
// something or is refused.
void fuzz_encode(fuzz::Input& input) {
  const NqFrequencyTable table = fuzz::gaussian();
  const uint8_t scale = static_cast<uint8_t>(input.within(0, 63));
  const NqScales scales = {&scale, 1, 1, 0};
  const int32_t offset = static_cast<int32_t>(input.within(-32768, 32767));
  const uint32_t place = input.word();
  std::vector<int32_t> values;
  while (input.left() > 0) values.push_back(input.mostly(-300, 300));
  const int64_t count = static_cast<int64_t>(values.size());
  std::vector<uint8_t> coded(static_cast<size_t>(fuzz::room(count)));
  const int64_t capacity = static_cast<int64_t>(coded.size());
  int64_t size = 0;
  const int32_t status =
      nq_gaussian_encode(&table, values.data(), count, &scales, offset, coded.data(), capacity, &size);
  FUZZ_CHECK(status == kNqOk || status == kNqBadValue);
  if (status != kNqOk) return;
  std::vector<int32_t> again(values.size());
  FUZZ_CHECK(nq_gaussian_decode(&table, coded.data(), size, &scales, offset, again.data(), count) == kNqOk);
  FUZZ_CHECK(values == again);
  std::vector<uint8_t> damaged(coded.begin(), coded.begin() + size);
  damaged[place / 8 % damaged.size()] ^= static_cast<uint8_t>(1u << place % 8);
  nq_gaussian_decode(&table, damaged.data(), size, &scales, offset, again.data(), count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  switch (input.byte() % 3) {
    case 0: fuzz_gaussian(input); break;
    case 1: fuzz_adaptive(input); break;
    default: fuzz_encode(input);
  }
  return 0;
}
