#include "decoder/tables.h"

#include <algorithm>
#include <iterator>

namespace nq {
namespace {

#include "table_data.inc"  // made by embed_tables.py from formats/tables

constexpr int32_t kTotal = 1 << 16, kRowSize = 257, kFirstSize = 256;

}  // namespace

Frequencies::Frequencies(const uint16_t* lengths, int32_t rows, const uint16_t* frequencies)
    : cumulative_(static_cast<size_t>(rows) * kRowSize, kTotal), first_(static_cast<size_t>(rows) * kFirstSize) {
  for (int32_t row = 0; row < rows; ++row) {
    int32_t* const c = cumulative_.data() + row * kRowSize;
    c[0] = 0;
    for (int32_t symbol = 0; symbol < lengths[row]; ++symbol) c[symbol + 1] = c[symbol] + *frequencies++;
    half_width_.push_back(lengths[row] / 2 - 1);
    for (int32_t place = 0, symbol = 0; place < kFirstSize; ++place) {
      while (c[symbol + 1] <= place * kFirstSize) ++symbol;
      first_[static_cast<size_t>(row * kFirstSize + place)] = static_cast<uint8_t>(symbol);
    }
  }
}

Tables::Tables()
    : gaussian_(kGaussianLengths, static_cast<int32_t>(std::size(kGaussianLengths)), kGaussianFrequencies),
      logistic_(kLogisticLengths, static_cast<int32_t>(std::size(kLogisticLengths)), kLogisticFrequencies) {
  for (const int16_t* table : {kGelu, kSilu, kHalfTanh}) {
    activations_.insert(activations_.end(), table, table + kNqTableSize);
  }
}

NqTables Tables::synthesis() const {
  const int32_t* const first = activations_.data();
  return {first, first + kNqTableSize, first + 2 * kNqTableSize, kSine};
}

}  // namespace nq
