// Runs an integer network on a CUDA device (formats/nq.md, 6): plain kernels (synthesis_maps.cu), maps in device memory,
// the same arithmetic (nq_math.h), checks and memory plan (nq_synthesis_plan.h) as the CPU library.
#include <cuda_runtime.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "../nq_synthesis.h"
#include "../nq_synthesis_plan.h"
#include "nq_device.h"
#include "nq_device_maps.h"

namespace nq {
namespace {

// An array in device memory.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(int64_t size) : size_(size) {
    check(cudaMalloc(reinterpret_cast<void**>(&data_), std::max<int64_t>(size, 1) * sizeof(T)));
  }
  DeviceArray(const T* source, int64_t size) : DeviceArray(size) {
    check(cudaMemcpy(data_, source, size * sizeof(T), cudaMemcpyHostToDevice));
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }
  T* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  int64_t size_;
};

template <typename T>
using DevicePointer = std::unique_ptr<DeviceArray<T>>;

struct Rescales {
  const int32_t* multiplier;
  const int32_t* shift;
};

// formats/nq.md 6.2.
__global__ void grid_kernel(const int16_t* first, const int16_t* second, int32_t fraction, int64_t area, int64_t count,
                            Rescales rescales, int32_t low, int32_t high, int16_t* out) {
  NQ_FOR_EACH(index, count) {
    const int64_t c = index / area;
    const int32_t v = nq_blend(first[index], second[index], fraction);
    out[index] = static_cast<int16_t>(nq_requantize(v, rescales.multiplier[c], rescales.shift[c], low, high));
  }
}

struct ConvArguments {
  const int16_t* in;
  const int16_t* weights;
  const int32_t* bias;
  Rescales rescales;
  int32_t in_channels;  // fan-in of an output channel
  int32_t height, width, kernel, depthwise;
  int64_t count;
  NqEpilogue epilogue;
  int16_t* out;
};

// formats/nq.md 6.3 and 6.5.
__global__ void conv_kernel(const ConvArguments c) {
  const int64_t area = int64_t{c.height} * c.width;
  const int32_t pad = (c.kernel - 1) / 2;
  NQ_FOR_EACH(index, c.count) {
    const int64_t o = index / area;
    const int32_t y = static_cast<int32_t>(index % area / c.width), x = static_cast<int32_t>(index % c.width);
    const int16_t* in = c.in + (c.depthwise ? o * area : 0);
    const int16_t* weights = c.weights + o * c.in_channels * c.kernel * c.kernel;
    int32_t acc = c.bias[o];
    for (int32_t i = 0; i < c.in_channels; ++i, in += area) {
      for (int32_t a = y - pad; a <= y + pad; ++a) {
        for (int32_t b = x - pad; b <= x + pad; ++b, ++weights) {
          const bool inside = a >= 0 && a < c.height && b >= 0 && b < c.width;
          if (inside) acc += int32_t{*weights} * in[int64_t{a} * c.width + b];
        }
      }
    }
    const int32_t p = nq_requantize(acc, c.rescales.multiplier[o], c.rescales.shift[o], c.epilogue.p_low,
                                    c.epilogue.p_high);
    c.out[index] = static_cast<int16_t>(nq_activate(p, c.epilogue));
  }
}

// One plane of formats/nq.md 6.6, whose channels are `rows` by `columns` from `in` on; height and width are the map's.
template <typename Sample>
__global__ void plane_kernel(const int16_t* in, int32_t rows, int32_t columns, int32_t height, int32_t width,
                             NqPlane plane, int32_t frac, int32_t depth, Sample* out) {
  NQ_FOR_EACH(index, int64_t{plane.height} * plane.width) {
    const int64_t y = index / plane.width, x = index % plane.width;
    const int64_t channel = y % rows * columns + x % columns;
    const int16_t value = in[(channel * height + y / rows) * width + x / columns];
    out[index] = static_cast<Sample>(nq_sample(value, frac, depth));
  }
}

// One operation and its tensors on the device.
struct Step : MapStep {
  const int16_t* in() const { return inputs[0].data; }

  int32_t in_channels = 0;
  DevicePointer<int16_t> values;
  DevicePointer<int32_t> bias, multiplier, shift;
  DevicePointer<uint32_t> steps, phases;
  std::vector<NqKnot> knots;  // the host's: a window's place is found there
};

class Synthesizer {
 public:
  explicit Synthesizer(const NqProgram& program) : program_(program) {
    const NqTables& from = program.tables;
    for (const int32_t* table : {from.gelu, from.silu, from.half_tanh, from.sine}) {
      tables_.push_back(std::make_unique<DeviceArray<int32_t>>(table, kNqTableSize));
    }
    program_.tables = {tables_[0]->data(), tables_[1]->data(), tables_[2]->data(), tables_[3]->data()};
    const MapPlan plan = plan_maps(program);
    for (const int64_t size : plan.buffer_size) maps_.push_back(std::make_unique<DeviceArray<int16_t>>(size));
    steps_.resize(program.op_count);
    for (int32_t i = 0; i < program.op_count; ++i) {
      Step& step = steps_[i];
      step.op = program.ops[i];
      if (plan.buffer_of[i] >= 0) step.out = maps_[plan.buffer_of[i]]->data();
      copy_inputs(step);
      copy_tensors(step);
    }
    for (int32_t k = 0; k < program.plane_count; ++k) {
      const int64_t samples = int64_t{program.planes[k].height} * program.planes[k].width;
      planes_.push_back(std::make_unique<DeviceArray<uint8_t>>(samples * sample_bytes()));
    }
  }

  int32_t frame(int64_t t, void* const* planes, const int64_t* strides) {
    if (t < 0 || t >= program_.frames) return kNqBadProgram;
    for (const Step& step : steps_) {
      switch (step.op.code) {
        case kNqGrid: run_grid(step, t); break;
        case kNqConv: run_conv(step); break;
        case kNqPlanes: run_planes(step); break;
        default: run_map_on_device(step, t, program_.tables.sine);
      }
      check(cudaGetLastError());
    }
    for (int32_t k = 0; k < program_.plane_count; ++k) {
      const size_t row = program_.planes[k].width * sample_bytes();
      check(cudaMemcpy2D(planes[k], strides[k], planes_[k]->data(), row, row, program_.planes[k].height,
                         cudaMemcpyDeviceToHost));
    }
    return kNqOk;
  }

 private:
  int64_t sample_bytes() const { return program_.depth == 8 ? 1 : 2; }

  static DevicePointer<int32_t> channel_array(const int32_t* source, int32_t channels) {
    return std::make_unique<DeviceArray<int32_t>>(source, channels);
  }

  void copy_inputs(Step& step) {
    for (int32_t k = 0; k < step.op.input_count; ++k) {
      const Step& source = steps_[step.op.inputs[k]];
      step.inputs.push_back({source.out, source.op.channels, source.op.height, source.op.width, source.op.frac});
    }
    step.op.inputs = nullptr;
  }

  static void copy_tensors(Step& step) {
    NqOp& op = step.op;
    if (op.code == kNqFrequency) {
      step.steps = std::make_unique<DeviceArray<uint32_t>>(op.steps, op.channels / 2);
      step.phases = std::make_unique<DeviceArray<uint32_t>>(op.phases, op.channels / 2);
      op.steps = step.steps->data();
      op.phases = step.phases->data();
    }
    if (op.code == kNqWindow) {
      step.knots.assign(op.knots, op.knots + op.knot_count);
      op.knots = step.knots.data();
    }
    if (op.code != kNqGrid && op.code != kNqConv) return;
    int64_t size = op.times * map_size(op);
    if (op.code == kNqConv) {
      step.in_channels = op.depthwise ? 1 : step.inputs[0].channels;
      size = int64_t{op.channels} * step.in_channels * op.kernel * op.kernel;
      step.bias = channel_array(op.bias, op.channels);
    }
    step.values = std::make_unique<DeviceArray<int16_t>>(op.values, size);
    step.multiplier = channel_array(op.multiplier, op.channels);
    step.shift = channel_array(op.shift, op.channels);
  }

  void run_grid(const Step& step, int64_t t) const {
    const NqOp& op = step.op;
    const int64_t size = map_size(op), p = nq_grid_position(t, program_.frames, op.times);
    const int64_t i = p >> kNqGridFractionBits, j = std::min<int64_t>(i + 1, op.times - 1);
    const int32_t fraction = static_cast<int32_t>(p & ((1 << kNqGridFractionBits) - 1));
    const int16_t* const latents = step.values->data();
    grid_kernel<<<blocks_for(size), kLoopThreads>>>(latents + i * size, latents + j * size, fraction, map_area(op), size,
                                                {step.multiplier->data(), step.shift->data()},
                                                nq_low(op.map_width), nq_high(op.map_width), step.out);
  }

  void run_conv(const Step& step) const {
    const NqOp& op = step.op;
    const ConvArguments arguments = {step.in(), step.values->data(), step.bias->data(),
                                     {step.multiplier->data(), step.shift->data()}, step.in_channels,
                                     op.height, op.width, op.kernel, op.depthwise, map_size(op),
                                     nq_epilogue(op.activation, op.map_width, op.frac, program_.tables), step.out};
    conv_kernel<<<blocks_for(arguments.count), kLoopThreads>>>(arguments);
  }

  void run_planes(const Step& step) const {
    const NqOp& op = step.op;
    const int16_t* in = step.in();
    for (int32_t k = 0; k < program_.plane_count; ++k) {
      const NqPlane& plane = program_.planes[k];
      const int32_t rows = op.ratio / plane.sub_y, columns = op.ratio / plane.sub_x;
      const int32_t blocks = blocks_for(int64_t{plane.height} * plane.width);
      if (program_.depth == 8) {
        plane_kernel<<<blocks, kLoopThreads>>>(in, rows, columns, op.height, op.width, plane, op.frac, program_.depth,
                                           planes_[k]->data());
      } else {
        plane_kernel<<<blocks, kLoopThreads>>>(in, rows, columns, op.height, op.width, plane, op.frac, program_.depth,
                                           reinterpret_cast<uint16_t*>(planes_[k]->data()));
      }
      in += rows * columns * map_area(op);
    }
  }

  NqProgram program_;  // its `ops` are the caller's and not used after construction; its tables are the device's
  std::vector<DevicePointer<int32_t>> tables_;
  std::vector<DevicePointer<int16_t>> maps_;
  std::vector<Step> steps_;
  std::vector<DevicePointer<uint8_t>> planes_;
};

}  // namespace
}  // namespace nq

NQ_API int nq_cuda_abi_version() { return kNqAbiVersion; }

int32_t nq_cuda_device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

const char* nq_cuda_error() { return nq::last_error().c_str(); }

int32_t nq_cuda_synth_create(const NqProgram* program, void** handle) {
  *handle = nullptr;
  if (!nq::is_valid_program(*program)) return kNqBadProgram;
  return nq::guarded([&] {
    *handle = new nq::Synthesizer(*program);
    return int32_t{kNqOk};
  });
}

int32_t nq_cuda_synth_frame(void* handle, int64_t t, void* const* planes, const int64_t* strides) {
  return nq::guarded([&] { return static_cast<nq::Synthesizer*>(handle)->frame(t, planes, strides); });
}

void nq_cuda_synth_destroy(void* handle) { delete static_cast<nq::Synthesizer*>(handle); }
