#include "decoder/derive.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "decoder/error.h"
#include "nq/hadamard.h"

namespace nq {
namespace {

constexpr int32_t kMantissas[] = {32768, 35734, 38968, 42495, 46341, 50535, 55109, 60097};
constexpr int32_t kGridFractionBits = 16, kHalfTanhFrac = 12;

struct Factors {
  int32_t multiplier, shift;
};

Factors factors_of(int32_t exponent) { return {kMantissas[exponent & 7], 15 - (exponent >> 3)}; }

// Factors of a rescale by each exponent.
std::vector<Factors> rescale_factors(const std::vector<int32_t>& exponents) {
  const auto [least, most] = std::minmax_element(exponents.begin(), exponents.end());
  if (factors_of(*most).shift < 1 || factors_of(*least).shift > 46) {
    throw text("a rescale by 2^(", *most, "/8) .. 2^(", *least, "/8) needs a shift outside 1..46");
  }
  std::vector<Factors> factors;
  for (const int32_t exponent : exponents) factors.push_back(factors_of(exponent));
  return factors;
}

int64_t rescale(int64_t value, const Factors& by) {
  return (value * by.multiplier + (int64_t{1} << (by.shift - 1))) >> by.shift;
}

void set_factors(Derived& derived, const std::vector<Factors>& factors) {
  for (const Factors& each : factors) {
    derived.multiplier.push_back(each.multiplier);
    derived.shift.push_back(each.shift);
  }
}

// The step index of each of `channels`.
std::vector<int32_t> channel_steps(const std::vector<int32_t>& steps, size_t channels, int32_t added) {
  std::vector<int32_t> all(channels);
  for (size_t c = 0; c < channels; ++c) all[c] = steps[steps.size() > 1 ? c : 0] + added;
  return all;
}

std::vector<int32_t> offset_by(std::vector<int32_t> values, int32_t added) {
  for (int32_t& value : values) value += added;
  return values;
}

// Blocks of the input channels, the largest first (6.3.1).
std::vector<int32_t> hadamard_blocks(size_t channels) {
  std::vector<int32_t> blocks(channels / kMaxHadamard, kMaxHadamard);
  for (int32_t size = kMaxHadamard / 2; size > 0; size /= 2) {
    if (channels % kMaxHadamard & static_cast<size_t>(size)) blocks.push_back(size);
  }
  return blocks;
}

int32_t stages(int32_t block) {
  int32_t count = 0;
  while (block > 1 << count) ++count;
  return count;
}

// Unnormalised transforms of rows of `length` values, in place.
void transform_rows(std::vector<int32_t>& values, size_t length, const std::vector<int32_t>& blocks, int32_t threads) {
  NqHadamard transform = {};
  transform.length = static_cast<int64_t>(length);
  transform.rows = static_cast<int64_t>(values.size() / length);
  transform.blocks = blocks.data();
  transform.block_count = static_cast<int32_t>(blocks.size());
  transform.type = kNqInt32;
  const int32_t status = nq_hadamard(&transform, values.data(), values.data(), threads, nq_cpu_level());
  if (status != kNqOk) throw std::bad_alloc();
}

// Weights [out, in, k, k] as used, from their coded integers in the Hadamard domain (6.3.1).
std::vector<int16_t> used_weights(const Tensor& weight, int32_t threads) {
  const TensorRecord& record = weight.entry->record;
  const auto extent = [&](int32_t axis) { return static_cast<size_t>(weight.entry->shape.extents[axis]); };
  const size_t out = extent(0), in = extent(1), taps = extent(2) * extent(3);
  const std::vector<int32_t>& coded = weight.data->values;
  std::vector<int32_t> rows(coded.size());  // [out, k, k, in]
  for (size_t o = 0; o < out; ++o) {
    for (size_t i = 0; i < in; ++i) {
      for (size_t tap = 0; tap < taps; ++tap) rows[(o * taps + tap) * in + i] = coded[(o * in + i) * taps + tap];
    }
  }
  const std::vector<int32_t> blocks = hadamard_blocks(in);
  transform_rows(rows, in, blocks, threads);
  std::vector<Factors> factors;  // by input channel
  for (const int32_t block : blocks) {
    factors.insert(factors.end(), static_cast<size_t>(block), factors_of(8 * record.gain - 4 * stages(block)));
  }
  const int64_t high = (int64_t{1} << (record.used_width - 1)) - 1;
  std::vector<int16_t> used(coded.size());
  for (size_t o = 0; o < out; ++o) {
    for (size_t i = 0; i < in; ++i) {
      for (size_t tap = 0; tap < taps; ++tap) {
        const int64_t value = rescale(rows[(o * taps + tap) * in + i], factors[i]);
        used[(o * in + i) * taps + tap] = static_cast<int16_t>(std::clamp(value, -high - 1, high));
      }
    }
  }
  return used;
}

std::vector<int16_t> narrowed(std::vector<int32_t>& values) {
  std::vector<int16_t> narrow(values.begin(), values.end());
  std::vector<int32_t>().swap(values);  // frees what is not needed any more
  return narrow;
}

// For each output channel, the sum of |weight| times the input's largest value, and |bias|, must stay below 2^31.
void check_accumulators(size_t index, const Derived& derived, int32_t width_in) {
  const size_t channels = derived.bias.size(), fan_in = derived.values.size() / channels;
  for (size_t c = 0; c < channels; ++c) {
    int64_t sum = 0;
    for (size_t k = c * fan_in; k < (c + 1) * fan_in; ++k) sum += std::abs(derived.values[k]);
    if ((sum << (width_in - 1)) + std::abs(int64_t{derived.bias[c]}) >= int64_t{1} << 31) {
      throw text("operation ", index, " (conv) can overflow its 32-bit accumulator");
    }
  }
}

}  // namespace

Derived derive_grid(const MapFormat& format, const Tensor& latent) {
  Derived derived;
  const size_t channels = static_cast<size_t>(latent.entry->channels());
  set_factors(derived,
              rescale_factors(channel_steps(latent.data->steps, channels, 8 * (format.frac - kGridFractionBits))));
  derived.values = narrowed(latent.data->values);
  return derived;
}

Derived derive_conv(size_t index, const Operation& op, const MapFormat& in, const MapFormat& format,
                    const Tensor& weight, const Tensor& bias, int32_t threads) {
  Derived derived;
  const TensorRecord& record = weight.entry->record;
  const size_t channels = static_cast<size_t>(weight.entry->channels());
  const std::vector<int32_t> steps = channel_steps(weight.data->steps, channels, -8 * record.gain);
  const int32_t frac_out = op.activation == kNqHalfTanh ? kHalfTanhFrac : format.frac;
  if (record.has_hadamard) derived.values = used_weights(weight, threads);
  set_factors(derived, rescale_factors(offset_by(steps, 8 * (frac_out - in.frac))));
  std::vector<int32_t> bias_exponents(channels);
  for (size_t c = 0; c < channels; ++c) bias_exponents[c] = bias.data->steps[0] - steps[c] + 8 * in.frac;
  const std::vector<Factors> bias_factors = rescale_factors(bias_exponents);
  for (size_t c = 0; c < channels; ++c) {
    // |bias| is at most 2^15, so that the result stays within 32 bits.
    derived.bias.push_back(static_cast<int32_t>(rescale(bias.data->values[c], bias_factors[c])));
  }
  if (!record.has_hadamard) derived.values = narrowed(weight.data->values);
  check_accumulators(index, derived, in.width);
  return derived;
}

}  // namespace nq
