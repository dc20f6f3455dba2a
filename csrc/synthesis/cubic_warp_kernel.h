// The warp of four taps (formats/nq.md 6.14), included by synthesis/map_kernels.h after synthesis/warp_kernel.h, for
// instruction sets that also have vec_gather_two_pairs(p, offsets, first, second), the pairs from p + offset and those
// from p + offset + 2.
//
// As with two taps, the places of a part of a row are found once for all channels: each is the upper left of 4 x 4
// cells within the map, with weights for the two pairs of each of the four rows, so that a channel takes eight dot
// products a value. A tap beyond the map's edge adds its weight to that of the edge's cell.

namespace nq {
namespace {

struct CubicPlaces : WarpPlaces {
  static constexpr int32_t kNeighbours = kNqCubicTaps;
  int32_t first[kNqCubicTaps][kWarpPart];   // by row, weights of the first two cells, as a pair lies in a lane
  int32_t second[kNqCubicTaps][kWarpPart];  // of the last two
};

// The first of four cells within a map, and their weights.
struct CubicWindow {
  int32_t cell;
  int32_t weight[kNqCubicTaps];
};

// A place at the last cell has all weight there, so w[0], w[2] and w[3] are 0.
NQ_TARGET inline CubicWindow keep_taps_inside(const NqPlace& place, int32_t size) {
  const NqTaps taps = nq_taps(place.weight);
  const int32_t* const w = taps.weight;
  const int32_t wanted = place.cell - 1, cell = nq_clamp(wanted, 0, size - kNqCubicTaps), beyond = wanted - cell;
  const int32_t first = beyond < 0 ? w[0] + w[1] : beyond > 0 ? 0 : w[0];
  const int32_t second = beyond < 0 ? w[2] : beyond > 0 ? w[0] : w[1];
  const int32_t third = beyond < 0 ? w[3] : beyond == 1 ? w[1] : w[2];
  return {cell, {first, second, third, kNqTapSum - first - second - third}};
}

NQ_TARGET inline int32_t pair_of(int32_t first, int32_t second) {
  return static_cast<int32_t>((static_cast<uint32_t>(first) & 0xFFFF) | static_cast<uint32_t>(second) << 16);
}

// Width and height at least 4, and `count` values at least a vector.
NQ_TARGET void find_places(const WarpRow& w, int32_t first, int32_t count, CubicPlaces& places) {
  const int16_t* __restrict down = w.down + first;
  const int16_t* __restrict right = w.right + first;
  const int32_t height = w.height, width = w.width, row = w.row, shift = w.shift;
  for (int32_t x = 0; x < count; ++x) {
    const CubicWindow i = keep_taps_inside(nq_displaced(row, down[x], shift, height), height);
    const CubicWindow j = keep_taps_inside(nq_displaced(first + x, right[x], shift, width), width);
    places.offset[x] = i.cell * width + j.cell;
    for (int32_t r = 0; r < kNqCubicTaps; ++r) {
      places.first[r][x] = pair_of(i.weight[r] * j.weight[0], i.weight[r] * j.weight[1]);
      places.second[r][x] = pair_of(i.weight[r] * j.weight[2], i.weight[r] * j.weight[3]);
    }
  }
  find_runs(count, places);
}

// A vector of a channel from `in`, the first row's cells at offset 0, by what reads the pairs of a row.
template <typename ReadPairs>
NQ_TARGET inline Vec weigh_rows(const int16_t* in, int32_t width, const CubicPlaces& places, int32_t x,
                                const ReadPairs& read) {
  Vec sum = vec_set(1 << (2 * kNqTapBits - 1));
  for (int32_t r = 0; r < kNqCubicTaps; ++r, in += width) {
    Vec first, second;
    read(in, first, second);
    sum = vec_dot(sum, first, vec_load(places.first[r] + x));
    sum = vec_dot(sum, second, vec_load(places.second[r] + x));
  }
  return vec_shift_right(sum, 2 * kNqTapBits);
}

struct ReadRun {
  NQ_TARGET void operator()(const int16_t* in, Vec& first, Vec& second) const {
    first = vec_pairs_from(in);
    second = vec_pairs_from(in + 2);
  }
};

struct GatherPairs {
  Vec offsets;

  NQ_TARGET void operator()(const int16_t* in, Vec& first, Vec& second) const {
    vec_gather_two_pairs(in, offsets, first, second);
  }
};

// A part of a channel.
NQ_TARGET void warp_part(const WarpRow& w, const int16_t* in, const CubicPlaces& places, int32_t count, int16_t* out) {
  const Vec low = vec_set(w.low), high = vec_set(w.high);
  for (int32_t vector = 0; vector * kLanes < count; ++vector) {
    const int32_t x = vector_start(vector, count);
    const Vec found = places.is_run[vector]
                          ? weigh_rows(in + places.offset[x], w.width, places, x, ReadRun{})
                          : weigh_rows(in, w.width, places, x, GatherPairs{vec_load(places.offset + x)});
    vec_store_narrow(out + x, vec_clamp(found, low, high));
  }
}

// Value x of all channels, in any map.
NQ_TARGET inline void warp_value(const WarpRow& w, int32_t x, const CubicPlaces&, int16_t* out) {
  const NqCubicPlace i = nq_cubic_place(w.row, w.down[x], w.shift, w.height);
  const NqCubicPlace j = nq_cubic_place(x, w.right[x], w.shift, w.width);
  for (int64_t c = 0; c < w.channels; ++c) {
    out[c * w.out_stride] = static_cast<int16_t>(nq_warped_cubic(w.in + c * w.in_stride, w.width, i, j, w.low, w.high));
  }
}

NQ_TARGET void warp_row(const WarpRow& w, int16_t* out) {
  (w.taps == kNqCubicTaps ? warp_row_by<CubicPlaces> : warp_row_by<LinearPlaces>)(w, out);
}

}  // namespace
}  // namespace nq
