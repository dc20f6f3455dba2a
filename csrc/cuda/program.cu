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

int64_t tensor_bytes(const DeviceStep& step) {
  int64_t bytes = 0;
  if (step.values) bytes += step.op.code == kNqGrid ? 4 * map_size(step.op) : step.values->bytes();
  if (step.packed) bytes += step.packed->bytes();
  return bytes;
}

}  // namespace

DeviceProgram::DeviceProgram(const NqProgram& program, int32_t batch) : program_(program), plan_(plan_device(program)) {
  copy_tables();
  once_ = make_buffers(plan_.once, 1);
  each_ = make_buffers(plan_.each, batch);
  knots_.resize(program.op_count);
  for (const StepPlan& step : plan_.steps) add_step(program, step);
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

void DeviceProgram::add_step(const NqProgram& program, const StepPlan& plan) {
  DeviceStep step;
  step.plan = plan;
  step.op = program.ops[plan.op];
  if (step.op.code != kNqPlanes) step.out = map_of(plan.made);
  for (int32_t k = 0; k < step.op.input_count; ++k) {
    const NqOp& source = program.ops[step.op.inputs[k]];
    step.inputs.push_back({map_of(step.op.inputs[k]), source.channels, source.height, source.width, source.frac});
  }
  const NqOp& first = program.ops[step.op.input_count ? step.op.inputs[0] : plan.op];
  step.op.inputs = nullptr;
  copy_tensors(step, first);
  if (step.op.code == kNqConv) make_store(program, step);
  if (needs_place(step.op) && !plan.is_static) {
    step.place = static_cast<int32_t>(placed_.size());
    placed_.push_back(step.op);
  }
  steps_.push_back(std::move(step));
}

void DeviceProgram::copy_tensors(DeviceStep& step, const NqOp& in) {
  NqOp& op = step.op;
  if (op.code == kNqFrequency) {
    step.steps = to_device(op.steps, op.channels / 2);
    step.phases = to_device(op.phases, op.channels / 2);
    op.steps = step.steps->data();
    op.phases = step.phases->data();
  }
  if (op.code == kNqWindow) {
    std::vector<NqKnot>& knots = knots_[step.plan.op];
    knots.assign(op.knots, op.knots + op.knot_count);
    op.knots = knots.data();
  }
  if (op.code != kNqGrid && op.code != kNqConv) return;
  if (op.code == kNqConv) {
    step.tensor = tensor_shape(op, in, step.plan.fold < 0);
    step.bias = channel_array(op.bias, op.channels);
    op.bias = step.bias->data();
  }
  if (step.tensor.fits) {
    const std::vector<uint32_t> packed = pack_weights(op, in.channels, step.tensor);
    step.packed = to_device(packed.data(), packed.size());
  } else {
    const int64_t fan_in = op.code == kNqGrid ? 0 : op.depthwise ? 1 : in.channels;
    const int64_t size = op.code == kNqGrid ? op.times * map_size(op) : op.channels * fan_in * op.kernel * op.kernel;
    step.values = to_device(op.values, size);
    op.values = step.values->data();
  }
  step.multiplier = channel_array(op.multiplier, op.channels);
  step.shift = channel_array(op.shift, op.channels);
  op.multiplier = step.multiplier->data();
  op.shift = step.shift->data();
}

void DeviceProgram::make_store(const NqProgram& program, DeviceStep& step) {
  const StepPlan& plan = step.plan;
  const NqOp &op = step.op, &made = program.ops[plan.made];
  ConvStore& store = step.store;
  store.out = step.out;
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
  for (DeviceStep& step : steps_) {
    if (!step.plan.is_static || !needs_place(step.op)) continue;
    step.place = static_cast<int32_t>(places.size());
    places.push_back(frame_place(step.op, 0, program_.frames));
  }
  const Stream stream;
  const DeviceArray<FramePlace> on_device(places.data(), static_cast<int64_t>(places.size()));
  check(cudaDeviceSynchronize());  // copies of tensors may still be on their way, on another stream
  for (const DeviceStep& step : steps_) {
    if (step.plan.is_static) run_step(step, {1, stream, on_device.data(), nullptr});
  }
  stream.wait();
  for (size_t k = 0; k < once_.size(); ++k) {
    if (!plan_.once.is_kept[k]) once_[k].reset();
  }
  steps_.erase(std::remove_if(steps_.begin(), steps_.end(), [](const DeviceStep& s) { return s.plan.is_static; }),
               steps_.end());
}

void DeviceProgram::find_places(int64_t first, int32_t frames, FramePlace* places) const {
  for (const NqOp& op : placed_) {
    for (int32_t k = 0; k < frames; ++k) {
      *places++ = frame_place(op, std::min<int64_t>(first + k, program_.frames - 1), program_.frames);
    }
  }
}

void DeviceProgram::run(const Batch& batch, const std::function<void(int32_t)>& after) const {
  for (const DeviceStep& step : steps_) {
    run_step(step, batch);
    if (after) after(step.plan.op);
  }
}

void DeviceProgram::run_step(const DeviceStep& step, const Batch& batch) const {
  if (step.op.code == kNqConv) return run_conv(step, batch);
  run_map(step, program_, batch);
}

void DeviceProgram::run_conv(const DeviceStep& step, const Batch& batch) const {
  const NqOp& op = step.op;
  const MapInput& in = step.inputs[0];
  if (step.tensor.fits) {
    run_tensor_conv({step.tensor, op.kernel, op.channels, in.channels, in.map,
                     reinterpret_cast<const uint4*>(step.packed->data()), step.store},
                    batch.frames, batch.stream);
  } else {
    run_plain_conv({op.kernel, op.channels, op.depthwise ? 1 : in.channels, op.depthwise, op.height, op.width, in.map,
                    op.values, step.store},
                   batch.frames, batch.stream);
  }
}

void DeviceProgram::work(NqCudaWork* by_operation) const {
  for (const DeviceStep& step : steps_) {
    const NqOp& op = step.op;
    NqCudaWork& work = by_operation[step.plan.op];
    work.bytes = tensor_bytes(step);
    for (const MapInput& input : step.inputs) work.bytes += sizeof(int16_t) * input.size();
    work.bytes += op.code == kNqPlanes ? picture_bytes(program_) : sizeof(int16_t) * map_size(op);
    if (step.plan.pair >= 0) work.bytes += sizeof(int16_t) * map_size(op);
    if (op.code != kNqConv) continue;
    const int64_t fan_in = op.depthwise ? 1 : step.inputs[0].channels;
    work.macs = map_size(op) * fan_in * op.kernel * op.kernel;
    if (!step.tensor.fits) continue;
    const TensorShape& s = step.tensor;
    const int64_t of_warp = int64_t{2} * s.parts * s.row_tiles * s.steps() * kWarpColumns;
    work.products = of_warp * kTensorWarps * s.blocks() * kNqTileRows * kNqTileColumns * kNqStepOctets * kNqOctet;
  }
}

}  // namespace nq
