// The float warp on the CPU: arguments, and the loops over maps and rows, behind nq/warp_gradient.h.
#include "nq/warp_gradient.h"

#include <algorithm>

#include "training/warp_rows.h"

namespace nq {
namespace {

const FloatWarpKernels* kernels_of(int32_t level) {
  if (level < kNqScalar || level > nq_cpu_level()) return nullptr;
#if defined(__x86_64__)
  if (level == kNqAvx512) return &avx512_float_warp();
  if (level == kNqAvx2) return &avx2_float_warp();
#endif
  return &scalar_float_warp();
}

struct Extents {
  explicit Extents(const NqFloatWarp& w)
      : maps(w.shape[0]), channels(w.shape[1]), height(w.shape[2]), width(w.shape[3]) {}

  int64_t row_values() const { return width * channels; }
  int64_t map_values() const { return height * width * channels; }

  int64_t maps, channels, height, width;
};

bool is_valid_warp(const NqFloatWarp& w) {
  const Extents e(w);
  return e.maps >= 1 && e.channels >= 1 && std::min(e.height, e.width) >= kTaps && e.height * e.width <= INT32_MAX;
}

// Calls body(row, its map's first value, its own first value, its first vector), the three as offsets in their arrays.
template <typename Body>
void for_each_row(const NqFloatWarp& w, const Body& body) {
  const Extents extents(w);
  for (int64_t map = 0; map < extents.maps; ++map) {
    const int64_t in = map * extents.map_values();
    for (int32_t y = 0; y < w.shape[2]; ++y) {
      const int64_t vector = map * w.vector_strides[0] + y * w.vector_strides[2];
      const FloatWarpRow row = {w.maps + in, w.vectors + vector, w.vector_strides[1], w.vector_strides[3],
                                y,           w.shape[2],         w.shape[3],          w.shape[1],
                                w.unit};
      body(row, in, in + y * extents.row_values(), vector);
    }
  }
}

}  // namespace
}  // namespace nq

int32_t nq_float_warp(const NqFloatWarp* warp, float* warped, int32_t level) {
  if (!nq::is_valid_warp(*warp)) return kNqBadArgument;
  const nq::FloatWarpKernels* const kernels = nq::kernels_of(level);
  if (!kernels) return kNqBadLevel;
  nq::for_each_row(*warp, [&](const nq::FloatWarpRow& row, int64_t, int64_t first, int64_t) {
    kernels->values(row, warped + first);
  });
  return kNqOk;
}

int32_t nq_float_warp_gradients(const NqFloatWarp* warp, const float* warped_gradient, float* maps_gradient,
                                float* vectors_gradient, int32_t level) {
  if (!nq::is_valid_warp(*warp)) return kNqBadArgument;
  const nq::FloatWarpKernels* const kernels = nq::kernels_of(level);
  if (!kernels) return kNqBadLevel;
  const nq::Extents extents(*warp);
  if (maps_gradient) std::fill_n(maps_gradient, extents.maps * extents.map_values(), 0.0f);
  nq::for_each_row(*warp, [&](const nq::FloatWarpRow& row, int64_t map, int64_t first, int64_t vector) {
    kernels->gradients(row, warped_gradient + first, maps_gradient ? maps_gradient + map : nullptr,
                       vectors_gradient ? vectors_gradient + vector : nullptr);
  });
  return kNqOk;
}
