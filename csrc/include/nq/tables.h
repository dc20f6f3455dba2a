// The tables and activations of formats/nq.md 6.5 and 6.7, as a program brings them along.
#ifndef NQ_TABLES_H
#define NQ_TABLES_H

#include <cstdint>

enum NqActivation : int32_t { kNqNone = 0, kNqRelu = 1, kNqGelu = 2, kNqSilu = 3, kNqHalfTanh = 4 };

constexpr int32_t kNqTableSize = 4096;  // entries of G and H, indexed from -kNqTableSize / 2 (6.5)

// Tables of 6.5 and 6.7, each kNqTableSize entries.
struct NqTables {
  const int32_t* gelu;
  const int32_t* silu;
  const int32_t* half_tanh;
  const int32_t* sine;
};

#endif  // NQ_TABLES_H
