// Where a part of a row of a float warp is read, and by which weights; included by training/warp_kernels.h, which says
// what is defined before. Places are found for kLanes values at once.
#include <cstdint>
#include <cstring>

#include "common/float_vectors.h"
#include "training/warp_rows.h"

namespace nq {
namespace {

constexpr int32_t kPart = 128;  // values of a row whose places are found at once, a multiple of kLanes

typedef float Four __attribute__((vector_size(4 * sizeof(float))));
typedef int32_t IntFour __attribute__((vector_size(4 * sizeof(float))));

template <typename V>
NQ_TARGET inline V sum_of_four(V a, V b, V c, V d) {
  return (a + b) + (c + d);
}

// Weights of the cells from `first` on along one axis, and their derivatives by the place.
struct Axis {
  alignas(64) float weight[kTaps][kPart];
  alignas(64) float slope[kTaps][kPart];
  alignas(64) int32_t first[kPart];
  alignas(64) int32_t is_inside[kPart];  // all ones where the place is within the map
};

// A part of a row: places of its values. Those from `count` to the next multiple of kLanes are places of the map, too.
struct Places {
  Axis rows, columns;
  alignas(64) int32_t cell[kPart];  // the first of 4 x 4
  bool is_run[kPart / kLanes];      // by vector: cells that follow one another
  int32_t count;
};

NQ_TARGET inline bool is_zero(IntVec v) {
  int64_t parts[sizeof v / sizeof(int64_t)], any = 0;
  std::memcpy(parts, &v, sizeof v);
  for (const int64_t part : parts) any |= part;
  return any == 0;
}

// Each cell takes the weight of the one before it, and the last one keeps its own as well.
NQ_TARGET inline void move_up(Vec (&w)[kTaps], IntVec where) {
  w[3] = where ? w[2] + w[3] : w[3];
  w[2] = where ? w[1] : w[2];
  w[1] = where ? w[0] : w[1];
  w[0] = where ? Vec{} : w[0];
}

// Each cell takes the weight of the one behind it, and the first one keeps its own as well.
NQ_TARGET inline void move_down(Vec (&w)[kTaps], IntVec where) {
  w[0] = where ? w[0] + w[1] : w[0];
  w[1] = where ? w[2] : w[1];
  w[2] = where ? w[3] : w[2];
  w[3] = where ? Vec{} : w[3];
}

// Makes weights of the taps of a place those of four cells within the map, which begin `beyond` cells before the taps,
// -1 to 2: a tap beyond the map's edge adds its weight to that of the edge's cell.
NQ_TARGET inline void move_inside(Vec (&w)[kTaps], IntVec beyond) {
  move_down(w, beyond < 0);
  move_up(w, beyond > 0);
  move_up(w, beyond > 1);
}

constexpr float kA = -0.75f;  // of cubic convolution (Keys 1981)

// The weights of the cells -1 to 2 from a place's own, beyond which it lies by f = 1 - g.
NQ_TARGET inline void weigh_taps(Vec f, Vec g, Vec (&w)[kTaps]) {
  w[0] = kA * f * g * g;
  w[1] = ((kA + 2) * f - (kA + 3)) * f * f + 1.0f;
  w[2] = ((kA + 2) * g - (kA + 3)) * g * g + 1.0f;
  w[3] = kA * g * f * f;
}

// Their derivatives by the place.
NQ_TARGET inline void differentiate_taps(Vec f, Vec g, Vec (&w)[kTaps]) {
  w[0] = kA * g * (g - 2.0f * f);
  w[1] = (3 * (kA + 2) * f - 2 * (kA + 3)) * f;
  w[2] = (2 * (kA + 3) - 3 * (kA + 2) * g) * g;
  w[3] = kA * f * (2.0f * g - f);
}

// A place that is no number is read at cell 0 with weights that are none either.
template <bool kSlopes>
NQ_TARGET inline void find_axis(Vec place, int32_t size, int32_t x, Axis& axis) {
  const Vec zero = {}, last = all(static_cast<float>(size - 1));
  const Vec from_0 = place < zero ? zero : place, clamped = from_0 > last ? last : from_0;
  const IntVec cell = __builtin_convertvector(clamped >= zero ? clamped : zero, IntVec);
  const IntVec wanted = cell - 1, most = all(size - kTaps);
  const IntVec at_least_0 = wanted < 0 ? IntVec{} : wanted, first = at_least_0 > most ? most : at_least_0;
  const IntVec beyond = wanted - first;
  const bool is_moved = !is_zero(beyond);
  const Vec f = clamped - __builtin_convertvector(cell, Vec), g = 1.0f - f;
  Vec w[kTaps];
  weigh_taps(f, g, w);
  if (is_moved) move_inside(w, beyond);
  for (int32_t k = 0; k < kTaps; ++k) store(axis.weight[k] + x, w[k]);
  if constexpr (kSlopes) {
    differentiate_taps(f, g, w);
    if (is_moved) move_inside(w, beyond);
    for (int32_t k = 0; k < kTaps; ++k) store(axis.slope[k] + x, w[k]);
    store(axis.is_inside + x, (place >= zero) & (place <= last));
  }
  store(axis.first + x, first);
}

template <bool kSlopes>
NQ_TARGET void find_places(const FloatWarpRow& row, int32_t start, Places& places) {
  places.count = row.width - start < kPart ? row.width - start : kPart;
  alignas(64) float down[kPart], right[kPart];
  const float* const vectors = row.vectors + start * row.to_next;
  for (int32_t x = 0; x < places.count; ++x) {
    down[x] = vectors[x * row.to_next];
    right[x] = vectors[x * row.to_next + row.to_right];
  }
  for (int32_t x = places.count; x % kLanes; ++x) down[x] = right[x] = 0.0f;
  IntVec lane;
  for (int32_t l = 0; l < kLanes; ++l) lane[l] = l;
  for (int32_t x = 0; x < places.count; x += kLanes) {
    const Vec columns = __builtin_convertvector(start + x + lane, Vec);
    const Vec rows = all(static_cast<float>(row.row));
    find_axis<kSlopes>(rows + load(down + x) * row.unit, row.height, x, places.rows);
    find_axis<kSlopes>(columns + load(right + x) * row.unit, row.width, x, places.columns);
    const IntVec first = load<IntVec>(places.rows.first + x) * row.width + load<IntVec>(places.columns.first + x);
    store(places.cell + x, first);
    places.is_run[x / kLanes] = is_zero(first - lane - first[0]);
  }
}

// By how much the warped values of a part grow with their places, times their gradients.
struct PlaceGradients {
  alignas(64) float down[kPart], right[kPart];
};

// Four vectors weighed by the weights of value x.
NQ_TARGET inline Four weigh(const float (&weight)[kTaps][kPart], int32_t x, const Four (&v)[kTaps]) {
  return sum_of_four(weight[0][x] * v[0], weight[1][x] * v[1], weight[2][x] * v[2], weight[3][x] * v[3]);
}

// Four vectors weighed by the weights of the values from x on, lane by lane.
template <typename V>
NQ_TARGET inline V weigh_lanes(const float (&weight)[kTaps][kPart], int32_t x, const V (&v)[kTaps]) {
  return sum_of_four(load<V>(weight[0] + x) * v[0], load<V>(weight[1] + x) * v[1], load<V>(weight[2] + x) * v[2],
                     load<V>(weight[3] + x) * v[3]);
}

}  // namespace
}  // namespace nq
