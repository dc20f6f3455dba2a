// The context rate on the CPU: latents in planes with margins, and the loops over them, behind nq/context_rate.h.
#include "nq/context_rate.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>
#include <vector>

#include "rate/context_rate_runs.h"

namespace nq {
namespace {

constexpr int32_t kReach = 2;           // rows and columns to the furthest neighbour
constexpr int32_t kMaxNeighbours = 32;  // more than the context model has (formats/nq.md, 3.6)
// Values that one call of a kernel takes: what it reads for all neighbours stays in the L1 cache, and its sums in
// single precision are of few terms.
constexpr int64_t kRun = 2048;
constexpr double kLn2 = 0.69314718055994531;

const ContextRateKernels* kernels_of(int32_t level) {
  if (level < kNqScalar || level > nq_cpu_level()) return nullptr;
#if defined(__x86_64__)
  if (level == kNqAvx512) return &avx512_context_rate();
  if (level == kNqAvx2) return &avx2_context_rate();
#endif
  return &scalar_context_rate();
}

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// How a latent [T, C, H, W] lies in memory. A plane is one run, H rows of W values and kReach zeros, which serve as the
// right margin of a row and the left margin of the next; before every plane and after the last are zeros enough for the
// furthest neighbour. The plane numbered T * C is all zeros: it stands for those outside the latent.
struct Layout {
  explicit Layout(const int32_t (&shape)[4]) : times(shape[0]), channels(shape[1]), rows(shape[2]), columns(shape[3]) {
    stride = columns + kReach;
    length = (rows * stride + kRunValues - 1) / kRunValues * kRunValues;
    margin = kReach * stride + kReach;
    size = (times * channels + 1) * (margin + length) + margin;
  }

  // First value of plane (t, c).
  int64_t plane(int64_t t, int64_t c) const {
    const bool inside = t >= 0 && t < times && c >= 0 && c < channels;
    return (inside ? t * channels + c : times * channels) * (margin + length) + margin;
  }

  int64_t times, channels, rows, columns;
  int64_t stride, length, margin;  // values: from row to row, of a plane's run, before a plane
  int64_t size;                    // values of it all
};

struct Place {
  int64_t dt, dc, offset;  // offset within a plane
  int32_t number;          // in NqContextRate
};

// Arrays of a thread, which keeps them from one latent to the next: the system takes longer to give memory of this
// size, and to take it back, than the rate takes.
struct Arrays {
  std::vector<int32_t> mask;  // of one plane
  std::vector<float> y, e, magnitudes, h, g;

  void clear(const Layout& layout) {
    mask.assign(layout.length, 0);
    for (std::vector<float>* const each : {&y, &e, &magnitudes, &h, &g}) each->assign(layout.size, 0.0f);
  }
};

thread_local Arrays thread_arrays;

class ContextRate {
 public:
  ContextRate(NqContextRate& rate, const ContextRateKernels& kernels)
      : rate_(rate),
        kernels_(kernels),
        layout_(rate.shape),
        mask_(thread_arrays.mask),
        y_(thread_arrays.y),
        e_(thread_arrays.e),
        magnitudes_(thread_arrays.magnitudes),
        h_(thread_arrays.h),
        g_(thread_arrays.g) {
    thread_arrays.clear(layout_);
    find_places();
    for (int64_t row = 0; row < layout_.rows; ++row) {
      std::fill_n(mask_.begin() + row * layout_.stride, layout_.columns, -1);
    }
  }

  void run() {
    read_values();
    for_each_run([&](const Run& at) {
      kernels_.residuals(&y_[at.first], neighbours(y_, mean_, at, 1), &mask_[at.within], at.length, &e_[at.first],
                         &magnitudes_[at.first]);
    });
    find_rates();
    for_each_run([&](const Run& at) {
      kernels_.through_scales(&e_[at.first], neighbours(h_, factors_, at, -1), at.length, &g_[at.first]);
    });
    find_weight_gradients();
    find_value_gradients();
  }

 private:
  struct Run {
    int64_t t, c, within, first, length;  // first value: within its plane, in the arrays
  };

  // Neighbours that a latent of this shape can have at all; the others' gradients are 0.
  void find_places() {
    for (int32_t j = 0; j < rate_.neighbours; ++j) {
      const int32_t* const place = rate_.places + 4 * j;
      rate_.mean_gradient[j] = rate_.scale_gradient[j] = 0;
      const auto reaches = [&](int axis) { return std::abs(int64_t{place[axis]}) < rate_.shape[axis]; };
      if (!(reaches(0) && reaches(1) && reaches(2) && reaches(3))) continue;
      const int32_t count = count_++;
      places_[count] = {place[0], place[1], place[2] * layout_.stride + place[3], j};
      mean_[count] = rate_.mean[j];
      factors_[count] = static_cast<float>(softplus(rate_.scale[j]));
    }
  }

  void read_values() {
    const float* in = rate_.values;
    for (int64_t plane = 0; plane < layout_.times * layout_.channels; ++plane) {
      float* out = &y_[layout_.plane(plane / layout_.channels, plane % layout_.channels)];
      for (int64_t row = 0; row < layout_.rows; ++row, in += layout_.columns, out += layout_.stride) {
        std::copy_n(in, layout_.columns, out);
      }
    }
  }

  template <typename Body>
  void for_each_run(const Body& body) const {
    for (int64_t t = 0; t < layout_.times; ++t) {
      for (int64_t c = 0; c < layout_.channels; ++c) {
        const int64_t plane = layout_.plane(t, c);
        for (int64_t within = 0; within < layout_.length; within += kRun) {
          body(Run{t, c, within, plane + within, std::min(kRun, layout_.length - within)});
        }
      }
    }
  }

  // Neighbours in `of`, at their places (direction 1) or at the values whose neighbour a value is (direction -1).
  // Valid until the next call.
  NeighbourRuns neighbours(const std::vector<float>& of, const float* weights, const Run& at, int direction) {
    for (int32_t j = 0; j < count_; ++j) {
      const Place& place = places_[j];
      const int64_t plane = layout_.plane(at.t + direction * place.dt, at.c + direction * place.dc);
      arrays_[j] = of.data() + plane + at.within + direction * place.offset;
    }
    return {arrays_, weights, count_};
  }

  void find_rates() {
    const float least = static_cast<float>(rate_.least_scale + softplus(rate_.base));
    double nats = 0, slopes = 0;
    for_each_run([&](const Run& at) {
      const RunTotals totals = kernels_.rates(&e_[at.first], neighbours(magnitudes_, factors_, at, 1), least,
                                              &mask_[at.within], at.length, &h_[at.first], &g_[at.first]);
      nats += totals.nats;
      slopes += totals.slopes;
    });
    rate_.bits = nats / kLn2;
    rate_.base_gradient = slopes * sigmoid(rate_.base) / kLn2;
  }

  void find_weight_gradients() {
    double by_mean[kMaxNeighbours] = {}, by_factor[kMaxNeighbours] = {};
    for_each_run([&](const Run& at) {
      neighbours(y_, mean_, at, 1);
      for (int32_t j = 0; j < count_; ++j) by_mean[j] -= kernels_.dot(&g_[at.first], arrays_[j], at.length);
      neighbours(magnitudes_, factors_, at, 1);
      for (int32_t j = 0; j < count_; ++j) by_factor[j] += kernels_.dot(&h_[at.first], arrays_[j], at.length);
    });
    for (int32_t j = 0; j < count_; ++j) {
      const int32_t number = places_[j].number;
      rate_.mean_gradient[number] = static_cast<float>(by_mean[j] / kLn2);
      rate_.scale_gradient[number] = static_cast<float>(by_factor[j] * sigmoid(rate_.scale[number]) / kLn2);
    }
  }

  // Into h, which nothing needs any more, and from there without margins into the result.
  void find_value_gradients() {
    for_each_run([&](const Run& at) {
      kernels_.value_gradients(&g_[at.first], neighbours(g_, mean_, at, -1), at.length, &h_[at.first]);
    });
    float* out = rate_.values_gradient;
    for (int64_t plane = 0; plane < layout_.times * layout_.channels; ++plane) {
      const float* in = &h_[layout_.plane(plane / layout_.channels, plane % layout_.channels)];
      for (int64_t row = 0; row < layout_.rows; ++row, in += layout_.stride) {
        out = std::copy_n(in, layout_.columns, out);
      }
    }
  }

  NqContextRate& rate_;
  const ContextRateKernels& kernels_;
  const Layout layout_;
  std::vector<int32_t>& mask_;
  std::vector<float>&y_, &e_, &magnitudes_, &h_, &g_;
  Place places_[kMaxNeighbours];
  float mean_[kMaxNeighbours], factors_[kMaxNeighbours];
  const float* arrays_[kMaxNeighbours];
  int32_t count_ = 0;
};

bool is_valid_rate(const NqContextRate& r) {
  if (std::any_of(r.shape, r.shape + 4, [](int32_t extent) { return extent < 1; })) return false;
  if (r.neighbours < 0 || r.neighbours > kMaxNeighbours) return false;
  for (int32_t j = 0; j < r.neighbours; ++j) {
    for (int32_t axis = 2; axis < 4; ++axis) {
      const int32_t step = r.places[4 * j + axis];
      if (step < -kReach || step > kReach) return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace nq

int32_t nq_context_rate(NqContextRate* rate, int32_t level) {
  if (!nq::is_valid_rate(*rate)) return kNqBadArgument;
  const nq::ContextRateKernels* const kernels = nq::kernels_of(level);
  if (!kernels) return kNqBadLevel;
  try {
    nq::ContextRate(*rate, *kernels).run();
  } catch (const std::bad_alloc&) {
    return kNqNoResources;
  }
  return kNqOk;
}
