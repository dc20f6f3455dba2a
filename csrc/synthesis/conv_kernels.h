// The body of the convolution kernels. Included by one file for each instruction set, after it has defined, in an
// unnamed namespace:
//   NQ_TARGET        attribute that allows the instruction set in a function
//   Vec, kLanes      a vector of kLanes int32; 2 kLanes int16 as well
//   kBlock, kTiles   output channels of a block; accumulators of a tile that stay in registers
//   vec_set(int32), vec_load(const void*), vec_store(void*, Vec)
//   vec_dot(sum, pairs, weights)       sum + a0 w0 + a1 w1 in each lane
//   vec_clamp(v, low, high)
//   vec_scale(v, multiplier, scale)    low 32 bits of (v multiplier + 2^(shift - 1)) >> shift, with 64-bit products
//   vec_upper(v, multiplier)           (v multiplier + 2^31) >> 32, one multiplier for all lanes, of a sum that fits 32
//                                      bits
//   vec_store_narrow(int16*, Vec)      kLanes values that fit 16 bits
//   vec_store_two_narrow(int16*, a, b) those of a and then those of b
//   vec_pairs_low(a, b), vec_pairs_high(a, b), vec_join(low, high)   int16 a and b side by side, in two halves, and
//                                      back from two halves of int32 to int16
// A bound of formats/nq.md 6.3 keeps every partial sum within 32 bits, in any order.

#include <array>
#include <cstring>
#include <utility>

#include "common/integer_math.h"
#include "synthesis/conv.h"

namespace nq {
namespace {

static_assert(2 * kLanes <= kRowTile && kRowTile % kLanes == 0 && kBlock <= kMaxBlock, "packing pads for this tile");

// Loads one by one from a table in the nearest cache beat gathers. Unrolled by hand: compilers count and compare for
// each value otherwise.
NQ_TARGET inline void look_up(const int16_t* __restrict p, int32_t count, const int16_t* __restrict centre,
                              int16_t* __restrict out) {
  int32_t x = 0;
  for (; x + 8 <= count; x += 8, p += 8, out += 8) {
    out[0] = centre[p[0]];
    out[1] = centre[p[1]];
    out[2] = centre[p[2]];
    out[3] = centre[p[3]];
    out[4] = centre[p[4]];
    out[5] = centre[p[5]];
    out[6] = centre[p[6]];
    out[7] = centre[p[7]];
  }
  for (; x < count; ++x) *out++ = centre[*p++];
}

// `rows` of `width` values, one after another at p, where kGateValues more can be read; the first `valid` of each go to
// out, `stride` from row to row.
NQ_TARGET void activate(const int16_t* __restrict p, int32_t rows, int32_t width, int32_t valid,
                        const ActivationTable& a, int16_t* __restrict out, int64_t stride) {
  const int16_t* const centre = a.centre;
  if (a.kind == ActivationTable::kGate) {
    return run_gate(*a.gate, a.frac, p, {rows, width, valid, out, stride});
  }
  for (int32_t row = 0; row < rows; ++row, p += width, out += stride) {
    switch (a.kind) {
      case ActivationTable::kGate: break;  // done
      case ActivationTable::kCopy: std::memcpy(out, p, sizeof(int16_t) * valid); break;
      case ActivationTable::kRelu:
        for (int32_t x = 0; x < valid; ++x) out[x] = p[x] > 0 ? p[x] : int16_t{0};
        break;
      case ActivationTable::kValue: look_up(p, valid, centre, out); break;
      case ActivationTable::kHalfTanh:
        for (int32_t x = 0; x < valid; ++x) out[x] = centre[nq_half_tanh_index(p[x])];
        break;
    }
  }
}

// Rescales that enlarge: rare, so plain.
NQ_TARGET void rescale_plainly(const ConvLayer& c, const Rescale& r, const int32_t* acc, int32_t count, int16_t* p) {
  for (int32_t x = 0; x < count; ++x) {
    p[x] = static_cast<int16_t>(nq_requantize(acc[x], r.multiplier, r.shift, c.p_low, c.p_high));
  }
}

// Values p of a channel's accumulators.
template <int kVectors>
NQ_TARGET inline void store_rescaled(const ConvLayer& c, const Rescale& r, const Vec* sum, int16_t* p) {
  if (!c.narrows) {
    alignas(64) int32_t acc[kVectors * kLanes];
    for (int v = 0; v < kVectors; ++v) vec_store(acc + v * kLanes, sum[v]);
    return rescale_plainly(c, r, acc, kVectors * kLanes, p);
  }
  Vec scaled[kVectors];
  const Vec low = vec_set(r.acc_low), high = vec_set(r.acc_high);
  if (c.has_upper) {
    const Vec upper = vec_set(r.upper);
    for (int v = 0; v < kVectors; ++v) scaled[v] = vec_upper(vec_clamp(sum[v], low, high), upper);
  } else {
    const Vec multiplier = vec_set(r.multiplier);
    const Scale scale(r.shift);
    for (int v = 0; v < kVectors; ++v) scaled[v] = vec_scale(vec_clamp(sum[v], low, high), multiplier, scale);
  }
  if constexpr (kVectors == 1) {
    vec_store_narrow(p, scaled[0]);
  } else {
    for (int v = 0; v < kVectors; v += 2) vec_store_two_narrow(p + v * kLanes, scaled[v], scaled[v + 1]);
  }
}

// Values p of kOut channels from `first` on by kVectors vectors of columns, `stride` values from channel to channel.
template <int kOut, int kVectors>
NQ_TARGET void dense_tile(const ConvLayer& c, const PackedRows& in, int64_t column, const int16_t* weights,
                          int32_t first, int16_t* p, int64_t stride) {
  Vec sum[kOut][kVectors];
  for (int o = 0; o < kOut; ++o) {
    for (int v = 0; v < kVectors; ++v) sum[o][v] = vec_set(c.bias[first + o]);
  }
  const int16_t* const input = in.first + 2 * column;
  const int64_t row_step = 2 * in.pitch, pairs = c.pairs();
  for (int64_t i = 0; i < pairs; ++i) {
    for (int32_t a = 0; a < c.kernel; ++a) {
      const int16_t* row = input + i * in.plane + a * row_step;
      for (int32_t b = 0; b < c.kernel; ++b, row += 2) {
        Vec x[kVectors];
        for (int v = 0; v < kVectors; ++v) x[v] = vec_load(row + 2 * v * kLanes);
        for (int o = 0; o < kOut; ++o, weights += 2) {
          int32_t pair;
          std::memcpy(&pair, weights, sizeof pair);
          const Vec w = vec_set(pair);
          for (int v = 0; v < kVectors; ++v) sum[o][v] = vec_dot(sum[o][v], x[v], w);
        }
      }
    }
  }
  for (int o = 0; o < kOut; ++o, p += stride) store_rescaled<kVectors>(c, c.rescale[first + o], sum[o], p);
}

using DenseTile = void (*)(const ConvLayer&, const PackedRows&, int64_t, const int16_t*, int32_t, int16_t*, int64_t);

// The widest tile for a number of channels: fewer channels take more columns, so that there are as many independent
// sums, and an input vector is loaded for several of them.
constexpr int most_vectors(int channels) {
  int vectors = 1;
  while (2 * vectors * channels <= kTiles) vectors *= 2;
  return vectors;
}

template <int kShare, int... kIndex>
constexpr std::array<DenseTile, sizeof...(kIndex)> dense_tiles(std::integer_sequence<int, kIndex...>) {
  return {{dense_tile<kIndex + 1, (most_vectors(kIndex + 1) >= kShare ? most_vectors(kIndex + 1) / kShare : 1)>...}};
}

// By a number s, and channels of the block less one: the widest tile's vectors halved s times.
using Channels = std::make_integer_sequence<int, kBlock>;
constexpr std::array<DenseTile, kBlock> kTilesOf[] = {dense_tiles<1>(Channels()), dense_tiles<2>(Channels()),
                                                      dense_tiles<4>(Channels()), dense_tiles<8>(Channels()),
                                                      dense_tiles<16>(Channels())};
static_assert(most_vectors(1) <= 16, "tiles of one channel are halved four times");

NQ_TARGET void dense_row(const ConvLayer& c, const PackedRows& in, int32_t columns, int32_t block, int16_t* out,
                         int64_t stride) {
  const int32_t first = block * c.block;
  const int32_t count = c.channels - first < c.block ? c.channels - first : c.block;
  const int16_t* const weights = c.weights + 2 * c.taps() * c.pairs() * first;
  alignas(64) int16_t p[kTiles * kLanes + kGateValues];
  const int32_t widest = most_vectors(count);
  int32_t tile = 0;
  for (int32_t x = 0; x < columns; x += tile) {
    // The last tile may read and compute less than a vector too much.
    int32_t vectors = widest, halved = 0;
    for (; vectors > 1 && columns - x <= (vectors - 1) * kLanes; vectors /= 2) ++halved;
    tile = vectors * kLanes;
    const DenseTile run = kTilesOf[halved][count - 1];
    const int32_t valid = columns - x < tile ? columns - x : tile;
    if (valid == tile && c.activation.kind == ActivationTable::kCopy) {
      run(c, in, x, weights, first, out + x, stride);
      continue;
    }
    run(c, in, x, weights, first, p, tile);
    activate(p, count, tile, valid, c.activation, out + x, stride);
  }
}

// Input vectors of a depthwise convolution's taps, in row order.
class Taps {
 public:
  NQ_TARGET Taps(const PackedRows& in, int64_t column, int32_t kernel)
      : at_(in.first + column), pitch_(in.pitch - kernel), kernel_(kernel), left_(kernel) {}

  NQ_TARGET Vec next() {
    if (left_ == 0) {
      at_ += pitch_;
      left_ = kernel_;
    }
    --left_;
    return vec_load(at_++);
  }

 private:
  const int16_t* at_;
  int64_t pitch_;  // from a row's last tap to the next row's first
  int32_t kernel_, left_;
};

// Values p of two halves of sums, in the order that vec_join puts right.
NQ_TARGET void rescale_halves(const ConvLayer& c, const Rescale& r, Vec sum_low, Vec sum_high, int16_t* p) {
  if (c.narrows) {
    const Vec low = vec_set(r.acc_low), high = vec_set(r.acc_high), multiplier = vec_set(r.multiplier);
    const Scale scale(r.shift);
    vec_store(p, vec_join(vec_scale(vec_clamp(sum_low, low, high), multiplier, scale),
                          vec_scale(vec_clamp(sum_high, low, high), multiplier, scale)));
  } else {
    alignas(64) int32_t halves[2 * kLanes];
    vec_store(halves, sum_low);
    vec_store(halves + kLanes, sum_high);
    for (int32_t& v : halves) v = nq_requantize(v, r.multiplier, r.shift, c.p_low, c.p_high);
    vec_store(p, vec_join(vec_load(halves), vec_load(halves + kLanes)));
  }
}

NQ_TARGET void depthwise_row(const ConvLayer& c, const PackedRows& in, int32_t columns, int32_t channel, int16_t* out) {
  const int64_t taps = c.taps(), pairs = (taps + 1) / 2;
  const int16_t* const weights = c.weights + 2 * pairs * channel;
  const Vec zero = vec_set(0);
  for (int32_t x = 0; x < columns; x += 2 * kLanes) {
    Vec sum_low = vec_set(c.bias[channel]), sum_high = sum_low;
    Taps input(in, x, c.kernel);
    for (int64_t i = 0; i < pairs; ++i) {
      const Vec one = input.next(), other = 2 * i + 1 < taps ? input.next() : zero;
      int32_t pair;
      std::memcpy(&pair, weights + 2 * i, sizeof pair);
      const Vec w = vec_set(pair);
      sum_low = vec_dot(sum_low, vec_pairs_low(one, other), w);
      sum_high = vec_dot(sum_high, vec_pairs_high(one, other), w);
    }
    alignas(64) int16_t p[2 * kLanes + kGateValues];
    rescale_halves(c, c.rescale[channel], sum_low, sum_high, p);
    activate(p, 1, 2 * kLanes, columns - x < 2 * kLanes ? columns - x : 2 * kLanes, c.activation, out + x, 0);
  }
}

NQ_TARGET void pack_pairs(const int16_t* __restrict first, const int16_t* __restrict second, int32_t count,
                          int16_t* __restrict target) {
  int32_t x = 0;
  if (second) {
    for (; x + 2 * kLanes <= count; x += 2 * kLanes) {
      vec_store_pairs(target + 2 * x, vec_load(first + x), vec_load(second + x));
    }
    for (; x < count; ++x) {
      target[2 * x] = first[x];
      target[2 * x + 1] = second[x];
    }
  } else {
    for (; x + 2 * kLanes <= count; x += 2 * kLanes) {
      vec_store_pairs(target + 2 * x, vec_load(first + x), vec_set(0));
    }
    for (; x < count; ++x) {
      target[2 * x] = first[x];
      target[2 * x + 1] = 0;
    }
  }
}

NQ_TARGET int64_t peak(int64_t rounds) {
  Vec sum[kPeakSums];
#pragma GCC unroll 16
  for (int i = 0; i < kPeakSums; ++i) sum[i] = vec_set(i);
  const Vec x = vec_set(0x00030005), w = vec_set(0x00010002);
  for (int64_t round = 0; round < rounds; ++round) vec_dot_all(sum, x, w);
  alignas(64) int32_t lanes[kLanes];
  int64_t macs = rounds * kPeakSums * 2 * kLanes;
  // The sums reach the result, so that they are computed; it does not change by them.
#pragma GCC unroll 16
  for (int i = 0; i < kPeakSums; ++i) {
    vec_store(lanes, sum[i]);
    macs += lanes[0] == INT32_MIN;
  }
  return macs;
}

constexpr ConvKernels kKernels = {kBlock, kGates, pack_pairs, dense_row, depthwise_row, peak};

}  // namespace
}  // namespace nq
