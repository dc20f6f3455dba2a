#include "common/integer_math.h"
#include "cuda/device_program.h"

#include <algorithm>

namespace nq {
namespace {

bool needs_place(const NqOp& op) { return op.code == kNqGrid || op.code == kNqWindow || op.code == kNqFrequency; }

DevicePointer<int32_t> channel_array(const int32_t* source, int32_t channels) { return to_device(source, channels); }

std::vector<DevicePointer<int16_t>> make_buffers(const Placement& placement, int32_t frames) {
  std::vector<DevicePointer<int16_t>> buffers;
  for (const int64_t size : placement.buffer_size) {
    buffers.push_back(std::make_unique<DeviceArray<int16_t>>(size * frames));
  }
  return buffers;
}

int64_t tensor_bytes(const DeviceNode& node) {
  int64_t bytes = 0;
  if (node.values) bytes += node.op.code == kNqGrid ? 4 * map_size(node.op) : node.values->bytes();
  if (node.packed) bytes += node.packed->bytes();
  return bytes;
}

}  // namespace

DeviceProgram::DeviceProgram(const NqProgram& program, int32_t batch) : program_(program), plan_(plan_device(program)) {
  copy_tables();
  once_ = make_buffers(plan_.once, 1);
  each_ = make_buffers(plan_.each, batch);
  knots_.resize(program.op_count);
  for (const NodePlan& node : plan_.nodes) add_node(program, node);
  run_once();
  program_.ops = nullptr;
}

void DeviceProgram::copy_tables() {
  const NqTables& from = program_.tables;
  for (const int32_t* table : {from.gelu, from.silu, from.half_tanh, from.sine}) {
    tables_.push_back(to_device(table, kNqTableSize));
  }
  program_.tables = {tables_[0]->data(), tables_[1]->data(), tables_[2]->data(), tables_[3]->data()};
}

DeviceMap DeviceProgram::map_of(int32_t op) const {
  if (plan_.is_static[op]) return {once_[plan_.once.buffer_of[op]]->data(), 0};
  return {each_[plan_.each.buffer_of[op]]->data(), map_size(program_.ops[op])};
}

void DeviceProgram::add_node(const NqProgram& program, const NodePlan& plan) {
  DeviceNode node;
  node.plan = plan;
  node.op = program.ops[plan.op];
  if (node.op.code != kNqPlanes) node.out = map_of(plan.made);
  for (int32_t k = 0; k < node.op.input_count; ++k) {
    const NqOp& source = program.ops[node.op.inputs[k]];
    node.inputs.push_back({map_of(node.op.inputs[k]), source.channels, source.height, source.width, source.frac});
  }
  const NqOp& first = program.ops[node.op.input_count ? node.op.inputs[0] : plan.op];
  node.op.inputs = nullptr;
  copy_tensors(node, first);
  if (node.op.code == kNqConv) make_store(program, node);
  if (needs_place(node.op) && !plan.is_static) {
    node.place = static_cast<int32_t>(placed_.size());
    placed_.push_back(node.op);
  }
  nodes_.push_back(std::move(node));
}

void DeviceProgram::copy_tensors(DeviceNode& node, const NqOp& in) {
  NqOp& op = node.op;
  if (op.code == kNqFrequency) {
    node.increments = to_device(op.increments, op.channels / 2);
    node.phases = to_device(op.phases, op.channels / 2);
    op.increments = node.increments->data();
    op.phases = node.phases->data();
  }
  if (op.code == kNqWindow) {
    std::vector<NqKnot>& knots = knots_[node.plan.op];
    knots.assign(op.knots, op.knots + op.knot_count);
    op.knots = knots.data();
  }
  if (op.code != kNqGrid && op.code != kNqConv) return;
  if (op.code == kNqConv) {
    node.tensor = tensor_shape(op, in, node.plan.fold < 0);
    node.bias = channel_array(op.bias, op.channels);
    op.bias = node.bias->data();
  }
  if (node.tensor.fits) {
    const std::vector<uint32_t> packed = pack_weights(op, in.channels, node.tensor);
    node.packed = to_device(packed.data(), packed.size());
  } else {
    const int64_t fan_in = op.code == kNqGrid ? 0 : op.depthwise ? 1 : in.channels;
    const int64_t size = op.code == kNqGrid ? op.times * map_size(op) : op.channels * fan_in * op.kernel * op.kernel;
    node.values = to_device(op.values, size);
    op.values = node.values->data();
  }
  node.multiplier = channel_array(op.multiplier, op.channels);
  node.shift = channel_array(op.shift, op.channels);
  op.multiplier = node.multiplier->data();
  op.shift = node.shift->data();
}

void DeviceProgram::make_store(const NqProgram& program, DeviceNode& node) {
  const NodePlan& plan = node.plan;
  const NqOp &op = node.op, &made = program.ops[plan.made];
  ConvStore& store = node.store;
  store.out = node.out;
  store.height = made.height;
  store.width = made.width;
  store.rows = plan.fold < 0 ? 1 : program.ops[plan.fold].rows;
  store.columns = plan.fold < 0 ? 1 : program.ops[plan.fold].columns;
  store.bias = op.bias;
  store.rescales = {op.multiplier, op.shift};
  store.epilogue = nq_epilogue(op.activation, op.map_width, op.frac, program_.tables);
  store.pairing = Pairing::kNone;
  if (plan.pair < 0) return;
  const bool is_product = made.code == kNqMul;
  store.pairing = is_product ? Pairing::kMul : Pairing::kAdd;
  store.other = map_of(plan.other);
  // Both operations treat their inputs alike, so the convolution's may come first.
  store.pair = nq_pair(op.frac, program.ops[plan.other].frac, made.map_width, made.frac, is_product);
}

void DeviceProgram::run_once() {
  std::vector<FramePlace> places;
  for (DeviceNode& node : nodes_) {
    if (!node.plan.is_static || !needs_place(node.op)) continue;
    node.place = static_cast<int32_t>(places.size());
    places.push_back(frame_place(node.op, 0, program_.frames));
  }
  const Stream stream;
  const DeviceArray<FramePlace> on_device(places.data(), static_cast<int64_t>(places.size()));
  check(cudaDeviceSynchronize());  // copies of tensors may still be on their way, on another stream
  for (const DeviceNode& node : nodes_) {
    if (node.plan.is_static) run_node(node, {1, stream, on_device.data(), nullptr});
  }
  stream.wait();
  for (size_t k = 0; k < once_.size(); ++k) {
    if (!plan_.once.is_kept[k]) once_[k].reset();
  }
  nodes_.erase(std::remove_if(nodes_.begin(), nodes_.end(), [](const DeviceNode& s) { return s.plan.is_static; }),
               nodes_.end());
}

void DeviceProgram::find_places(int64_t first, int32_t frames, FramePlace* places) const {
  for (const NqOp& op : placed_) {
    for (int32_t k = 0; k < frames; ++k) {
      *places++ = frame_place(op, std::min<int64_t>(first + k, program_.frames - 1), program_.frames);
    }
  }
}

void DeviceProgram::run(const Batch& batch, const std::function<void(int32_t)>& after) const {
  for (const DeviceNode& node : nodes_) {
    run_node(node, batch);
    if (after) after(node.plan.op);
  }
}

void DeviceProgram::run_node(const DeviceNode& node, const Batch& batch) const {
  if (node.op.code == kNqConv) return run_conv(node, batch);
  run_map(node, program_, batch);
}

void DeviceProgram::run_conv(const DeviceNode& node, const Batch& batch) const {
  const NqOp& op = node.op;
  const MapInput& in = node.inputs[0];
  if (node.tensor.fits) {
    run_tensor_conv({node.tensor, op.kernel, op.channels, in.channels, in.map,
                     reinterpret_cast<const uint4*>(node.packed->data()), node.store},
                    batch.frames, batch.stream);
  } else {
    run_plain_conv({op.kernel, op.channels, op.depthwise ? 1 : in.channels, op.depthwise, op.height, op.width, in.map,
                    op.values, node.store},
                   batch.frames, batch.stream);
  }
}

void DeviceProgram::work(NqCudaWork* by_operation) const {
  for (const DeviceNode& node : nodes_) {
    const NqOp& op = node.op;
    NqCudaWork& work = by_operation[node.plan.op];
    work.bytes = tensor_bytes(node);
    for (const MapInput& input : node.inputs) work.bytes += sizeof(int16_t) * input.size();
    work.bytes += op.code == kNqPlanes ? picture_bytes(program_) : sizeof(int16_t) * map_size(op);
    if (node.plan.pair >= 0) work.bytes += sizeof(int16_t) * map_size(op);
    if (op.code != kNqConv) continue;
    const int64_t fan_in = op.depthwise ? 1 : node.inputs[0].channels;
    work.macs = map_size(op) * fan_in * op.kernel * op.kernel;
    if (!node.tensor.fits) continue;
    const TensorShape& s = node.tensor;
    const int64_t of_warp = int64_t{2} * s.parts * s.row_tiles * s.steps() * kWarpColumns;
    work.products = of_warp * kTensorWarps * s.blocks() * kNqTileRows * kNqTileColumns * kNqStepOctets * kNqOctet;
  }
}

}  // namespace nq
