// The context model of formats/nq.md, 3.6; nqcodec/entropy/context.py is the definition, and names follow it.
//
// A latent is gone through row by row. What other rows add to a row's predictions and scales is summed for the whole
// row beforehand, by plain loops that vectorise; the two neighbours to the left are added value by value.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <vector>

#include "entropy/table_row.h"
#include "nq/coder.h"

namespace nq {
namespace {

constexpr int kNeighbours = 14, kLeft = 0, kLeft2 = 8, kPhases = 5;

// Zeros before each row: as far as a neighbour lies to the left, or to a row's right.
constexpr int64_t kMargin = 2;

struct Offset {
  int t, c, y, x;
};

constexpr Offset kOffsets[kNeighbours] = {
    {0, 0, 0, -1}, {0, 0, -1, 0}, {0, 0, -1, -1}, {0, 0, -1, 1},  {-1, 0, 0, 0},  {-1, 0, 0, 1}, {-1, 0, 1, 0},
    {0, -1, 0, 0}, {0, 0, 0, -2}, {0, 0, -2, 0},  {-1, 0, 0, -1}, {-1, 0, -1, 0}, {0, -1, 0, 1}, {0, -1, 1, 0},
};

bool is_valid(const NqContext& c) {
  const auto all_within = [](const int32_t* weights, int32_t low, int32_t high) {
    return std::all_of(weights, weights + kNeighbours, [=](int32_t w) { return w >= low && w <= high; });
  };
  return c.times >= 1 && c.channels >= 1 && c.height >= 1 && c.width >= 1 && c.piece >= 1 && c.bits >= 2 &&
         c.bits <= 12 && c.base >= 1 && c.base <= 65535 && all_within(c.mean, -256, 255) && all_within(c.scale, 0, 255);
}

// The table's row for each scale index and |phase|.
class CodedRows {
 public:
  explicit CodedRows(const NqFrequencyTable& table) {
    rows_.reserve((kMaxScale + 1) * kPhases);
    for (int scale = 0; scale <= kMaxScale; ++scale) {
      const int shift = scale_shift(scale), row = scale - 4 * shift;
      for (int phase = 0; phase < kPhases; ++phase) {
        rows_.emplace_back(table, kPhases * row + (shift ? 0 : phase), shift);
      }
    }
  }

  const TableRow& at(int scale, int phase) const { return rows_[kPhases * scale + phase]; }

 private:
  std::vector<TableRow> rows_;
};

// With values and predictions in 12 + 3 bits and the weights of is_valid, sums stay below 2^27.
inline int scale_index(int32_t scale) {
  const int length = bit_length(static_cast<uint32_t>(scale));
  return std::clamp(4 * length + ((4 * scale) >> (length - 1)) - 28, 0, kMaxScale);
}

class Latent {
 public:
  Latent(const NqFrequencyTable& logistic, const NqContext& context)
      : c_(context),
        rows_(logistic),
        stride_(context.width + kMargin),
        low_(-(1 << (context.bits - 1))),
        high_((1 << (context.bits - 1)) - 1),
        known_(context.times * context.channels * context.height * stride_ + kMargin),
        residuals_(known_.size()),
        mean_(context.width),
        scale_(context.width) {}

  // For each value in order, code(row, centre, mirrored, &value) gives or takes the value, until one answers other
  // than OK. Values are read where they are known and written where they are not.
  template <class Code>
  int32_t go_through(int32_t* values, Code code) {
    int64_t start = kMargin;
    for (int64_t t = 0; t < c_.times; ++t) {
      for (int64_t c = 0; c < c_.channels; ++c) {
        for (int64_t y = 0; y < c_.height; ++y, start += stride_, values += c_.width) {
          sum_other_rows(t, c, y, start);
          const int32_t status = go_through_row(start, values, code);
          if (status != kNqOk) return status;
        }
      }
    }
    return kNqOk;
  }

 private:
  void sum_other_rows(int64_t t, int64_t c, int64_t y, int64_t start) {
    std::fill(mean_.begin(), mean_.end(), 0);
    std::fill(scale_.begin(), scale_.end(), c_.base);
    for (int j = 0; j < kNeighbours; ++j) {
      const Offset& o = kOffsets[j];
      const bool inside = t + o.t >= 0 && c + o.c >= 0 && y + o.y >= 0 && y + o.y < c_.height;
      if (j == kLeft || j == kLeft2 || !inside) continue;
      const int64_t there = start + ((o.t * c_.channels + o.c) * c_.height + o.y) * stride_ + o.x;
      add_weighted(known_.data() + there, c_.mean[j], mean_.data());
      add_weighted(residuals_.data() + there, c_.scale[j], scale_.data());
    }
  }

  template <class Known>
  void add_weighted(const Known* known, int32_t weight, int32_t* sums) const {
    if (weight == 0) return;
    for (int64_t x = 0; x < c_.width; ++x) sums[x] += weight * known[x];
  }

  template <class Code>
  int32_t go_through_row(int64_t start, int32_t* values, Code& code) {
    int32_t left = 0, left_2 = 0, residual = 0, residual_2 = 0;
    for (int64_t x = 0; x < c_.width; ++x) {
      const int32_t total = mean_[x] + c_.mean[kLeft] * left + c_.mean[kLeft2] * left_2;
      const int32_t prediction = std::clamp((total + 4) >> 3, 8 * low_, 8 * high_);
      const int32_t scale = scale_[x] + c_.scale[kLeft] * residual + c_.scale[kLeft2] * residual_2;
      const int32_t centre = (prediction + 4) >> 3, phase = prediction - 8 * centre;
      const TableRow& row = rows_.at(scale_index(scale), std::abs(phase));
      const int32_t status = code(row, centre, phase < 0, values + x);
      if (status != kNqOk) return status;
      if (values[x] < low_ || values[x] > high_) return kNqOutOfRange;
      left_2 = left;
      residual_2 = residual;
      left = values[x];
      residual = std::abs(8 * left - prediction);
      known_[start + x] = static_cast<int16_t>(left);
      residuals_[start + x] = static_cast<uint16_t>(residual);
    }
    return kNqOk;
  }

  const NqContext& c_;
  CodedRows rows_;
  int64_t stride_;
  int32_t low_, high_;
  std::vector<int16_t> known_;       // rows of values with a margin before each and after the last
  std::vector<uint16_t> residuals_;  // |8 value - prediction| of each, below 2^15
  std::vector<int32_t> mean_, scale_;
};

// Puts the known values of a latent into a sink.
template <class Put>
int32_t put_latent(const NqFrequencyTable& logistic, const NqContext& context, const int32_t* values, Put put) {
  const auto code = [&](const TableRow& row, int32_t centre, bool mirrored, const int32_t* value) -> int32_t {
    const int64_t distance = int64_t{*value} - centre;
    return put(row, mirrored ? -distance : distance);
  };
  // Nothing writes to the values: `code` takes them as const.
  return Latent(logistic, context).go_through(const_cast<int32_t*>(values), code);
}

// A sink that adds up the bits of events. Their probabilities are multiplied, which is fewer logarithms.
class BitCount {
 public:
  void encode(uint32_t low, uint32_t high) {
    probability_ *= static_cast<double>(high - low) / kTotal;
    if (probability_ < 1e-200) flush();
  }

  double bits() {
    flush();
    return bits_;
  }

 private:
  void flush() {
    bits_ -= std::log2(probability_);
    probability_ = 1;
  }

  double probability_ = 1, bits_ = 0;
};

class PieceWriter {
 public:
  PieceWriter(int64_t piece, uint8_t* out, int64_t capacity, int64_t* sizes)
      : piece_(piece), left_(piece), out_(out), capacity_(capacity), sizes_(sizes), encoder_(out, capacity) {}

  int32_t put(const TableRow& row, int64_t distance) {
    if (left_ == 0) {
      const int32_t status = finish();
      if (status != kNqOk) return status;
      encoder_ = Encoder(out_, capacity_);
      left_ = piece_;
    }
    --left_;
    return put_distance(encoder_, row, distance);
  }

  int32_t finish() {
    const int64_t size = encoder_.finish();
    if (encoder_.overflowed()) return kNqNoRoom;
    *sizes_++ = size;
    out_ += size;
    capacity_ -= size;
    return kNqOk;
  }

 private:
  int64_t piece_, left_;
  uint8_t* out_;
  int64_t capacity_;
  int64_t* sizes_;
  Encoder encoder_;
};

class PieceReader {
 public:
  PieceReader(int64_t piece, const uint8_t* data, const int64_t* sizes)
      : piece_(piece), left_(piece), data_(data), sizes_(sizes), decoder_(data, sizes[0]) {}

  int32_t take(const TableRow& row, int32_t* distance) {
    if (left_ == 0) {
      if (!decoder_.finished()) return kNqBadLength;
      data_ += sizes_[number_++];
      decoder_ = Decoder(data_, sizes_[number_]);
      left_ = piece_;
    }
    --left_;
    return take_distance(decoder_, row, distance);
  }

  int32_t finish() const { return decoder_.finished() ? kNqOk : kNqBadLength; }

  int64_t number() const { return number_; }

 private:
  int64_t piece_, left_;
  const uint8_t* data_;
  const int64_t* sizes_;
  int64_t number_ = 0;
  Decoder decoder_;
};

// Runs a function if the context is legal, and keeps exceptions, which only memory throws here, on this side.
template <class Run>
int32_t guarded(const NqContext& context, Run run) {
  if (!is_valid(context)) return kNqBadArgument;
  try {
    return run();
  } catch (const std::exception&) {
    return kNqNoResources;
  }
}

}  // namespace
}  // namespace nq

int32_t nq_context_encode(const NqFrequencyTable* logistic, const NqContext* context, const int32_t* values,
                          uint8_t* out, int64_t capacity, int64_t* sizes) {
  return nq::guarded(*context, [&]() -> int32_t {
    nq::PieceWriter writer(context->piece, out, capacity, sizes);
    const auto put = [&](const nq::TableRow& row, int64_t distance) { return writer.put(row, distance); };
    const int32_t status = nq::put_latent(*logistic, *context, values, put);
    return status == kNqOk ? writer.finish() : status;
  });
}

int32_t nq_context_bits(const NqFrequencyTable* logistic, const NqContext* context, const int32_t* values,
                        double* bits) {
  return nq::guarded(*context, [&]() -> int32_t {
    nq::BitCount count;
    const auto put = [&](const nq::TableRow& row, int64_t distance) { return nq::put_distance(count, row, distance); };
    const int32_t status = nq::put_latent(*logistic, *context, values, put);
    *bits = count.bits();
    return status;
  });
}

int32_t nq_context_decode(const NqFrequencyTable* logistic, const NqContext* context, const uint8_t* data,
                          const int64_t* sizes, int32_t* values, int64_t* failed) {
  *failed = 0;
  return nq::guarded(*context, [&]() -> int32_t {
    nq::PieceReader reader(context->piece, data, sizes);
    const auto take = [&](const nq::TableRow& row, int32_t centre, bool mirrored, int32_t* value) -> int32_t {
      int32_t distance = 0;
      const int32_t status = reader.take(row, &distance);
      *value = mirrored ? centre - distance : centre + distance;
      return status;
    };
    const int32_t status = nq::Latent(*logistic, *context).go_through(values, take);
    *failed = reader.number();
    return status == kNqOk ? reader.finish() : status;
  });
}
