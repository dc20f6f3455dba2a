// The float warp of maps of one channel; included by training/warp_kernels.h. Lanes are values of a row; what they read
// is first weighed along the four columns of cells.
#include <cstdint>
#include <cstring>

#include "training/warp_places.h"

namespace nq {
namespace {

// Lanes of `a` as 0 to 3, lanes of `b` as 4 to 7.
#if defined(__clang__)
#define NQ_PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define NQ_PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, IntFour{i, j, k, l})
#endif

NQ_TARGET inline void transpose(Four (&v)[4]) {
  const Four low01 = NQ_PICK(v[0], v[1], 0, 4, 1, 5), high01 = NQ_PICK(v[0], v[1], 2, 6, 3, 7);
  const Four low23 = NQ_PICK(v[2], v[3], 0, 4, 1, 5), high23 = NQ_PICK(v[2], v[3], 2, 6, 3, 7);
  v[0] = NQ_PICK(low01, low23, 0, 1, 4, 5);
  v[1] = NQ_PICK(low01, low23, 2, 3, 6, 7);
  v[2] = NQ_PICK(high01, high23, 0, 1, 4, 5);
  v[3] = NQ_PICK(high01, high23, 2, 3, 6, 7);
}

template <typename V>
NQ_TARGET inline void load_column(const float* first, int64_t stride, V (&cells)[kTaps]) {
  cells[0] = load<V>(first);
  cells[1] = load<V>(first + stride);
  cells[2] = load<V>(first + 2 * stride);
  cells[3] = load<V>(first + 3 * stride);
}

// kLanes values whose cells follow one another: vectors are read as they lie in the map.
struct Run {
  typedef Vec V;

  NQ_TARGET static inline void weigh_columns(const FloatWarpRow& row, const Places& places,
                                             const float (&weight)[kTaps][kPart], int32_t x, V (&columns)[kTaps]) {
    const float* const first = row.maps + places.cell[x];
    for (int32_t k = 0; k < kTaps; ++k) {
      V cells[kTaps];
      load_column(first + k, row.width, cells);
      columns[k] = weigh_lanes(weight, x, cells);
    }
  }
};

// Four values anywhere: a vector is the four columns of one of them.
struct Apart {
  typedef Four V;

  NQ_TARGET static inline V columns_of(const FloatWarpRow& row, const Places& places,
                                       const float (&weight)[kTaps][kPart], int32_t x) {
    V cells[kTaps];
    load_column(row.maps + places.cell[x], row.width, cells);
    return weigh(weight, x, cells);
  }

  NQ_TARGET static inline void weigh_columns(const FloatWarpRow& row, const Places& places,
                                             const float (&weight)[kTaps][kPart], int32_t x, V (&columns)[kTaps]) {
    columns[0] = columns_of(row, places, weight, x);
    columns[1] = columns_of(row, places, weight, x + 1);
    columns[2] = columns_of(row, places, weight, x + 2);
    columns[3] = columns_of(row, places, weight, x + 3);
    transpose(columns);
  }
};

// Calls body(Run(), x) or body(Apart(), x) for all values of a part, and some up to the next multiple of kLanes.
template <typename Body>
NQ_TARGET inline void for_each_vector(const Places& places, const Body& body) {
  for (int32_t x = 0; x < places.count; x += kLanes) {
    if (places.is_run[x / kLanes]) {
      body(Run(), x);
    } else {
      for (int32_t four = x; four < x + kLanes && four < places.count; four += 4) body(Apart(), four);
    }
  }
}

// `warped` has room for a multiple of kLanes.
struct SingleValues {
  template <typename Way>
  NQ_TARGET void operator()(Way, int32_t x) const {
    typename Way::V columns[kTaps];
    Way::weigh_columns(row, places, places.rows.weight, x, columns);
    store(warped + x, weigh_lanes(places.columns.weight, x, columns));
  }

  const FloatWarpRow& row;
  const Places& places;
  float* warped;
};

NQ_TARGET void single_values(const FloatWarpRow& row, const Places& places, float* warped) {
  alignas(64) float out[kPart];
  for_each_vector(places, SingleValues{row, places, out});
  std::memcpy(warped, out, places.count * sizeof(float));
}

struct SinglePlaceGradients {
  template <typename Way>
  NQ_TARGET void operator()(Way, int32_t x) const {
    typename Way::V columns[kTaps], slopes[kTaps];
    Way::weigh_columns(row, places, places.rows.weight, x, columns);
    Way::weigh_columns(row, places, places.rows.slope, x, slopes);
    const auto gradient = load<typename Way::V>(warped_gradient + x);
    store(out.down + x, gradient * weigh_lanes(places.columns.weight, x, slopes));
    store(out.right + x, gradient * weigh_lanes(places.columns.slope, x, columns));
  }

  const FloatWarpRow& row;
  const Places& places;
  const float* warped_gradient;
  PlaceGradients& out;
};

// Adds 4 x 4 values to a map, one place after another. Where the next place is a cell to the right, as motion that
// changes slowly has it, sums stay in registers but for the column that is done: memory that has just been written at
// other boundaries is slow to read.
class SlidingSums {
 public:
  NQ_TARGET SlidingSums(float* map, int64_t stride) : map_(map), stride_(stride) {}

  NQ_TARGET inline void add(int32_t cell, Four columns, const float (&weight)[kTaps][kPart], int32_t x) {
    if (cell == cell_ + 1) {
      float* const p = map_ + cell_;
      sum0_ = slide(p, sum0_);
      sum1_ = slide(p + stride_, sum1_);
      sum2_ = slide(p + 2 * stride_, sum2_);
      sum3_ = slide(p + 3 * stride_, sum3_);
    } else if (cell != cell_) {
      flush();
      sum0_ = sum1_ = sum2_ = sum3_ = Four{};
    }
    cell_ = cell;
    sum0_ += weight[0][x] * columns;
    sum1_ += weight[1][x] * columns;
    sum2_ += weight[2][x] * columns;
    sum3_ += weight[3][x] * columns;
  }

  NQ_TARGET inline void flush() const {
    if (cell_ < 0) return;
    float* const p = map_ + cell_;
    add_to(p, sum0_);
    add_to(p + stride_, sum1_);
    add_to(p + 2 * stride_, sum2_);
    add_to(p + 3 * stride_, sum3_);
  }

 private:
  static constexpr int32_t kNone = -2;  // not the cell before any

  NQ_TARGET static inline Four slide(float* p, Four sum) {
    *p += sum[0];
    return NQ_PICK(sum, Four{}, 1, 2, 3, 4);
  }

  NQ_TARGET static inline void add_to(float* p, Four sum) { store(p, load<Four>(p) + sum); }

  float* map_;
  int64_t stride_;
  int32_t cell_ = kNone;
  Four sum0_ = {}, sum1_ = {}, sum2_ = {}, sum3_ = {};  // by row; arrays would not stay in registers
};

NQ_TARGET void single_map_gradients(const FloatWarpRow& row, const Places& places, const float* warped_gradient,
                                    float* maps_gradient) {
  SlidingSums sums(maps_gradient, row.width);
  for (int32_t x = 0; x < places.count; x += 4) {
    const Four gradient = load<Four>(warped_gradient + x);
    Four columns[kTaps];
    for (int32_t k = 0; k < kTaps; ++k) columns[k] = gradient * load<Four>(places.columns.weight[k] + x);
    transpose(columns);
    for (int32_t p = 0; p < 4; ++p) sums.add(places.cell[x + p], columns[p], places.rows.weight, x + p);
  }
  sums.flush();
}

NQ_TARGET void single_gradients(const FloatWarpRow& row, const Places& places, const float* warped_gradient,
                                float* maps_gradient, PlaceGradients* by_places) {
  alignas(64) float gradient[kPart];
  std::memcpy(gradient, warped_gradient, places.count * sizeof(float));
  for (int32_t x = places.count; x % kLanes; ++x) gradient[x] = 0.0f;
  if (maps_gradient) single_map_gradients(row, places, gradient, maps_gradient);
  if (by_places) for_each_vector(places, SinglePlaceGradients{row, places, gradient, *by_places});
}

}  // namespace
}  // namespace nq
