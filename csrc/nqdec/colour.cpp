#include "colour.h"

#include <algorithm>

#include "common/integer_math.h"

namespace nqdec {
namespace {

constexpr int32_t kHighLines = 720;  // from which on BT.709 is taken, below it BT.601
constexpr int32_t kFraction = 16;    // bits of the matrix's fractions

int64_t rounded(int64_t numerator, int64_t denominator) {
  return nq_floor_div(2 * numerator + denominator, 2 * denominator);
}

// Rows Y, U and V by columns R, G and B.
struct Matrix {
  int64_t rows[3][3];
};

Matrix matrix_of(const NqVideo& video) {
  const bool is_high = video.height >= kHighLines;
  const int64_t kr = is_high ? 2126 : 2990, kb = is_high ? 722 : 1140;
  const int64_t peak = (int64_t{1} << video.depth) - 1, up = video.depth - 8;
  const int64_t luma = (int64_t{219} << up) << kFraction, chroma = (int64_t{224} << up) << kFraction;
  const int64_t y_r = rounded(kr * luma, 10000 * peak), y_b = rounded(kb * luma, 10000 * peak);
  const int64_t half = rounded(chroma, 2 * peak);
  const int64_t u_r = -rounded(kr * chroma, 2 * (10000 - kb) * peak);
  const int64_t v_b = -rounded(kb * chroma, 2 * (10000 - kr) * peak);
  return {{{y_r, rounded(luma, peak) - y_r - y_b, y_b}, {u_r, -half - u_r, half}, {half, -half - v_b, v_b}}};
}

int64_t sample(const NqPicture& picture, int32_t plane, uint32_t y, uint32_t x) {
  const auto* const row = static_cast<const uint8_t*>(picture.data[plane]) + picture.stride[plane] * ptrdiff_t{y};
  return picture.depth == 8 ? row[x] : reinterpret_cast<const uint16_t*>(row)[x];
}

// A sample of limited range as full range (9.1); as it is where the range is full already.
int64_t as_full(int64_t value, const NqVideo& video) {
  if (video.full_range) return value;
  const int64_t up = video.depth - 8, peak = (int64_t{1} << video.depth) - 1, scale = int64_t{219} << up;
  return std::clamp(nq_floor_div(2 * peak * (value - (int64_t{16} << up)) + scale, 2 * scale), int64_t{0}, peak);
}

}  // namespace

void append_as_yuv(const NqPicture& picture, const NqVideo& video, std::vector<uint8_t>& bytes) {
  const Matrix matrix = matrix_of(video);
  const int64_t peak = (int64_t{1} << video.depth) - 1, up = video.depth - 8;
  for (int32_t plane = 0; plane < 3; ++plane) {
    const int64_t offset = plane == 0 ? int64_t{16} << up : int64_t{1} << (video.depth - 1);
    const int64_t* const row = matrix.rows[plane];
    for (uint32_t y = 0; y < picture.height[0]; ++y) {
      for (uint32_t x = 0; x < picture.width[0]; ++x) {
        const int64_t green = as_full(sample(picture, 0, y, x), video), blue = as_full(sample(picture, 1, y, x), video);
        const int64_t red = as_full(sample(picture, 2, y, x), video);
        const int64_t sum = row[0] * red + row[1] * green + row[2] * blue + (int64_t{1} << (kFraction - 1));
        const int64_t value = std::clamp((sum >> kFraction) + offset, int64_t{0}, peak);
        bytes.push_back(static_cast<uint8_t>(value));
        if (video.depth > 8) bytes.push_back(static_cast<uint8_t>(value >> 8));
      }
    }
  }
}

}  // namespace nqdec
