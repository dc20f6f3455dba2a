// Decodes what is independent in a segment on several threads: nq_decode_parts of nq/coder.h.
#include <algorithm>
#include <exception>
#include <numeric>
#include <system_error>
#include <vector>

#include "common/thread_pool.h"
#include "entropy/pieces.h"
#include "nq/coder.h"

namespace nq {
namespace {

// A thread is started for each so many values: fewer take less time than to start it.
constexpr int64_t kValuesAThread = 1 << 13;

bool is_within(const int32_t* values, int64_t count, int32_t bits) {
  const int32_t low = -(1 << (bits - 1)), high = (1 << (bits - 1)) - 1;
  int32_t least = 0, most = 0;
  for (int64_t i = 0; i < count; ++i) {
    least = std::min(least, values[i]);
    most = std::max(most, values[i]);
  }
  return least >= low && most <= high;
}

int32_t decode_gaussian(const NqFrequencyTable& table, const NqCodedPart& part) {
  const int32_t bits = part.context.bits;
  if (bits < 1 || bits > 31) return kNqBadArgument;
  const int32_t status =
      nq_gaussian_decode(&table, part.data, part.sizes[0], &part.scales, part.offset, part.values, part.count);
  return status == kNqOk && !is_within(part.values, part.count, bits) ? kNqOutOfRange : status;
}

int32_t decode_adaptive(NqCodedPart& part) {
  const int32_t bits = part.context.bits;
  const int64_t piece = part.context.piece;
  if (part.pieces == 1) return nq_adaptive_decode(part.data, part.sizes[0], bits, part.values, part.count);
  if (part.pieces != 2 || piece < 0 || piece > part.count) return kNqBadArgument;
  const uint8_t* const data[2] = {part.data, part.data + part.sizes[0]};
  int32_t* const values[2] = {part.values, part.values + piece};
  const int64_t count[2] = {piece, part.count - piece};
  int32_t status[2];
  const int32_t answer = decode_adaptive_pair(data, part.sizes, bits, values, count, status);
  if (answer != kNqOk) return answer;
  part.failed = status[0] == kNqOk;
  return status[part.failed];
}

int32_t decode(const NqFrequencyTable& gaussian, const NqFrequencyTable& logistic, NqCodedPart& part) {
  part.failed = 0;
  switch (part.model) {
    case kNqGaussian: return decode_gaussian(gaussian, part);
    case kNqAdaptive: return decode_adaptive(part);
    case kNqInContext:
      return nq_context_decode(&logistic, &part.context, part.data, part.sizes, part.values, &part.failed);
    default: return kNqBadArgument;
  }
}

// Calls task(item) for each item below `count`, on threads as far as the system grants them.
template <class Task>
void for_each(int64_t count, int32_t threads, const Task& task) {
  try {
    ThreadPool(threads).run(count, [&](int64_t item, int32_t) { task(item); });
  } catch (const std::system_error&) {  // from the start of a thread, before any item
    for (int64_t item = 0; item < count; ++item) task(item);
  }
}

}  // namespace
}  // namespace nq

int32_t nq_decode_parts(const NqFrequencyTable* gaussian, const NqFrequencyTable* logistic, NqCodedPart* parts,
                        int64_t count, int32_t threads) {
  try {
    std::vector<int64_t> order(count);
    std::iota(order.begin(), order.end(), int64_t{0});
    // The longest first, so that no thread begins it when the others end.
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return parts[a].count > parts[b].count; });
    int64_t values = 0;
    for (int64_t i = 0; i < count; ++i) values += parts[i].count;
    const int64_t worth = std::min(count, 1 + values / nq::kValuesAThread);
    nq::for_each(count, static_cast<int32_t>(std::clamp<int64_t>(worth, 1, threads > 1 ? threads : 1)),
                 [&](int64_t place) {
                   NqCodedPart& part = parts[order[place]];
                   part.status = nq::decode(*gaussian, *logistic, part);
                 });
  } catch (const std::exception&) {
    return kNqNoResources;
  }
  return kNqOk;
}
