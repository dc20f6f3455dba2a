// What codes one value by a row of a frequency table (formats/nq.md, 3.3), for every static model over entropy/arith.h.
// nqcodec/entropy/models.py is the definition; names follow it.
#ifndef NQ_TABLE_ROW_H
#define NQ_TABLE_ROW_H

#include <cstdint>

#include "entropy/arith.h"
#include "nq/coder.h"

namespace nq {

constexpr int32_t kRowStride = 257;
constexpr int kMaxScale = 63;
constexpr int kMaxEscapeBits = 20;

inline int bit_length(uint32_t v) { return 32 - leading_zeros(v); }

// Number of low bits of a scale index that are coded as they are; its frequency row is scale - 4 * shift.
inline int scale_shift(int scale) { return scale < 32 ? 0 : (scale - 28) >> 2; }

// A row of a table, and the number of low bits that are coded as they are.
struct TableRow {
  TableRow(const NqFrequencyTable& table, int row, int low_bits)
      : shift(low_bits),
        width(table.half_width[row]),
        bias((1 << low_bits) >> 1),
        cumulative(table.cumulative + row * kRowStride),
        first(table.first + row * 256) {}

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

template <class Sink>
void put_bypass(Sink& sink, uint32_t number, int bits) {
  for (int i = bits - 1; i >= 0; --i) {
    const uint32_t bit = (number >> i) & 1;
    sink.encode(bit * kHalfTotal, (bit + 1) * kHalfTotal);
  }
}

template <class Sink>
int32_t put_escape(Sink& sink, const TableRow& row, int64_t h) {
  const int64_t beyond = (h < 0 ? -h : h) - row.width;
  if (beyond >> kMaxEscapeBits) return kNqBadValue;
  const int symbol = 2 * row.width + 1, bits = bit_length(static_cast<uint32_t>(beyond));
  sink.encode(row.cumulative[symbol], row.cumulative[symbol + 1]);
  put_bypass(sink, h < 0, 1);
  put_bypass(sink, 0, bits - 1);
  put_bypass(sink, static_cast<uint32_t>(beyond), bits);
  return kNqOk;
}

template <class Sink>
int32_t put_distance(Sink& sink, const TableRow& row, int64_t u) {
  const int64_t biased = u + row.bias, h = biased >> row.shift;
  if (h >= -row.width && h <= row.width) {
    const int32_t* c = row.cumulative + h + row.width;
    sink.encode(c[0], c[1]);
  } else {
    const int32_t status = put_escape(sink, row, h);
    if (status != kNqOk) return status;
  }
  put_bypass(sink, static_cast<uint32_t>(biased), row.shift);
  return kNqOk;
}

// h of an escape, or 0 where its length is not legal: no escape codes 0.
inline int32_t take_escape(Decoder& decoder, const TableRow& row) {
  const bool negative = decoder.bypass();
  int bits = 1;
  while (!decoder.bypass()) {
    if (++bits > kMaxEscapeBits) return 0;
  }
  const int32_t magnitude = row.width + static_cast<int32_t>((1u << (bits - 1)) | decoder.bypass_number(bits - 1));
  return negative ? -magnitude : magnitude;
}

inline int32_t take_distance(Decoder& decoder, const TableRow& row, int32_t* distance) {
  const int symbol = row.find(decoder.target());
  decoder.advance(row.cumulative[symbol], row.cumulative[symbol + 1]);
  int32_t h = symbol - row.width;
  if (h > row.width) {
    h = take_escape(decoder, row);
    if (h == 0) return kNqBadEscape;
  }
  *distance = h * (1 << row.shift) + static_cast<int32_t>(decoder.bypass_number(row.shift)) - row.bias;
  return kNqOk;
}

}  // namespace nq

#endif  // NQ_TABLE_ROW_H
