// The normative tables (formats/nq.md, 3.3, 3.6, 6.5 and 6.7), in the form that entropy decoding and synthesis take.
#ifndef NQ_DECODER_TABLES_H
#define NQ_DECODER_TABLES_H

#include <cstdint>
#include <vector>

#include "nq/coder.h"
#include "nq/tables.h"

namespace nq {

// The rows of a static model.
class Frequencies {
 public:
  // `lengths` of `rows` lists, which follow one another in `frequencies`.
  Frequencies(const uint16_t* lengths, int32_t rows, const uint16_t* frequencies);

  NqFrequencyTable view() const { return {half_width_.data(), cumulative_.data(), first_.data()}; }

 private:
  std::vector<int32_t> half_width_, cumulative_;
  std::vector<uint8_t> first_;
};

// The constants of a decoder.
class Tables {
 public:
  Tables();

  NqFrequencyTable gaussian() const { return gaussian_.view(); }
  NqFrequencyTable logistic() const { return logistic_.view(); }
  // Those of synthesis, which live as long as this.
  NqTables synthesis() const;

 private:
  Frequencies gaussian_, logistic_;
  std::vector<int32_t> activations_;  // one after the other
};

}  // namespace nq

#endif  // NQ_DECODER_TABLES_H
