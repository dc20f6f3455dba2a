// The two models of formats/nq.md, 3.3 and 3.4, over the arithmetic coder of entropy/arith.h.
// nqcodec/entropy/models.py is the definition; names follow it.
#include "nq/coder.h"

#include <algorithm>
#include <cstring>

#include "entropy/arith.h"
#include "entropy/pieces.h"
#include "entropy/table_row.h"

namespace nq {
namespace {

bool are_valid(const NqScales& s) {
  if (s.channels < 1 || s.inner < 1 || s.start < 0) return false;
  return std::all_of(s.scales, s.scales + s.channels, [](uint8_t scale) { return scale <= kMaxScale; });
}

// Calls visit(row, begin, end) for each run of a piece's values that share a scale, until one answers other than OK.
template <class Visit>
int32_t for_each_run(const NqFrequencyTable& table, const NqScales& s, int64_t count, Visit visit) {
  int64_t channel = s.start / s.inner % s.channels;
  int64_t end = s.channels == 1 ? count : s.inner - s.start % s.inner;
  for (int64_t begin = 0; begin < count; begin = end, end += s.inner) {
    end = std::min(end, count);
    const int scale = s.scales[channel], shift = scale_shift(scale);
    const int32_t status = visit(TableRow(table, scale - 4 * shift, shift), begin, end);
    if (status != kNqOk) return status;
    channel = channel + 1 == s.channels ? 0 : channel + 1;
  }
  return kNqOk;
}

// Four int32 by the extension that GCC and clang share: a register of SSE2 or NEON.
typedef int32_t Lanes __attribute__((vector_size(16)));
constexpr int kLanes = 4;

inline Lanes load(const int32_t* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline void store(int32_t* p, Lanes v) { std::memcpy(p, &v, sizeof v); }

// One context of the adaptive model. All 16 positions are kept whatever the number of symbols N: by the update rule
// c[0] stays 0 and c[i] stays at 65536 or above for i >= N, and all positions are worked on by vectors.
class Context {
 public:
  static constexpr int kSize = 16, kStateBits = 13, kFastRate = 8, kSlowRate = 12;

  explicit Context(int symbols = kSize) : top_((static_cast<int32_t>(kTotal) - symbols) << kStateBits) {
    for (int i = 0; i < kSize; ++i) {
      fast_[i] = slow_[i] = i < symbols ? static_cast<int32_t>(int64_t{top_} * i / symbols) : top_;
    }
  }

  uint32_t cumulative(int i) const {
    return i == kSize ? kTotal : static_cast<uint32_t>(i + ((fast_[i] + slow_[i]) >> (kStateBits + 1)));
  }

  // The symbol of the next event, which is taken.
  int take(Decoder& decoder) {
    const int32_t target = static_cast<int32_t>(decoder.target());
    int32_t c[kSize + 1];
    Lanes below = {}, index = {0, 1, 2, 3};
    for (int i = 0; i < kSize; i += kLanes, index += kLanes) {
      const Lanes each = index + ((load(fast_ + i) + load(slow_ + i)) >> (kStateBits + 1));
      store(c + i, each);
      below -= each <= target;  // a comparison that holds is -1
    }
    c[kSize] = kTotal;
    const int symbol = below[0] + below[1] + below[2] + below[3] - 1;
    decoder.advance(static_cast<uint32_t>(c[symbol]), static_cast<uint32_t>(c[symbol + 1]));
    update(symbol);
    return symbol;
  }

  void update(int symbol) {
    const int rate = bit_length(static_cast<uint32_t>(count_) + 4) - 1;
    const int fast = std::min(rate, kFastRate), slow = std::min(rate, kSlowRate);
    Lanes index = {0, 1, 2, 3};
    for (int i = 0; i < kSize; i += kLanes, index += kLanes) {
      const Lanes target = (index > symbol) & top_, f = load(fast_ + i), s = load(slow_ + i);
      store(fast_ + i, f + ((target - f) >> fast));
      store(slow_ + i, s + ((target - s) >> slow));
    }
    count_ = std::min(count_ + 1, (1 << kSlowRate) - 4);
  }

 private:
  int32_t fast_[kSize], slow_[kSize];
  int32_t top_;
  int32_t count_ = 0;
};

// The adaptive model of `bits`-bit values, 2 to 8: one context, or from 5 bits on one for the high part and one below
// each of its symbols.
class AdaptiveModel {
 public:
  static bool can_code(int bits) { return bits >= 2 && bits <= 8; }

  explicit AdaptiveModel(int bits) : bits_(bits), low_bits_(bits > 4 ? 4 : 0), high_(1 << (bits - low_bits_)) {}

  template <class Sink>
  int32_t put(Sink& sink, int32_t value) {
    const int64_t w = int64_t{value} + (1 << (bits_ - 1));
    if (w >> bits_) return kNqBadValue;
    const int high = static_cast<int>(w >> low_bits_);
    put_symbol(sink, high_, high);
    if (low_bits_) put_symbol(sink, low_[high], static_cast<int>(w & 15));
    return kNqOk;
  }

  int32_t take(Decoder& decoder) {
    int w = high_.take(decoder);
    if (low_bits_) w = 16 * w + low_[w].take(decoder);
    return w - (1 << (bits_ - 1));
  }

 private:
  template <class Sink>
  static void put_symbol(Sink& sink, Context& context, int symbol) {
    sink.encode(context.cumulative(symbol), context.cumulative(symbol + 1));
    context.update(symbol);
  }

  int bits_, low_bits_;
  Context high_;
  Context low_[16];
};

// A piece of the adaptive model on its way from bytes to values.
class AdaptivePiece {
 public:
  AdaptivePiece(const uint8_t* data, int64_t size, int32_t bits, int32_t* values)
      : decoder_(data, size), model_(bits), next_(values) {}

  void take_one() { *next_++ = model_.take(decoder_); }

  // The last `count` values, and whether the piece ends with them.
  int32_t take(int64_t count) {
    for (int64_t i = 0; i < count; ++i) take_one();
    return decoder_.finished() ? kNqOk : kNqBadLength;
  }

 private:
  Decoder decoder_;
  AdaptiveModel model_;
  int32_t* next_;
};

// A sink that keeps the intervals instead of coding them.
class EventList {
 public:
  EventList(uint32_t* low, uint32_t* high) : low_(low), high_(high) {}
  void encode(uint32_t low, uint32_t high) {
    *low_++ = low;
    *high_++ = high;
  }

 private:
  uint32_t* low_;
  uint32_t* high_;
};

template <class Sink>
int32_t put_adaptive(Sink& sink, const int32_t* values, int64_t count, int32_t bits) {
  if (!AdaptiveModel::can_code(bits)) return kNqBadArgument;
  AdaptiveModel model(bits);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t status = model.put(sink, values[i]);
    if (status != kNqOk) return status;
  }
  return kNqOk;
}

int32_t finish(Encoder& encoder, int32_t status, int64_t* size) {
  *size = encoder.finish();
  return status == kNqOk && encoder.overflowed() ? kNqNoRoom : status;
}

}  // namespace
}  // namespace nq

int32_t nq_encode_events(const uint32_t* low, const uint32_t* high, int64_t count, uint8_t* out, int64_t capacity,
                         int64_t* size) {
  nq::Encoder encoder(out, capacity);
  for (int64_t i = 0; i < count; ++i) {
    if (low[i] >= high[i] || high[i] > nq::kTotal) return kNqBadEvent;
    encoder.encode(low[i], high[i]);
  }
  return nq::finish(encoder, kNqOk, size);
}

int32_t nq_gaussian_encode(const NqFrequencyTable* table, const int32_t* values, int64_t count, const NqScales* scales,
                           int32_t offset, uint8_t* out, int64_t capacity, int64_t* size) {
  if (!nq::are_valid(*scales)) return kNqBadArgument;
  nq::Encoder encoder(out, capacity);
  const auto put_run = [&](const nq::TableRow& row, int64_t begin, int64_t end) -> int32_t {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t status = nq::put_distance(encoder, row, int64_t{values[i]} - offset);
      if (status != kNqOk) return status;
    }
    return kNqOk;
  };
  return nq::finish(encoder, nq::for_each_run(*table, *scales, count, put_run), size);
}

int32_t nq_adaptive_encode(const int32_t* values, int64_t count, int32_t bits, uint8_t* out, int64_t capacity,
                           int64_t* size) {
  nq::Encoder encoder(out, capacity);
  return nq::finish(encoder, nq::put_adaptive(encoder, values, count, bits), size);
}

int32_t nq_adaptive_events(const int32_t* values, int64_t count, int32_t bits, uint32_t* low, uint32_t* high) {
  nq::EventList events(low, high);
  return nq::put_adaptive(events, values, count, bits);
}

int32_t nq_gaussian_decode(const NqFrequencyTable* table, const uint8_t* data, int64_t size, const NqScales* scales,
                           int32_t offset, int32_t* values, int64_t count) {
  if (!nq::are_valid(*scales)) return kNqBadArgument;
  nq::Decoder decoder(data, size);
  const auto take_run = [&](const nq::TableRow& row, int64_t begin, int64_t end) -> int32_t {
    for (int64_t i = begin; i < end; ++i) {
      int32_t distance;
      const int32_t status = nq::take_distance(decoder, row, &distance);
      if (status != kNqOk) return status;
      values[i] = distance + offset;
    }
    return kNqOk;
  };
  const int32_t status = nq::for_each_run(*table, *scales, count, take_run);
  return status == kNqOk && !decoder.finished() ? kNqBadLength : status;
}

int32_t nq_adaptive_decode(const uint8_t* data, int64_t size, int32_t bits, int32_t* values, int64_t count) {
  if (!nq::AdaptiveModel::can_code(bits)) return kNqBadArgument;
  return nq::AdaptivePiece(data, size, bits, values).take(count);
}

int32_t nq::decode_adaptive_pair(const uint8_t* const data[2], const int64_t size[2], int32_t bits,
                                 int32_t* const values[2], const int64_t count[2], int32_t status[2]) {
  if (!AdaptiveModel::can_code(bits)) return kNqBadArgument;
  AdaptivePiece first(data[0], size[0], bits, values[0]), second(data[1], size[1], bits, values[1]);
  const int64_t both = std::min(count[0], count[1]);
  for (int64_t i = 0; i < both; ++i) {
    first.take_one();
    second.take_one();
  }
  status[0] = first.take(count[0] - both);
  status[1] = second.take(count[1] - both);
  return kNqOk;
}
