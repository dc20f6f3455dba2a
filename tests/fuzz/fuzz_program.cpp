// libFuzzer target: the program runner (formats/nq.md, 6), csrc/synthesis*.cpp, behind the C interface.
// Any descriptor, its arrays of the sizes that it implies, is refused or runs within its memory; and every instruction
// set and number of threads gives the same samples.
#include <algorithm>
#include <list>

#include "fuzz_input.h"

namespace {

constexpr int64_t kMostValues = 1 << 14;  // of a map, so that a run takes milliseconds

// A descriptor with the arrays that it points to. Accumulators stay within 32 bits, which the caller of the C library
// has checked (6.3): 24 channels of 7 x 7 weights of 8 bits on maps of 14 bits.
class Program {
 public:
  explicit Program(fuzz::Input& input) : input_(input) {
    const int count = static_cast<int>(input.within(1, 12));
    ops_.reserve(2 * static_cast<size_t>(count) + 1);  // a warp brings its vectors
    for (int i = 0; i < count; ++i) add(static_cast<int32_t>(input.within(kNqGrid, kNqWarp)));
    descriptor_.ops = ops_.data();
    descriptor_.frames = input.mostly(1, 9);
    descriptor_.depth = input.mostly(8, 12);
    descriptor_.tables = fuzz::activations();
    add_planes();
    descriptor_.op_count = static_cast<int32_t>(ops_.size());
  }

  const NqProgram& descriptor() const { return descriptor_; }

  // All of the picture's samples, rows one after the other, by one instruction set; empty if refused.
  std::vector<uint8_t> picture(int64_t t, int32_t threads, int32_t level) const {
    void* handle = nullptr;
    const NqOptions options = {threads, level, 1, 0};
    const int32_t status = nq_synth_create(&descriptor_, &options, &handle);
    FUZZ_CHECK((status == kNqOk) == (handle != nullptr));
    if (status != kNqOk) return {};
    const int64_t sample = descriptor_.depth == 8 ? 1 : 2;
    std::vector<std::vector<uint8_t>> planes;
    void* pointers[3] = {};
    int64_t strides[3] = {};
    for (int32_t k = 0; k < descriptor_.plane_count; ++k) {
      strides[k] = descriptor_.planes[k].width * sample;
      planes.emplace_back(static_cast<size_t>(strides[k] * descriptor_.planes[k].height));
      pointers[k] = planes.back().data();
    }
    std::vector<uint8_t> all;
    if (nq_synth_frame(handle, t, pointers, strides) == kNqOk) {
      for (const std::vector<uint8_t>& plane : planes) all.insert(all.end(), plane.begin(), plane.end());
    }
    nq_synth_destroy(handle);
    return all;
  }

 private:
  template <class Value>
  Value* array(int64_t count, int64_t low, int64_t high) {
    std::vector<char>& bytes = arrays_.emplace_back(static_cast<size_t>(count) * sizeof(Value));
    Value* const values = reinterpret_cast<Value*>(bytes.data());
    // A few bytes of the input fill any array.
    const Value some[4] = {static_cast<Value>(input_.within(low, high)), static_cast<Value>(input_.within(low, high)),
                           static_cast<Value>(low), static_cast<Value>(high)};
    uint32_t state = input_.byte();
    for (int64_t i = 0; i < count; ++i) {
      state = state * 1664525u + 1013904223u;
      values[i] = some[state >> 30];
    }
    return values;
  }

  // One of the latest maps, or now and then one that does not exist.
  int32_t earlier() {
    const int64_t back = input_.byte() % 32 == 0 ? input_.within(0, 16) : input_.within(1, 3);
    return static_cast<int32_t>(std::max<int64_t>(-1, static_cast<int64_t>(ops_.size()) - back));
  }

  void add_inputs(NqOp& op, int count) {
    int32_t* const inputs = array<int32_t>(count, 0, 0);
    for (int k = 0; k < count; ++k) inputs[k] = earlier();
    op.inputs = inputs;
    op.input_count = count;
    if (op.code == kNqWarp && input_.byte() % 4 != 0) inputs[1] = add_vectors(source(op));
  }

  // Latents of two channels of a map's size; the index of the last operation where they are too large.
  int32_t add_vectors(const NqOp& in) {
    NqOp op = {};
    op.code = kNqGrid, op.times = 1, op.channels = 2, op.height = in.height, op.width = in.width;
    op.map_width = 14, op.frac = static_cast<int32_t>(input_.within(0, 20));
    if (2 * int64_t{op.height} * op.width <= kMostValues) {
      fill(op, op);
      ops_.push_back(op);
    }
    return static_cast<int32_t>(ops_.size()) - 1;
  }

  // The operation that `op` reads, or a small map where there is none: shapes are then inferred as a file's are.
  NqOp source(const NqOp& op, int k = 0) const {
    const int32_t index = op.inputs[k];
    if (index >= 0 && index < static_cast<int32_t>(ops_.size())) return ops_[static_cast<size_t>(index)];
    NqOp none = {};
    none.channels = none.height = none.width = 1;
    return none;
  }

  void add(int32_t code) {
    NqOp op = {};
    op.code = code;
    op.map_width = input_.mostly(8, 14);
    op.frac = input_.mostly(0, 20);
    const bool is_source = code == kNqGrid || code == kNqFrequency;
    const bool is_pair = code == kNqAdd || code == kNqMul || code == kNqWarp;
    const int inputs = code == kNqConcat ? static_cast<int>(input_.within(1, 4)) : is_pair ? 2 : 1;
    if (!is_source) add_inputs(op, inputs);
    const NqOp in = is_source ? NqOp{} : source(op);
    op.channels = in.channels, op.height = in.height, op.width = in.width;
    shape(op, in);
    if (code != kNqGrid && code != kNqFrequency && input_.byte() % 64 == 0)
      op.channels = static_cast<int32_t>(input_.within(-1, 30));
    if (input_.byte() % 64 == 0) op.height = static_cast<int32_t>(input_.within(-1, 40));
    if (code == kNqGrid || code == kNqFrequency || code == kNqConv) fill(op, in);
    if (int64_t{op.channels} * op.height * op.width > kMostValues) return;  // not added
    ops_.push_back(op);
  }

  void shape(NqOp& op, const NqOp& in) {
    switch (op.code) {
      case kNqGrid:
        op.times = static_cast<int32_t>(input_.within(1, 6));
        op.channels = static_cast<int32_t>(input_.within(1, 12));
        op.height = static_cast<int32_t>(input_.within(1, 20)), op.width = static_cast<int32_t>(input_.within(1, 40));
        break;
      case kNqFrequency:
        op.channels = 2 * static_cast<int32_t>(input_.within(1, 5));
        op.height = op.width = 1;
        break;
      case kNqConv:
        op.depthwise = input_.chance();
        op.kernel = 1 + 2 * static_cast<int32_t>(input_.within(0, 3));
        op.activation = input_.mostly(0, 4);
        if (!op.depthwise) op.channels = static_cast<int32_t>(input_.within(1, 24));
        break;
      case kNqShuffle:
      case kNqFold:
        op.rows = input_.mostly(1, 4);
        op.columns = op.code == kNqShuffle ? op.rows : input_.mostly(1, 4);
        if (op.rows < 1 || op.rows > 16 || op.columns < 1 || op.columns > 16) break;
        op.channels = in.channels / (op.rows * op.columns);
        op.height = in.height * op.rows, op.width = in.width * op.columns;
        break;
      case kNqUpsample:
        op.ratio = input_.mostly(1, 16);
        if (op.ratio < 1 || op.ratio > 16) break;
        op.height = static_cast<int32_t>(input_.within(1, int64_t{in.height} * op.ratio + 1));
        op.width = static_cast<int32_t>(input_.within(1, int64_t{in.width} * op.ratio + 1));
        break;
      case kNqTile:
        op.height = static_cast<int32_t>(input_.within(1, 60)), op.width = static_cast<int32_t>(input_.within(1, 60));
        break;
      case kNqWindow: return shape_window(op, in);
      case kNqWarp:
        op.bits = input_.mostly(0, 8);
        op.taps = input_.byte() % 2 ? 4 : 2;
        if (input_.byte() % 64 == 0) op.taps = static_cast<int32_t>(input_.within(-1, 6));
        break;
      case kNqConcat:
        for (int32_t k = 1; k < op.input_count; ++k) op.channels += std::clamp(source(op, k).channels, 0, 4096);
        break;
      default: break;
    }
  }

  // On a path of up to four corners, mostly within its map.
  void shape_window(NqOp& op, const NqOp& in) {
    op.ratio = input_.mostly(1, 4), op.bits = input_.mostly(0, 8);
    const int64_t ratio = std::clamp(op.ratio, 1, 16), bits = std::clamp(op.bits, 0, 8);
    op.channels = static_cast<int32_t>(in.channels * ratio * ratio);
    op.height = static_cast<int32_t>(input_.within(1, in.height / ratio));
    op.width = static_cast<int32_t>(input_.within(1, in.width / ratio));
    op.knot_count = static_cast<int32_t>(input_.within(0, 4));
    int64_t* const knots = array<int64_t>(3 * op.knot_count, 0, 0);
    for (int64_t k = 0, time = -1; k < op.knot_count; ++k) {
      knots[3 * k] = time += input_.mostly(1, 3);
      knots[3 * k + 1] = input_.mostly(0, (in.height - op.height * ratio) * (1 << bits));
      knots[3 * k + 2] = input_.mostly(0, (in.width - op.width * ratio) * (1 << bits));
    }
    op.knots = reinterpret_cast<const NqKnot*>(knots);
  }

  void fill(NqOp& op, const NqOp& in) {
    // A refused operation's arrays are not read; a legal one's have the sizes of 5.
    const int64_t channels = std::clamp(op.channels, 0, 4096);
    if (op.code == kNqFrequency) {
      op.increments = array<uint32_t>(channels / 2, 0, UINT32_MAX);
      op.phases = array<uint32_t>(channels / 2, 0, UINT32_MAX);
      return;
    }
    const int64_t area = std::max<int64_t>(0, int64_t{op.height} * op.width);
    const int64_t fan_in = op.depthwise ? 1 : std::clamp(in.channels, 0, 24);
    if (op.code == kNqConv && in.channels > 24 && !op.depthwise) op.activation = -1;  // beyond the bound of 6.3
    const int64_t count = op.code == kNqGrid ? op.times * channels * std::min(area, kMostValues)
                                             : channels * fan_in * op.kernel * op.kernel;
    op.values = op.code == kNqGrid ? array<int16_t>(count, -2048, 2047) : array<int16_t>(count, -128, 127);
    op.multiplier = array<int32_t>(channels, 32768, 60097);
    op.shift = array<int32_t>(channels, input_.byte() % 64 == 0 ? 0 : 1, input_.byte() % 64 == 0 ? 48 : 46);
    if (op.code == kNqConv) op.bias = array<int32_t>(channels, -(1 << 28), 1 << 28);
  }

  void add_planes() {
    NqOp op = ops_.empty() ? NqOp{} : ops_.back();
    const int32_t last = static_cast<int32_t>(ops_.size()) - 1;
    int32_t* const inputs = array<int32_t>(1, 0, 0);
    inputs[0] = last;
    op.code = kNqPlanes, op.inputs = inputs, op.input_count = 1;
    op.ratio = input_.mostly(1, 4);
    descriptor_.plane_count = input_.mostly(1, 3);
    const int32_t ratio = std::clamp(op.ratio, 1, 16);
    // The planes take some of the map's channels; a fold, a convolution or luck makes them all.
    for (int32_t k = 0; k < 3; ++k) {
      NqPlane& plane = descriptor_.planes[k];
      plane.sub_x = k ? static_cast<int32_t>(input_.within(0, 2)) : 1;
      plane.sub_y = k ? static_cast<int32_t>(input_.within(0, 2)) : 1;
      plane.height = static_cast<int32_t>(input_.within(0, std::max(1, op.height * ratio / std::max(1, plane.sub_y))));
      plane.width = static_cast<int32_t>(input_.within(0, std::max(1, op.width * ratio / std::max(1, plane.sub_x))));
    }
    fit_head(op, ratio);
    ops_.push_back(op);
  }

  // Three times in four, a convolution that gives just the channels that the planes take.
  void fit_head(NqOp& planes, int32_t ratio) {
    if (input_.byte() % 4 == 0 || ops_.empty()) return;
    int32_t channels = 0;
    for (int32_t k = 0; k < std::clamp(descriptor_.plane_count, 0, 3); ++k) {
      const NqPlane& plane = descriptor_.planes[k];
      channels += (ratio / std::max(1, plane.sub_y)) * (ratio / std::max(1, plane.sub_x));
    }
    NqOp head = {};
    head.code = kNqConv, head.inputs = planes.inputs, head.input_count = 1;
    head.channels = channels, head.height = planes.height, head.width = planes.width;
    head.map_width = 14, head.frac = static_cast<int32_t>(input_.within(0, 20)), head.kernel = 1;
    fill(head, ops_.back());
    ops_.reserve(ops_.size() + 2);
    ops_.push_back(head);
    int32_t* const inputs = array<int32_t>(1, 0, 0);
    inputs[0] = static_cast<int32_t>(ops_.size()) - 1;
    planes.inputs = inputs;
    planes.channels = channels, planes.map_width = head.map_width, planes.frac = head.frac;
    descriptor_.ops = ops_.data();
  }

  fuzz::Input& input_;
  std::list<std::vector<char>> arrays_;
  std::vector<NqOp> ops_;
  NqProgram descriptor_ = {};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const int64_t t = input.within(-1, 9);
  Program program(input);
  const std::vector<uint8_t> expected = program.picture(t, 1, 0);
  if (expected.empty()) return 0;
  for (int32_t level = 0; level <= nq_cpu_level(); ++level) {
    FUZZ_CHECK(program.picture(t, level == 0 ? 3 : 1, level) == expected);
  }
  return 0;
}
