// The warp of two taps (formats/nq.md 6.14), included by synthesis/map_kernels.h, for instruction sets that have
// vec_pairs_from(p), the pairs (p[l], p[l + 1]) in lanes l, vec_gather_pairs(p, offsets), the pairs from p + offset,
// and vec_shift_right(v, by); and what warps of both numbers of taps share.
//
// A part of a row has its places found once for all channels: each is the upper left of four cells within the map, with
// weights of the two pairs of neighbours, so that a channel takes two reads and two dot products a value. Where motion
// is even, the cells of a vector follow one another, and no gather is needed.

namespace nq {
namespace {

// Values that places are found for at a time.
constexpr int32_t kWarpPart = 256;

struct WarpPlaces {
  int32_t offset[kWarpPart];        // of the upper left neighbour, in values
  bool is_run[kWarpPart / kLanes];  // by vector: offsets that follow one another
};

struct LinearPlaces : WarpPlaces {
  static constexpr int32_t kNeighbours = 2;    // along an axis, within the map
  int32_t upper[kWarpPart], lower[kWarpPart];  // weights of a pair, as a pair lies in a lane
};

// Where a part's vector begins: at its lanes, but the last ends with the part.
NQ_TARGET inline int32_t vector_start(int32_t vector, int32_t count) {
  return vector * kLanes < count - kLanes ? vector * kLanes : count - kLanes;
}

// `place` with a next cell that is within a map of more than one: its last cell is the one before it, with all weight
// on the next.
NQ_TARGET inline void keep_next_inside(NqPlace& place, int32_t size) {
  const bool is_last = place.cell == size - 1;
  place.cell -= is_last;
  place.weight = is_last ? kNqWarpOne : place.weight;
}

// Which of a part's vectors are runs.
NQ_TARGET inline void find_runs(int32_t count, WarpPlaces& places) {
  for (int32_t vector = 0; vector * kLanes < count; ++vector) {
    const int32_t* const offset = places.offset + vector_start(vector, count);
    int32_t breaks = 0;
    for (int32_t l = 0; l < kLanes; ++l) breaks |= offset[l] ^ (offset[0] + l);
    places.is_run[vector] = breaks == 0;
  }
}

// Width and height at least 2, and `count` values at least a vector.
NQ_TARGET void find_places(const WarpRow& w, int32_t first, int32_t count, LinearPlaces& places) {
  const int16_t* __restrict down = w.down + first;
  const int16_t* __restrict right = w.right + first;
  const int32_t height = w.height, width = w.width, row = w.row, shift = w.shift;
  for (int32_t x = 0; x < count; ++x) {
    NqPlace i = nq_displaced(row, down[x], shift, height), j = nq_displaced(first + x, right[x], shift, width);
    keep_next_inside(i, height);
    keep_next_inside(j, width);
    const int32_t pair = (kNqWarpOne - j.weight) | j.weight << 16;
    places.offset[x] = i.cell * width + j.cell;
    places.upper[x] = pair * (kNqWarpOne - i.weight);
    places.lower[x] = pair * i.weight;
  }
  find_runs(count, places);
}

NQ_TARGET inline void store_warped(Vec upper, Vec lower, const LinearPlaces& places, int32_t x, int16_t* out) {
  Vec sum = vec_set(1 << (2 * kNqWarpBits - 1));
  sum = vec_dot(sum, upper, vec_load(places.upper + x));
  sum = vec_dot(sum, lower, vec_load(places.lower + x));
  vec_store_narrow(out + x, vec_shift_right(sum, 2 * kNqWarpBits));
}

// A part of a channel.
NQ_TARGET void warp_part(const WarpRow& w, const int16_t* in, const LinearPlaces& places, int32_t count, int16_t* out) {
  for (int32_t vector = 0; vector * kLanes < count; ++vector) {
    const int32_t x = vector_start(vector, count);
    if (places.is_run[vector]) {
      const int16_t* const first = in + places.offset[x];
      store_warped(vec_pairs_from(first), vec_pairs_from(first + w.width), places, x, out);
    } else {
      const Vec offsets = vec_load(places.offset + x);
      store_warped(vec_gather_pairs(in, offsets), vec_gather_pairs(in + w.width, offsets), places, x, out);
    }
  }
}

// Value x of all channels, in any map.
NQ_TARGET inline void warp_value(const WarpRow& w, int32_t x, const LinearPlaces&, int16_t* out) {
  const NqPlace i = nq_displaced(w.row, w.down[x], w.shift, w.height);
  const NqPlace j = nq_displaced(x, w.right[x], w.shift, w.width);
  const int16_t* p = w.in + int64_t{i.cell} * w.width + j.cell;
  const int64_t below = int64_t{i.next} * w.width;
  for (int64_t c = 0; c < w.channels; ++c, p += w.in_stride) {
    out[c * w.out_stride] =
        static_cast<int16_t>(nq_warped(p[0], p[j.next], p[below], p[below + j.next], i.weight, j.weight));
  }
}

// Value by value in maps that do not have the neighbours of a place, and in rows of less than a vector.
template <typename Places>
NQ_TARGET void warp_row_by(const WarpRow& w, int16_t* out) {
  Places places;
  if (w.height < Places::kNeighbours || w.width < kLanes) {
    for (int32_t x = 0; x < w.width; ++x) warp_value(w, x, places, out + x);
    return;
  }
  for (int32_t first = 0; first < w.width;) {
    // A last part of less than a vector begins earlier instead: what it shares with the one before is computed again.
    if (w.width - first < kLanes) first = w.width - kLanes;
    const int32_t count = w.width - first < kWarpPart ? w.width - first : kWarpPart;
    find_places(w, first, count, places);
    for (int64_t c = 0; c < w.channels; ++c) {
      warp_part(w, w.in + c * w.in_stride, places, count, out + c * w.out_stride + first);
    }
    first += count;
  }
}

}  // namespace
}  // namespace nq
