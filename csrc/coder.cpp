// The two models of formats/nq.md, 3.3 and 3.4, over the arithmetic coder of nq_arith.h.
// nqcodec/entropy/models.py is the definition; names follow it.
#include "nq_coder.h"

#include <algorithm>

#include "nq_arith.h"

namespace nq {
namespace {

constexpr int32_t kRowStride = 257;
constexpr int kMaxScale = 63;
constexpr int kMaxEscapeBits = 20;

int bit_length(uint32_t v) { return 32 - leading_zeros(v); }

// A scale index taken apart: its frequency row and the number of low bits that are coded as they are.
struct ScaleRow {
  ScaleRow(const NqGaussianTable& table, int scale) : shift(scale < 32 ? 0 : (scale - 28) >> 2) {
    const int row = scale - 4 * shift;
    width = table.half_width[row];
    cumulative = table.cumulative + row * kRowStride;
    first = table.first + row * 256;
    bias = (1 << shift) >> 1;
  }

  // The symbol that holds `target`; its upper bound is 65536 at most, which ends the search.
  int find(uint32_t target) const {
    int symbol = first[target >> 8];
    while (static_cast<uint32_t>(cumulative[symbol + 1]) <= target) ++symbol;
    return symbol;
  }

  int shift, width, bias;
  const int32_t* cumulative;
  const uint8_t* first;
};

bool are_valid(const NqScales& s) {
  if (s.channels < 1 || s.inner < 1 || s.start < 0) return false;
  return std::all_of(s.scales, s.scales + s.channels, [](uint8_t scale) { return scale <= kMaxScale; });
}

// Calls visit(row, begin, end) for each run of a piece's values that share a scale, until one answers other than OK.
template <class Visit>
int32_t for_each_run(const NqGaussianTable& table, const NqScales& s, int64_t count, Visit visit) {
  int64_t channel = s.start / s.inner % s.channels;
  int64_t end = s.channels == 1 ? count : s.inner - s.start % s.inner;
  for (int64_t begin = 0; begin < count; begin = end, end += s.inner) {
    end = std::min(end, count);
    const int32_t status = visit(ScaleRow(table, s.scales[channel]), begin, end);
    if (status != kNqCoderOk) return status;
    channel = channel + 1 == s.channels ? 0 : channel + 1;
  }
  return kNqCoderOk;
}

template <class Sink>
void put_bypass(Sink& sink, uint32_t number, int bits) {
  for (int i = bits - 1; i >= 0; --i) {
    const uint32_t bit = (number >> i) & 1;
    sink.encode(bit * kHalfTotal, (bit + 1) * kHalfTotal);
  }
}

template <class Sink>
int32_t put_escape(Sink& sink, const ScaleRow& row, int64_t h) {
  const int64_t beyond = (h < 0 ? -h : h) - row.width;
  if (beyond >> kMaxEscapeBits) return kNqCoderBadValue;
  const int symbol = 2 * row.width + 1, bits = bit_length(static_cast<uint32_t>(beyond));
  sink.encode(row.cumulative[symbol], row.cumulative[symbol + 1]);
  put_bypass(sink, h < 0, 1);
  put_bypass(sink, 0, bits - 1);
  put_bypass(sink, static_cast<uint32_t>(beyond), bits);
  return kNqCoderOk;
}

template <class Sink>
int32_t put_gaussian(Sink& sink, const ScaleRow& row, int64_t u) {
  const int64_t biased = u + row.bias, h = biased >> row.shift;
  if (h >= -row.width && h <= row.width) {
    const int32_t* c = row.cumulative + h + row.width;
    sink.encode(c[0], c[1]);
  } else {
    const int32_t status = put_escape(sink, row, h);
    if (status != kNqCoderOk) return status;
  }
  put_bypass(sink, static_cast<uint32_t>(biased), row.shift);
  return kNqCoderOk;
}

// h of an escape, or 0 where its length is not legal: no escape codes 0.
int32_t take_escape(Decoder& decoder, const ScaleRow& row) {
  const bool negative = decoder.bypass();
  int bits = 1;
  while (!decoder.bypass()) {
    if (++bits > kMaxEscapeBits) return 0;
  }
  const int32_t magnitude = row.width + static_cast<int32_t>((1u << (bits - 1)) | decoder.bypass_number(bits - 1));
  return negative ? -magnitude : magnitude;
}

int32_t take_gaussian(Decoder& decoder, const ScaleRow& row, int32_t offset, int32_t* value) {
  const int symbol = row.find(decoder.target());
  decoder.advance(row.cumulative[symbol], row.cumulative[symbol + 1]);
  int32_t h = symbol - row.width;
  if (h > row.width) {
    h = take_escape(decoder, row);
    if (h == 0) return kNqCoderBadEscape;
  }
  const int32_t low_bits = static_cast<int32_t>(decoder.bypass_number(row.shift));
  *value = h * (1 << row.shift) + low_bits - row.bias + offset;
  return kNqCoderOk;
}

// One context of the adaptive model. All 16 positions are kept whatever the number of symbols N: by the update rule
// c[0] stays 0 and c[i] stays at 65536 or above for i >= N, and the loops have a fixed length that vectorises.
class Context {
 public:
  static constexpr int kSize = 16, kStateBits = 13, kFastRate = 8, kSlowRate = 12;

  explicit Context(int symbols = kSize) : top_((static_cast<int32_t>(kTotal) - symbols) << kStateBits) {
    for (int i = 0; i < kSize; ++i) {
      fast_[i] = slow_[i] = i < symbols ? static_cast<int32_t>(int64_t{top_} * i / symbols) : top_;
    }
  }

  uint32_t cumulative(int i) const { return i == kSize ? kTotal : static_cast<uint32_t>(inner_cumulative(i)); }

  int find(uint32_t target) const {
    int below = 0;
    for (int i = 0; i < kSize; ++i) below += inner_cumulative(i) <= static_cast<int32_t>(target);
    return below - 1;
  }

  void update(int symbol) {
    const int rate = bit_length(static_cast<uint32_t>(count_) + 4) - 1;
    const int fast = std::min(rate, kFastRate), slow = std::min(rate, kSlowRate);
    for (int i = 0; i < kSize; ++i) {
      const int32_t target = i <= symbol ? 0 : top_;
      fast_[i] += (target - fast_[i]) >> fast;
      slow_[i] += (target - slow_[i]) >> slow;
    }
    count_ = std::min(count_ + 1, (1 << kSlowRate) - 4);
  }

 private:
  int32_t inner_cumulative(int i) const { return i + ((fast_[i] + slow_[i]) >> (kStateBits + 1)); }

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
    if (w >> bits_) return kNqCoderBadValue;
    const int high = static_cast<int>(w >> low_bits_);
    put_symbol(sink, high_, high);
    if (low_bits_) put_symbol(sink, low_[high], static_cast<int>(w & 15));
    return kNqCoderOk;
  }

  int32_t take(Decoder& decoder) {
    int w = take_symbol(decoder, high_);
    if (low_bits_) w = 16 * w + take_symbol(decoder, low_[w]);
    return w - (1 << (bits_ - 1));
  }

 private:
  template <class Sink>
  static void put_symbol(Sink& sink, Context& context, int symbol) {
    sink.encode(context.cumulative(symbol), context.cumulative(symbol + 1));
    context.update(symbol);
  }

  static int take_symbol(Decoder& decoder, Context& context) {
    const int symbol = context.find(decoder.target());
    decoder.advance(context.cumulative(symbol), context.cumulative(symbol + 1));
    context.update(symbol);
    return symbol;
  }

  int bits_, low_bits_;
  Context high_;
  Context low_[16];
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
  if (!AdaptiveModel::can_code(bits)) return kNqCoderBadArgument;
  AdaptiveModel model(bits);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t status = model.put(sink, values[i]);
    if (status != kNqCoderOk) return status;
  }
  return kNqCoderOk;
}

int32_t finish(Encoder& encoder, int32_t status, int64_t* size) {
  *size = encoder.finish();
  return status == kNqCoderOk && encoder.overflowed() ? kNqCoderNoRoom : status;
}

}  // namespace
}  // namespace nq

int32_t nq_encode_events(const uint32_t* low, const uint32_t* high, int64_t count, uint8_t* out, int64_t capacity,
                         int64_t* size) {
  nq::Encoder encoder(out, capacity);
  for (int64_t i = 0; i < count; ++i) {
    if (low[i] >= high[i] || high[i] > nq::kTotal) return kNqCoderBadEvent;
    encoder.encode(low[i], high[i]);
  }
  return nq::finish(encoder, kNqCoderOk, size);
}

int32_t nq_gaussian_encode(const NqGaussianTable* table, const int32_t* values, int64_t count, const NqScales* scales,
                           int32_t offset, uint8_t* out, int64_t capacity, int64_t* size) {
  if (!nq::are_valid(*scales)) return kNqCoderBadArgument;
  nq::Encoder encoder(out, capacity);
  const auto put_run = [&](const nq::ScaleRow& row, int64_t begin, int64_t end) -> int32_t {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t status = nq::put_gaussian(encoder, row, int64_t{values[i]} - offset);
      if (status != kNqCoderOk) return status;
    }
    return kNqCoderOk;
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

int32_t nq_gaussian_decode(const NqGaussianTable* table, const uint8_t* data, int64_t size, const NqScales* scales,
                           int32_t offset, int32_t* values, int64_t count) {
  if (!nq::are_valid(*scales)) return kNqCoderBadArgument;
  nq::Decoder decoder(data, size);
  const auto take_run = [&](const nq::ScaleRow& row, int64_t begin, int64_t end) -> int32_t {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t status = nq::take_gaussian(decoder, row, offset, values + i);
      if (status != kNqCoderOk) return status;
    }
    return kNqCoderOk;
  };
  const int32_t status = nq::for_each_run(*table, *scales, count, take_run);
  return status == kNqCoderOk && !decoder.finished() ? kNqCoderBadLength : status;
}

int32_t nq_adaptive_decode(const uint8_t* data, int64_t size, int32_t bits, int32_t* values, int64_t count) {
  if (!nq::AdaptiveModel::can_code(bits)) return kNqCoderBadArgument;
  nq::Decoder decoder(data, size);
  nq::AdaptiveModel model(bits);
  for (int64_t i = 0; i < count; ++i) values[i] = model.take(decoder);
  return decoder.finished() ? kNqCoderOk : kNqCoderBadLength;
}
