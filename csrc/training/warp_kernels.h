// The body of the float warp's kernels. Included by one file for each instruction set, after it has defined what
// common/float_vectors.h asks for, kLanes being a multiple of 4. Nothing is fused, so that every instruction set gives
// the same bits.
//
// Here are maps of more than one channel, whose vectors hold up to four channels of a cell, and the rows of any.
#include <cstdint>
#include <cstring>

#include "training/warp_single.h"

namespace nq {
namespace {

typedef int64_t Pairs __attribute__((vector_size(2 * sizeof(int64_t))));

// Two values are read and written as one integer: compilers would put a vector of single ones together in memory.
template <int kCount>
NQ_TARGET inline Four load_channels(const float* p) {
  if constexpr (kCount == 4) return load<Four>(p);
  if constexpr (kCount == 3) return (Four)Pairs{load<int64_t>(p), load<uint32_t>(p + 2)};
  if constexpr (kCount == 2) return (Four)Pairs{load<int64_t>(p), 0};
  return Four{p[0]};
}

template <int kCount>
NQ_TARGET inline void store_channels(float* p, Four v) {
  if constexpr (kCount == 4) {
    store(p, v);
  } else {
    if constexpr (kCount > 1) store(p, ((Pairs)v)[0]);
    if constexpr (kCount != 2) p[kCount - 1] = v[kCount - 1];
  }
}

// The kernels for kCount channels from `channel` on.
template <int kCount>
struct Group {
  NQ_TARGET static void values(const FloatWarpRow& row, const Places& places, int32_t channel, float* warped) {
    const int64_t channels = row.channels, stride = row.width * channels;
    for (int32_t x = 0; x < places.count; ++x) {
      const float* in = row.maps + places.cell[x] * channels + channel;
      Four cells[kTaps];
      for (int32_t r = 0; r < kTaps; ++r, in += stride) {
        Four taps[kTaps];
        for (int32_t k = 0; k < kTaps; ++k) taps[k] = load_channels<kCount>(in + k * channels);
        cells[r] = weigh(places.columns.weight, x, taps);
      }
      store_channels<kCount>(warped + x * channels + channel, weigh(places.rows.weight, x, cells));
    }
  }

  // Adds to `out`.
  NQ_TARGET static void place_gradients(const FloatWarpRow& row, const Places& places, int32_t channel,
                                        const float* warped_gradient, PlaceGradients& out) {
    const int64_t channels = row.channels, stride = row.width * channels;
    for (int32_t x = 0; x < places.count; ++x) {
      const float* in = row.maps + places.cell[x] * channels + channel;
      Four cells[kTaps], slopes[kTaps];
      for (int32_t r = 0; r < kTaps; ++r, in += stride) {
        Four taps[kTaps];
        for (int32_t k = 0; k < kTaps; ++k) taps[k] = load_channels<kCount>(in + k * channels);
        cells[r] = weigh(places.columns.weight, x, taps);
        slopes[r] = weigh(places.columns.slope, x, taps);
      }
      const Four gradient = load_channels<kCount>(warped_gradient + x * channels + channel);
      const Four down = gradient * weigh(places.rows.slope, x, cells);
      const Four right = gradient * weigh(places.rows.weight, x, slopes);
      out.down[x] += sum_of_four(down[0], down[1], down[2], down[3]);
      out.right[x] += sum_of_four(right[0], right[1], right[2], right[3]);
    }
  }

  NQ_TARGET static void map_gradients(const FloatWarpRow& row, const Places& places, int32_t channel,
                                      const float* warped_gradient, float* maps_gradient) {
    const int64_t channels = row.channels, stride = row.width * channels;
    for (int32_t x = 0; x < places.count; ++x) {
      const Four gradient = load_channels<kCount>(warped_gradient + x * channels + channel);
      float* out = maps_gradient + places.cell[x] * channels + channel;
      for (int32_t r = 0; r < kTaps; ++r, out += stride) {
        const Four weighted = gradient * places.rows.weight[r][x];
        for (int32_t k = 0; k < kTaps; ++k) {
          float* const p = out + k * channels;
          store_channels<kCount>(p, load_channels<kCount>(p) + weighted * places.columns.weight[k][x]);
        }
      }
    }
  }
};

// Calls body(Group<n>(), channel) for groups of n up to four channels.
template <typename Body>
NQ_TARGET inline void for_each_group(int32_t channels, const Body& body) {
  int32_t channel = 0;
  for (; channel + 4 <= channels; channel += 4) body(Group<4>(), channel);
  switch (channels - channel) {
    case 1: return body(Group<1>(), channel);
    case 2: return body(Group<2>(), channel);
    case 3: return body(Group<3>(), channel);
    default: return;
  }
}

NQ_TARGET void values(const FloatWarpRow& row, float* warped) {
  Places places;
  for (int32_t start = 0; start < row.width; start += kPart) {
    find_places<false>(row, start, places);
    float* const out = warped + int64_t{start} * row.channels;
    if (row.channels == 1) {
      single_values(row, places, out);
    } else {
      for_each_group(row.channels, [&](auto group, int32_t channel) { group.values(row, places, channel, out); });
    }
  }
}

// The gradients of a part's vectors, which are 0 where those lead beyond the map.
NQ_TARGET void store_vector_gradients(const FloatWarpRow& row, const Places& places, const PlaceGradients& by_places,
                                      float* out) {
  for (int32_t x = 0; x < places.count; ++x, out += row.to_next) {
    out[0] = places.rows.is_inside[x] ? by_places.down[x] * row.unit : 0.0f;
    out[row.to_right] = places.columns.is_inside[x] ? by_places.right[x] * row.unit : 0.0f;
  }
}

NQ_TARGET void group_gradients(const FloatWarpRow& row, const Places& places, const float* warped_gradient,
                               float* maps_gradient, PlaceGradients* by_places) {
  if (by_places) *by_places = {};
  for_each_group(row.channels, [&](auto group, int32_t channel) {
    if (maps_gradient) group.map_gradients(row, places, channel, warped_gradient, maps_gradient);
    if (by_places) group.place_gradients(row, places, channel, warped_gradient, *by_places);
  });
}

NQ_TARGET void gradients(const FloatWarpRow& row, const float* warped_gradient, float* maps_gradient,
                         float* vectors_gradient) {
  Places places;
  PlaceGradients by_places;
  PlaceGradients* const wanted = vectors_gradient ? &by_places : nullptr;
  for (int32_t start = 0; start < row.width; start += kPart) {
    find_places<true>(row, start, places);
    const float* const in = warped_gradient + int64_t{start} * row.channels;
    (row.channels == 1 ? single_gradients : group_gradients)(row, places, in, maps_gradient, wanted);
    if (wanted) store_vector_gradients(row, places, by_places, vectors_gradient + start * row.to_next);
  }
}

constexpr FloatWarpKernels kFloatWarpKernels = {values, gradients};

}  // namespace
}  // namespace nq
