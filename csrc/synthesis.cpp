// Runs an integer network on the CPU (formats/nq.md, 6): the program runner behind the C interface of nq_synthesis.h.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <vector>

#include "nq_synthesis.h"
#include "nq_synthesis_plan.h"
#include "nq_thread_pool.h"
#include "synthesis_conv.h"
#include "synthesis_maps.h"

namespace nq {
namespace {

// One operation, with its own copy of the tensors that the caller's descriptor points to.
struct Step : MapStep {
  const int16_t* in() const { return inputs[0].data; }

  std::vector<int16_t> values;
  std::vector<int32_t> bias, multiplier, shift;
  std::vector<uint32_t> steps, phases;
  std::vector<NqKnot> knots;
  ConvLayer conv = {};
};

struct Kernels {
  const ConvKernels& conv;
  const MapKernels& maps;
};

Kernels kernels_of(int32_t level) {
#if defined(__x86_64__)
  if (level == 2) return {avx512_kernels(), avx512_map_kernels()};
  if (level == 1) return {avx2_kernels(), avx2_map_kernels()};
#endif
  return {scalar_kernels(), scalar_map_kernels()};
}

// Values of a row of a convolution's packed input, and of all of it.
int64_t packed_pitch(const NqOp& op) {
  return (int64_t{op.width} + kMaxTile - 1) / kMaxTile * kMaxTile + op.kernel - 1;
}

int64_t packed_values(const NqOp& op, int32_t in_channels) {
  const int64_t lines = op.depthwise ? op.channels : (int64_t{in_channels} + 1) / 2 * 2;
  return lines * (int64_t{op.height} + op.kernel - 1) * packed_pitch(op);
}

// Bytes that a legal program's maps, packed input and tensors take; below 2^60 by the bounds of is_valid_op.
int64_t needed_bytes(const NqProgram& program) {
  int64_t values = 0, packed = 0;
  for (const int64_t size : plan_maps(program).buffer_size) values += size;
  for (int32_t i = 0; i < program.op_count; ++i) {
    const NqOp& op = program.ops[i];
    if (op.code == kNqGrid) values += op.times * map_size(op);
    if (op.code != kNqConv) continue;
    const int32_t in_channels = program.ops[op.inputs[0]].channels;
    const int64_t fan_in = op.depthwise ? 1 : (int64_t{in_channels} + 1) / 2 * 2;
    values += fan_in * op.channels * op.kernel * op.kernel;
    packed = std::max(packed, packed_values(op, in_channels));
  }
  return static_cast<int64_t>(sizeof(int16_t)) * (values + packed);
}

// Dense weights [out, in, k, k] in the order that ConvLayer describes.
std::vector<int16_t> pack_weights(const NqOp& op, int32_t in_channels, int32_t block) {
  const int64_t taps = int64_t{op.kernel} * op.kernel, pairs = (int64_t{in_channels} + 1) / 2;
  std::vector<int16_t> packed(2 * pairs * taps * op.channels);
  int16_t* target = packed.data();
  for (int32_t first = 0; first < op.channels; first += block) {
    const int32_t end = std::min(first + block, op.channels);
    for (int64_t pair = 0; pair < pairs; ++pair) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int32_t o = first; o < end; ++o) {
          for (int64_t i = 2 * pair; i < 2 * pair + 2; ++i) {
            *target++ = i < in_channels ? op.values[(o * int64_t{in_channels} + i) * taps + tap] : int16_t{0};
          }
        }
      }
    }
  }
  return packed;
}

// One packed row: the row of one channel (`lanes` 1) or of two side by side (`lanes` 2), with zeros around it.
// A null source is a row above or below the map, or the missing second channel of an odd count.
void pack_row(const int16_t* first, const int16_t* second, int32_t width, int64_t left, int64_t pitch, int32_t lanes,
              int16_t* target) {
  std::memset(target, 0, sizeof(int16_t) * pitch * lanes);
  target += left * lanes;
  if (lanes == 1) {
    if (first) std::memcpy(target, first, sizeof(int16_t) * width);
  } else if (first && second) {
    for (int32_t x = 0; x < width; ++x) {
      target[2 * x] = first[x];
      target[2 * x + 1] = second[x];
    }
  } else if (first) {
    for (int32_t x = 0; x < width; ++x) target[2 * x] = first[x];
  }
}

template <typename Sample>
void write_samples(const int16_t* in, int32_t count, int32_t step, int32_t frac, int32_t depth, Sample* out) {
  for (int32_t x = 0; x < count; ++x) out[int64_t{x} * step] = static_cast<Sample>(nq_sample(in[x], frac, depth));
}

class Synthesizer {
 public:
  Synthesizer(const NqProgram& program, int32_t threads, const Kernels& kernels)
      : program_(program), kernels_(kernels.conv), map_kernels_(kernels.maps), threads_(threads), pool_(threads) {
    copy_tables();
    const MapPlan plan = plan_maps(program);
    for (const int64_t size : plan.buffer_size) maps_.emplace_back(new int16_t[size]);
    steps_.resize(program.op_count);
    for (int32_t i = 0; i < program.op_count; ++i) {
      Step& step = steps_[i];
      step.op = program.ops[i];
      if (plan.buffer_of[i] >= 0) step.out = maps_[plan.buffer_of[i]].get();
      copy_inputs(step);
      if (step.op.code == kNqGrid) {
        step.values.assign(step.op.values, step.op.values + step.op.times * map_size(step.op));
        copy_factors(step);
      }
      if (step.op.code == kNqConv) prepare_conv(step);
      if (step.op.code == kNqFrequency) copy_angles(step);
      if (step.op.code == kNqWindow) copy_path(step);
    }
    packed_.reset(new int16_t[packed_size_]);
  }

  int32_t frame(int64_t t, void* const* planes, const int64_t* strides) {
    if (t < 0 || t >= program_.frames) return kNqBadProgram;
    for (const Step& step : steps_) {
      switch (step.op.code) {
        case kNqGrid: run_grid(step, t); break;
        case kNqConv: run_conv(step); break;
        case kNqPlanes: run_planes(step, planes, strides); break;
        default: run_map(step, t, program_.tables.sine, map_kernels_, pool_);
      }
    }
    return kNqOk;
  }

 private:
  void copy_tables() {
    const NqTables& from = program_.tables;
    for (const int32_t* table : {from.gelu, from.silu, from.half_tanh, from.sine}) {
      tables_.insert(tables_.end(), table, table + kNqTableSize);
    }
    const int32_t* const copy = tables_.data();
    program_.tables = {copy, copy + kNqTableSize, copy + 2 * kNqTableSize, copy + 3 * kNqTableSize};
  }

  void copy_inputs(Step& step) {
    for (int32_t k = 0; k < step.op.input_count; ++k) {
      const Step& source = steps_[step.op.inputs[k]];
      step.inputs.push_back({source.out, source.op.channels, source.op.height, source.op.width, source.op.frac});
    }
    step.op.inputs = nullptr;
  }

  static void copy_angles(Step& step) {
    const int32_t count = step.op.channels / 2;
    step.steps.assign(step.op.steps, step.op.steps + count);
    step.phases.assign(step.op.phases, step.op.phases + count);
    step.op.steps = step.steps.data();
    step.op.phases = step.phases.data();
  }

  static void copy_path(Step& step) {
    step.knots.assign(step.op.knots, step.op.knots + step.op.knot_count);
    step.op.knots = step.knots.data();
  }

  static void copy_factors(Step& step) {
    step.multiplier.assign(step.op.multiplier, step.op.multiplier + step.op.channels);
    step.shift.assign(step.op.shift, step.op.shift + step.op.channels);
  }

  void prepare_conv(Step& step) {
    const NqOp& op = step.op;
    copy_factors(step);
    step.bias.assign(op.bias, op.bias + op.channels);
    const int32_t in_channels = op.depthwise ? 1 : step.inputs[0].channels;
    if (op.depthwise) {
      step.values.assign(op.values, op.values + int64_t{op.channels} * op.kernel * op.kernel);
    } else {
      step.values = pack_weights(op, in_channels, kernels_.block);
    }
    step.conv = {op.channels, op.height, op.width, in_channels, op.kernel, packed_pitch(op), step.values.data(),
                 step.bias.data(), step.multiplier.data(), step.shift.data(),
                 nq_epilogue(op.activation, op.map_width, op.frac, program_.tables)};
    packed_size_ = std::max(packed_size_, packed_values(op, in_channels));
  }

  // formats/nq.md 6.2.
  void run_grid(const Step& step, int64_t t) {
    const NqOp& op = step.op;
    const int64_t area = map_area(op), size = map_size(op);
    const int64_t p = nq_grid_position(t, program_.frames, op.times);
    const int64_t i = p >> kNqGridFractionBits, j = std::min<int64_t>(i + 1, op.times - 1);
    const int32_t fraction = static_cast<int32_t>(p & ((1 << kNqGridFractionBits) - 1));
    pool_.run(op.channels, [&](int64_t c) {
      const int16_t* const channel = step.values.data() + c * area;
      const NqBlend blend = {fraction, step.multiplier[c], step.shift[c], nq_low(op.map_width), nq_high(op.map_width)};
      map_kernels_.blend(channel + i * size, channel + j * size, area, blend, step.out + c * area);
    });
  }

  void pack_input(const Step& step) {
    const ConvLayer& c = step.conv;
    const int64_t area = map_area(step.op), pad = (c.kernel - 1) / 2;
    const int32_t lanes = step.op.depthwise ? 1 : 2;
    pool_.run(step.op.depthwise ? c.channels : c.pairs(), [&](int64_t item) {
      const int16_t* const first = step.in() + item * lanes * area;
      const bool has_second = lanes == 2 && 2 * item + 1 < c.in_channels;
      int16_t* target = packed_.get() + item * c.rows() * c.pitch * lanes;
      for (int64_t row = -pad; row < c.height + pad; ++row, target += c.pitch * lanes) {
        const bool inside = row >= 0 && row < c.height;
        const int16_t* const source = inside ? first + row * c.width : nullptr;
        pack_row(source, inside && has_second ? source + area : nullptr, c.width, pad, c.pitch, lanes, target);
      }
    });
  }

  // formats/nq.md 6.3 and 6.5.
  void run_conv(const Step& step) {
    pack_input(step);
    const ConvLayer& c = step.conv;
    const int16_t* const packed = packed_.get();
    if (step.op.depthwise) {
      pool_.run(c.channels, [&](int64_t channel) {
        for (int32_t y = 0; y < c.height; ++y) {
          kernels_.depthwise_row(c, packed, y, static_cast<int32_t>(channel), step.out);
        }
      });
      return;
    }
    // Low maps of many channels are split by blocks of channels too, so that every thread has work.
    const int64_t blocks = (int64_t{c.channels} + kernels_.block - 1) / kernels_.block;
    const int64_t parts = c.height >= 4 * threads_ ? 1 : blocks;
    const int64_t part_blocks = parts == 1 ? blocks : 1;
    pool_.run(parts * c.height, [&](int64_t item) {
      const int64_t first = item / c.height * part_blocks;
      kernels_.dense_row(c, packed, static_cast<int32_t>(item % c.height), static_cast<int32_t>(first),
                         static_cast<int32_t>(first + part_blocks), step.out);
    });
  }

  // formats/nq.md 6.6.
  void run_planes(const Step& step, void* const* planes, const int64_t* strides) {
    int64_t first = 0;
    for (int32_t k = 0; k < program_.plane_count; ++k) {
      const NqPlane& plane = program_.planes[k];
      const int32_t rows = step.op.ratio / plane.sub_y, columns = step.op.ratio / plane.sub_x;
      pool_.run(plane.height, [&](int64_t y) {
        char* const out = static_cast<char*>(planes[k]) + y * strides[k];
        for (int32_t j = 0; j < std::min(columns, plane.width); ++j) {
          const int64_t channel = first + y % rows * columns + j;
          const int16_t* const in = step.in() + (channel * step.op.height + y / rows) * step.op.width;
          const int32_t count = (plane.width - j + columns - 1) / columns;
          if (program_.depth == 8) {
            write_samples(in, count, columns, step.op.frac, 8, reinterpret_cast<uint8_t*>(out) + j);
          } else {
            write_samples(in, count, columns, step.op.frac, program_.depth, reinterpret_cast<uint16_t*>(out) + j);
          }
        }
      });
      first += int64_t{rows} * columns;
    }
  }

  NqProgram program_;  // its `ops` are the caller's and not used after construction
  const ConvKernels& kernels_;
  const MapKernels& map_kernels_;
  const int64_t threads_;
  std::vector<int32_t> tables_;
  std::vector<std::unique_ptr<int16_t[]>> maps_;
  std::vector<Step> steps_;
  int64_t packed_size_ = 0;
  std::unique_ptr<int16_t[]> packed_;  // the input of the convolution that is running
  ThreadPool pool_;
};

}  // namespace
}  // namespace nq

int32_t nq_cpu_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return 2;
  if (__builtin_cpu_supports("avx2")) return 1;
#endif
  return 0;
}

int64_t nq_synth_bytes(const NqProgram* program) {
  if (!nq::is_valid_program(*program)) return 0;
  try {
    return nq::needed_bytes(*program);
  } catch (const std::bad_alloc&) {
    return INT64_MAX;
  }
}

int32_t nq_synth_create(const NqProgram* program, int32_t threads, int32_t level, void** handle) {
  *handle = nullptr;
  if (!nq::is_valid_program(*program) || threads < 1) return kNqBadProgram;
  if (level < 0 || level > nq_cpu_level()) return kNqBadLevel;
  try {
    *handle = new nq::Synthesizer(*program, threads, nq::kernels_of(level));
  } catch (const std::bad_alloc&) {
    return kNqNoResources;
  } catch (const std::system_error&) {
    return kNqNoResources;
  }
  return kNqOk;
}

int32_t nq_synth_frame(void* handle, int64_t t, void* const* planes, const int64_t* strides) {
  return static_cast<nq::Synthesizer*>(handle)->frame(t, planes, strides);
}

void nq_synth_destroy(void* handle) { delete static_cast<nq::Synthesizer*>(handle); }
