// libFuzzer target: the context model of latents (formats/nq.md, 3.6), csrc/entropy/context.cpp.
// Any bytes decode to values within their bits or to a named status; what decodes can be coded again to the same.
#include "fuzz_input.h"

namespace {

NqContext any_context(fuzz::Input& input) {
  NqContext context = {};
  context.times = input.within(0, 5);
  context.channels = input.within(0, 6);
  context.height = input.within(0, 12);
  context.width = input.within(0, 20);
  context.piece = input.within(0, 300);
  context.bits = input.mostly(2, 12);
  context.base = input.mostly(1, 65535);
  const uint32_t mask = input.word();
  for (int j = 0; j < 14; ++j) {
    if (!(mask >> j & 1)) continue;
    context.mean[j] = static_cast<int32_t>(input.within(-260, 259));
    context.scale[j] = static_cast<int32_t>(input.within(0, 257));
  }
  return context;
}

// Cuts `bytes` into the sizes of `count` pieces: what the caller, who has read the length fields, sees to.
std::vector<int64_t> cut(fuzz::Input& input, int64_t count, int64_t most) {
  std::vector<int64_t> sizes(static_cast<size_t>(count));
  for (int64_t& size : sizes) size = input.within(0, most);
  return sizes;
}

// A latent of any values is coded, or refused by name, and decodes to the same; damaged in one place, to something.
void fuzz_encode(fuzz::Input& input, const NqFrequencyTable& table, const NqContext& context, int64_t count,
                 int64_t pieces) {
  const uint32_t place = input.word();
  const bool wild = input.chance();
  std::vector<int32_t> values(static_cast<size_t>(count)), again(values.size());
  for (int32_t& v : values) v = wild ? input.mostly(-2048, 2047) : static_cast<int32_t>(input.within(-2, 1));
  std::vector<uint8_t> coded(static_cast<size_t>(16 * pieces + fuzz::room(count)));
  const int64_t capacity = static_cast<int64_t>(coded.size());
  std::vector<int64_t> sizes(static_cast<size_t>(pieces));
  if (nq_context_encode(&table, &context, values.data(), coded.data(), capacity, sizes.data()) != kNqOk) return;
  int64_t failed = -1;
  FUZZ_CHECK(nq_context_decode(&table, &context, coded.data(), sizes.data(), again.data(), &failed) == kNqOk);
  FUZZ_CHECK(values == again);
  coded[place / 8 % coded.size()] ^= static_cast<uint8_t>(1u << place % 8);
  nq_context_decode(&table, &context, coded.data(), sizes.data(), again.data(), &failed);
}

int64_t total(const std::vector<int64_t>& sizes) {
  int64_t sum = 0;
  for (const int64_t size : sizes) sum += size;
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const NqFrequencyTable table = fuzz::logistic();
  const NqContext context = any_context(input);
  const int64_t count = context.times * context.channels * context.height * context.width;
  const int64_t pieces = context.piece > 0 ? (count + context.piece - 1) / context.piece : 1;
  if (input.chance()) {
    fuzz_encode(input, table, context, count, pieces > 0 ? pieces : 1);
    return 0;
  }
  const int64_t most = 1 + static_cast<int64_t>(input.left()) / (pieces + 1);
  const std::vector<int64_t> sizes = cut(input, pieces > 0 ? pieces : 1, most < 60000 ? most : 60000);
  std::vector<uint8_t> bytes = input.rest();
  bytes.resize(static_cast<size_t>(total(sizes)));
  bytes.shrink_to_fit();
  std::vector<int32_t> values(static_cast<size_t>(count)), again(values.size());
  int64_t failed = -1;
  const int32_t status = nq_context_decode(&table, &context, bytes.data(), sizes.data(), values.data(), &failed);
  FUZZ_CHECK(failed >= 0 && failed <= pieces);
  if (status != kNqOk) return 0;
  for (const int32_t v : values) FUZZ_CHECK(v >= -(1 << (context.bits - 1)) && v < 1 << (context.bits - 1));
  std::vector<uint8_t> coded(static_cast<size_t>(16 * pieces + fuzz::room(count)));
  const int64_t capacity = static_cast<int64_t>(coded.size());
  std::vector<int64_t> coded_sizes(sizes.size());
  FUZZ_CHECK(nq_context_encode(&table, &context, values.data(), coded.data(), capacity, coded_sizes.data()) == kNqOk);
  FUZZ_CHECK(coded_sizes == sizes);
  double bits = 0;
  FUZZ_CHECK(nq_context_bits(&table, &context, values.data(), &bits) == kNqOk);
  FUZZ_CHECK(bits >= 0 && bits <= 8.0 * static_cast<double>(total(sizes)));
  FUZZ_CHECK(nq_context_decode(&table, &context, coded.data(), coded_sizes.data(), again.data(), &failed) == kNqOk);
  FUZZ_CHECK(values == again);
  return 0;
}
