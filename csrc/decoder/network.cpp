#include "decoder/network.h"

#include <algorithm>

#include "decoder/derive.h"
#include "decoder/error.h"
#include "decoder/video.h"
#include "synthesis/plan.h"

namespace nq {
namespace {

constexpr int32_t kLeastWidth = 8, kMostWidth = 14, kMostFrac = 20;

void check_format(size_t index, const Operation& op, const MapFormat& format) {
  const auto check = [&](const char* what, int32_t value, int32_t low, int32_t high) {
    if (value < low || value > high) {
      throw text("operation ", index, " (", kind_of(op).name, "): ", what, " ", value, " is outside ", low, "..", high);
    }
  };
  check("width", format.width, kLeastWidth, kMostWidth);
  check("frac", format.frac, 0, kMostFrac);
}

void check_hadamard(size_t index, const Operation& op, const TensorRecord& record) {
  if (record.has_hadamard && op.depthwise) {
    throw text("operation ", index, " (", kind_of(op).name,
               ") weight: only the weight of a dense convolution has a Hadamard domain");
  }
}

// The kernels count a map's values in 32 bits; limits that were raised may let a file ask for more.
void check_size(size_t index, const Shape& shape) {
  const Count values = multiply(shape.channels, shape.height, shape.width);
  if (values > static_cast<Count>(kMaxMapSize)) {
    throw Error{NQ_ERROR_LIMIT, text("operation ", index, ": a map of ", values, " values is over ", kMaxMapSize,
                                     ", the most that can be decoded at all")};
  }
}

int32_t to_int32(Count value) { return static_cast<int32_t>(value); }

}  // namespace

Network::Network(std::shared_ptr<const Program> program, const Layers& layers, std::vector<DecodedTensor> tensors,
                 const NqTables& tables, const NqVideo& video, uint32_t frames, int32_t threads)
    : program_(std::move(program)) {
  const std::vector<Operation>& operations = program_->operations;
  std::vector<MapFormat> formats;  // of every map, inherited where it has none of its own
  size_t next = 0;                 // tensor
  const auto take = [&] {
    const Tensor tensor = {&layers.tensors[next], &tensors[next]};
    ++next;
    return tensor;
  };
  for (size_t index = 0; index < operations.size(); ++index) {
    const Operation& op = operations[index];
    const auto input_format = [&] { return formats[static_cast<size_t>(op.inputs[0])]; };
    if (kind_of(op).has_format) check_format(index, op, layers.formats[index]);
    formats.push_back(kind_of(op).has_format ? layers.formats[index] : input_format());
    derived_.emplace_back();
    if (op.code == kNqGrid) derived_.back() = derive_grid(formats.back(), take());
    if (op.code == kNqConv) {
      const Tensor weight = take(), bias = take();
      check_hadamard(index, op, weight.entry->record);
      derived_.back() = derive_conv(index, op, input_format(), formats.back(), weight, bias, threads);
    }
  }
  for (size_t index = 0; index < operations.size(); ++index) describe(index, formats);
  flat_.ops = ops_.data();
  flat_.op_count = static_cast<int32_t>(ops_.size());
  flat_.frames = static_cast<int32_t>(frames);
  flat_.tables = tables;
  describe_planes(video);
}

void Network::describe(size_t index, const std::vector<MapFormat>& formats) {
  const Operation& op = program_->operations[index];
  const Derived& derived = derived_[index];
  // Planes' own shape is the picture's; synthesis wants that of the map that it reads.
  const Shape& shape = program_->shapes[op.code == kNqPlanes ? static_cast<size_t>(op.inputs[0]) : index];
  const auto pointer = [](const auto& values) { return values.empty() ? nullptr : values.data(); };
  check_size(index, shape);
  NqOp flat = {};
  flat.code = op.code;
  flat.input_count = static_cast<int32_t>(op.inputs.size());
  flat.inputs = pointer(op.inputs);
  flat.channels = to_int32(shape.channels);
  flat.height = to_int32(shape.height);
  flat.width = to_int32(shape.width);
  flat.map_width = formats[index].width;
  flat.frac = formats[index].frac;
  flat.ratio = op.code == kNqShuffle ? 0 : to_int32(op.ratio);
  flat.rows = to_int32(op.code == kNqShuffle ? op.ratio : op.rows);
  flat.columns = to_int32(op.code == kNqShuffle ? op.ratio : op.columns);
  flat.times = to_int32(op.times);
  flat.kernel = to_int32(op.kernel);
  flat.depthwise = to_int32(op.depthwise);
  flat.activation = to_int32(op.activation);
  flat.values = pointer(derived.values);
  flat.bias = pointer(derived.bias);
  flat.multiplier = pointer(derived.multiplier);
  flat.shift = pointer(derived.shift);
  flat.increments = pointer(op.increments);
  flat.phases = pointer(op.phases);
  flat.bits = to_int32(op.bits);
  flat.taps = to_int32(op.taps);
  if (op.knots) {
    flat.knots = op.knots->data();
    flat.knot_count = static_cast<int32_t>(op.knots->size());
  }
  ops_.push_back(flat);
}

void Network::describe_planes(const NqVideo& video) {
  flat_.depth = video.depth;
  flat_.plane_count = plane_count(video.chroma);
  for (int32_t k = 0; k < flat_.plane_count; ++k) {
    const PlaneShape shape = plane_shape(video, k);
    flat_.planes[k] = {static_cast<int32_t>(shape.height), static_cast<int32_t>(shape.width), shape.sub_x, shape.sub_y};
  }
}

}  // namespace nq
