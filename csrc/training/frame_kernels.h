// The other kernels of float maps: activations, sums, enlargement, windows. Included by one file for each instruction
// set, after what training/frame_conv.h asks for.
#include <cstdint>

#include "nq/synthesis.h"
#include "training/frame_conv.h"

namespace nq {
namespace {

// The GELU z Phi(z), where Phi is the normal distribution, and its slope Phi(z) + z phi(z).
NQ_TARGET inline void gelu(Vec z, Vec& value, Vec& slope) {
  const Vec size = magnitude(z), clamped = size > 13.0f ? all(13.0f) : size;
  const Vec density = exponential(clamped * clamped * -0.5f), tail = upper_tail(clamped, density);
  const Vec below = z < Vec{} ? tail : 1.0f - tail;
  value = z * below;
  slope = NQ_FMA(z * 0.39894228f, density, below);
}

NQ_TARGET void activate(int32_t activation, const FloatMap& values, const FloatMap& slopes) {
  for (int32_t c = 0; c < values.channels; ++c) {
    for (int32_t y = 0; y < values.height; ++y) {
      float *const row = values.at(c, y), *const slope_row = slopes.at(c, y);
      for (int32_t x = 0; x < values.width; x += kLanes) {
        Vec z = load(row + x), slope;
        if (activation == kNqGelu) {
          gelu(z, z, slope);
        } else {
          slope = z > Vec{} ? all(1.0f) : Vec{};
          z *= slope;
        }
        store(row + x, z);
        store(slope_row + x, slope);
      }
      clear_end(slope_row, values.width);
    }
  }
}

NQ_TARGET void multiply(const FloatMap& by, const FloatMap& out) {
  for (int32_t c = 0; c < out.channels; ++c) {
    for (int32_t y = 0; y < out.height; ++y) {
      const float* const factors = by.at(c, y);
      float* const row = out.at(c, y);
      for (int32_t x = 0; x < out.width; x += kLanes) store(row + x, load(row + x) * load(factors + x));
    }
  }
}

NQ_TARGET void add(const FloatMap& in, int32_t in_first, int32_t channels, const FloatMap& out, int32_t first) {
  for (int32_t c = 0; c < channels; ++c) {
    for (int32_t y = 0; y < out.height; ++y) {
      const float* const values = in.at(in_first + c, y);
      float* const row = out.at(first + c, y);
      for (int32_t x = 0; x < out.width; x += kLanes) store(row + x, load(row + x) + load(values + x));
    }
  }
}

NQ_TARGET void sum(const FloatMap& a, const FloatMap& b, const FloatMap& out) {
  for (int32_t c = 0; c < out.channels; ++c) {
    for (int32_t y = 0; y < out.height; ++y) {
      const float *const first = a.at(c, y), *const second = b.at(c, y);
      float* const row = out.at(c, y);
      for (int32_t x = 0; x < out.width; x += kLanes) store(row + x, load(first + x) + load(second + x));
    }
  }
}

// The two rows that an enlarged one lies between, a quarter of the way from the nearer.
struct Between {
  NQ_TARGET Between(int32_t y, int32_t height) {
    const int32_t own = y / 2, other = y % 2 ? own + 1 : own - 1;
    near = own;
    far = other < 0 ? 0 : other < height ? other : height - 1;
  }
  int32_t near, far;
};

NQ_TARGET void enlarge(const FloatMap& in, const FloatMap& out, float* line) {
  const int32_t width = in.width, pairs = out.width / 2;
  for (int32_t c = 0; c < out.channels; ++c) {
    for (int32_t y = 0; y < out.height; ++y) {
      const Between rows(y, in.height);
      const float *const near = in.at(c, rows.near), *const far = in.at(c, rows.far);
      float* const blended = line + kRowUnit;
      for (int32_t x = 0; x < width; ++x) blended[x] = 0.75f * near[x] + 0.25f * far[x];
      blended[-1] = blended[0];
      blended[width] = blended[width - 1];
      float* const row = out.at(c, y);
      for (int32_t x = 0; x < pairs; ++x) {
        row[2 * x] = 0.75f * blended[x] + 0.25f * blended[x - 1];
        row[2 * x + 1] = 0.75f * blended[x] + 0.25f * blended[x + 1];
      }
      if (out.width % 2) row[out.width - 1] = 0.75f * blended[pairs] + 0.25f * blended[pairs - 1];
    }
  }
}

NQ_TARGET void enlarge_gradients(const FloatMap& by_out, const FloatMap& by_in, float* line) {
  const int32_t width = by_in.width;
  for (int32_t c = 0; c < by_out.channels; ++c) {
    for (int32_t y = 0; y < by_out.height; ++y) {
      const float* const row = by_out.at(c, y);  // 0 before and behind
      for (int32_t x = 0; x < width; ++x) {
        line[x] = 0.75f * (row[2 * x] + row[2 * x + 1]) + 0.25f * (row[2 * x - 1] + row[2 * x + 2]);
      }
      line[0] += 0.25f * row[0];
      line[width - 1] += 0.25f * row[2 * width - 1];
      const Between rows(y, by_in.height);
      float* const near = by_in.at(c, rows.near);
      for (int32_t x = 0; x < width; ++x) near[x] += 0.75f * line[x];
      float* const far = by_in.at(c, rows.far);
      for (int32_t x = 0; x < width; ++x) far[x] += 0.25f * line[x];
    }
  }
}

// The rows and columns behind a window's, where the map ends.
struct Edges {
  NQ_TARGET Edges(const FloatMap& map, const Corner& corner, int32_t y, int32_t width) {
    row = corner.row + y;
    next_row = row + 1 < map.height ? row + 1 : row;
    last_column = corner.column + width < map.width ? corner.column + width : map.width - 1;
  }
  int32_t row, next_row, last_column;
};

NQ_TARGET void window(const FloatMap& in, const Corner& corner, int32_t ratio, const FloatMap& out, float* line) {
  const int32_t width = out.width * ratio, cells = ratio * ratio;
  for (int32_t c = 0; c < in.channels; ++c) {
    for (int32_t y = 0; y < out.height * ratio; ++y) {
      const Edges edges(in, corner, y, width);
      const float *const above = in.at(c, edges.row), *const below = in.at(c, edges.next_row);
      const float *const first = above + corner.column, *const second = below + corner.column;
      for (int32_t x = 0; x < width; ++x) line[x] = first[x] + corner.down * (second[x] - first[x]);
      line[width] = above[edges.last_column] + corner.down * (below[edges.last_column] - above[edges.last_column]);
      for (int32_t dx = 0; dx < ratio; ++dx) {
        float* const row = out.at(c * cells + y % ratio * ratio + dx, y / ratio);
        const float* const from = line + dx;
        for (int32_t x = 0; x < out.width; ++x) {
          row[x] = from[x * ratio] + corner.right * (from[x * ratio + 1] - from[x * ratio]);
        }
      }
    }
  }
}

NQ_TARGET void window_gradients(const FloatMap& by_out, const Corner& corner, int32_t ratio, const FloatMap& by_in,
                                float* line) {
  const int32_t width = by_out.width * ratio, cells = ratio * ratio;
  float* const row = line + kRowUnit;  // of the window; 0 before and behind
  row[-1] = row[width] = 0.0f;
  for (int32_t c = 0; c < by_in.channels; ++c) {
    for (int32_t y = 0; y < by_out.height * ratio; ++y) {
      for (int32_t dx = 0; dx < ratio; ++dx) {
        const float* const from = by_out.at(c * cells + y % ratio * ratio + dx, y / ratio);
        for (int32_t x = 0; x < by_out.width; ++x) row[x * ratio + dx] = from[x];
      }
      const Edges edges(by_in, corner, y, width);
      float *const above = by_in.at(c, edges.row), *const below = by_in.at(c, edges.next_row);
      const float left = 1 - corner.right, up = 1 - corner.down;
      float* const first = above + corner.column;
      for (int32_t x = 0; x < width; ++x) first[x] += up * (left * row[x] + corner.right * row[x - 1]);
      above[edges.last_column] += up * corner.right * row[width - 1];
      if (corner.down == 0.0f) continue;
      float* const second = below + corner.column;
      for (int32_t x = 0; x < width; ++x) second[x] += corner.down * (left * row[x] + corner.right * row[x - 1]);
      below[edges.last_column] += corner.down * corner.right * row[width - 1];
    }
  }
}

constexpr FrameKernels kFrameKernels = {{convolve_from<FloatRows>, weigh_from<FloatStrip>, false},
                                        activate,
                                        multiply,
                                        add,
                                        sum,
                                        enlarge,
                                        enlarge_gradients,
                                        window,
                                        window_gradients};

}  // namespace
}  // namespace nq
