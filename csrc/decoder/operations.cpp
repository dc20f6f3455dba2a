// What each operation is called, which fields it has, and the shape of its map (formats/nq.md, 5).
#include <algorithm>

#include "decoder/program.h"
#include "decoder/text.h"
#include "synthesis/plan.h"

namespace nq {
namespace {

constexpr uint32_t kNoBound = UINT32_MAX;
constexpr Count kMostWarpSide = 1 << 16;  // so that places of 6.14, in 1/32, fit 32 bits

constexpr Field u8(const char* name, uint32_t Operation::* member, uint32_t low = 0, uint32_t high = 255) {
  return {name, FieldKind::kU8, low, high, member};
}

constexpr Field uv(const char* name, uint32_t Operation::* member, uint32_t low = 0) {
  return {name, FieldKind::kUv, low, kNoBound, member};
}

constexpr Field kLists = {"increments", FieldKind::kLists, 0, kNoBound, nullptr};
constexpr Field kPath = {"knots", FieldKind::kPath, 0, kNoBound, nullptr};
constexpr Field kHeight = uv("height", &Operation::height), kWidth = uv("width", &Operation::width);
constexpr Field kSomeHeight = uv("height", &Operation::height, 1), kSomeWidth = uv("width", &Operation::width, 1);
constexpr Field kRatio = u8("ratio", &Operation::ratio, 1, kNqMostRatio);
constexpr Field kTimes = {"times", FieldKind::kUv, 1, 1u << 22, &Operation::times};  // so that 6.2 fits 64 bits
constexpr Field kChannels = uv("channels", &Operation::channels, 1);
constexpr Field kOutChannels = uv("out_channels", &Operation::channels, 1), kKernel = u8("kernel", &Operation::kernel);
constexpr Field kDepthwise = u8("depthwise", &Operation::depthwise, 0, 1);
constexpr Field kActivation = u8("activation", &Operation::activation);
constexpr Field kRows = uv("rows", &Operation::rows, 1), kColumns = uv("columns", &Operation::columns, 1);
constexpr Field kWindowBits = u8("bits", &Operation::bits, 0, kNqMostWindowBits);
constexpr Field kWarpBits = u8("bits", &Operation::bits, 0, kNqMostWarpBits);
constexpr Field kTaps = u8("taps", &Operation::taps, kNqLinearTaps, kNqCubicTaps);

// Code, name, number of inputs, whether its map has a format of its own, number of fields, fields.
constexpr OperationKind kKinds[] = {
    {kNqGrid, "grid", 0, true, 4, {kTimes, kChannels, kSomeHeight, kSomeWidth}},
    {kNqConv, "conv", 1, true, 4, {kOutChannels, kKernel, kDepthwise, kActivation}},
    {kNqShuffle, "shuffle", 1, false, 1, {uv("ratio", &Operation::ratio, 1)}},
    {kNqPlanes, "planes", 1, false, 1, {kRatio}},
    {kNqUpsample, "upsample", 1, false, 3, {kRatio, kHeight, kWidth}},
    {kNqConcat, "concat", -1, true, 0, {}},
    {kNqAdd, "add", 2, true, 0, {}},
    {kNqMul, "mul", 2, true, 0, {}},
    {kNqNorm, "norm", 1, true, 0, {}},
    {kNqFrequency, "frequency", 0, true, 1, {kLists}},
    {kNqFold, "fold", 1, false, 2, {kRows, kColumns}},
    {kNqTile, "tile", 1, false, 2, {kSomeHeight, kSomeWidth}},
    {kNqWindow, "window", 1, false, 5, {kHeight, kWidth, kRatio, kWindowBits, kPath}},
    {kNqWarp, "warp", 2, false, 2, {kWarpBits, kTaps}},
};

[[noreturn]] void refuse(std::string reason) { throw reason; }

std::string shape_text(const Shape& shape) {
  return text("(", shape.channels, ", ", shape.height, ", ", shape.width, ")");
}

Shape conv_shape(const Operation& op, const Shape& in) {
  if (op.kernel % 2 == 0) refuse(text("a convolution's kernel is odd, not ", op.kernel));
  if (op.depthwise && op.channels != in.channels) {
    refuse(text("a depthwise convolution cannot give ", op.channels, " channels from ", in.channels));
  }
  return {op.channels, in.height, in.width};
}

Shape fold_shape(const Shape& in, Count rows, Count columns, bool is_shuffle) {
  const Count cells = multiply(rows, columns);
  if (in.channels % cells) {
    refuse(is_shuffle ? text(in.channels, " channels cannot be shuffled by ", rows)
                      : text(in.channels, " channels cannot be folded into ", rows, " x ", columns));
  }
  return {in.channels / cells, multiply(in.height, rows), multiply(in.width, columns)};
}

Shape upsample_shape(const Operation& op, const Shape& in) {
  if (op.height < 1 || op.height > multiply(in.height, op.ratio) || op.width < 1 ||
      op.width > multiply(in.width, op.ratio)) {
    refuse(text(in.width, "x", in.height, " enlarged by ", op.ratio, " does not cover ", op.width, "x", op.height));
  }
  return {in.channels, op.height, op.width};
}

Shape concat_shape(const std::vector<Shape>& inputs) {
  Count channels = 0;
  for (const Shape& in : inputs) {
    if (in.height != inputs[0].height || in.width != inputs[0].width) {
      refuse("a concat needs maps of one height and width");
    }
    channels = add(channels, in.channels);
  }
  return {channels, inputs[0].height, inputs[0].width};
}

void check_path(const std::vector<NqKnot>& knots) {
  for (size_t k = 0; k < knots.size(); ++k) {
    if (knots[k].time < 0 || knots[k].time >= kMaxFrames || (k > 0 && knots[k].time <= knots[k - 1].time)) {
      refuse(text("the knots of a window's path are not in order at frames 0..", kMaxFrames - 1));
    }
  }
}

// Whether a number, which is not negative, is above a count times 2^bits.
bool is_above(int64_t number, Count count, uint32_t bits) {
  return static_cast<Count>(number) > multiply(count, Count{1} << bits);
}

Shape window_shape(const Operation& op, const Shape& in) {
  const Count rows = multiply(op.height, op.ratio), columns = multiply(op.width, op.ratio);
  if (rows < 1 || rows > in.height || columns < 1 || columns > in.width) {
    refuse(text("a window of ", columns, "x", rows, " does not fit into ", in.width, "x", in.height));
  }
  check_path(*op.knots);
  for (const NqKnot& knot : *op.knots) {
    if (knot.row < 0 || knot.column < 0 || is_above(knot.row, in.height - rows, op.bits) ||
        is_above(knot.column, in.width - columns, op.bits)) {
      refuse(text("a window's path leaves its map of ", in.width, "x", in.height));
    }
  }
  return {multiply(in.channels, op.ratio, op.ratio), op.height, op.width};
}

Shape warp_shape(const Operation& op, const Shape& in, const Shape& vectors) {
  if (op.taps != kNqLinearTaps && op.taps != kNqCubicTaps) {
    refuse(text("a warp has ", kNqLinearTaps, " or ", kNqCubicTaps, " taps, not ", op.taps));
  }
  const Shape wanted = {2, in.height, in.width};
  if (!(vectors == wanted)) {
    refuse(text("a warp of ", shape_text(in), " needs vectors of ", shape_text(wanted), ", not ", shape_text(vectors)));
  }
  if (std::max(in.height, in.width) > kMostWarpSide) {
    refuse(text("a warp of ", in.width, "x", in.height, " is larger than ", kMostWarpSide));
  }
  return in;
}

Shape pair_shape(const Operation& op, const Shape& a, const Shape& b) {
  if (!(a == b)) {
    refuse(text(kind_of(op).name, " needs two maps of one shape, not ", shape_text(a), " and ", shape_text(b)));
  }
  return a;
}

Shape norm_shape(const Shape& in) {
  if (in.channels > kNqMostNormChannels) {
    refuse(text("a norm over ", in.channels, " channels is over ", kNqMostNormChannels));
  }
  return in;
}

Shape frequency_shape(const Operation& op) {
  if (op.increments.empty()) {
    refuse("a frequency operation has an increment and a phase for each sine, and at least one");
  }
  return {2 * op.increments.size(), 1, 1};
}

}  // namespace

const OperationKind* find_kind(uint32_t code) {
  const auto found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                  [&](const OperationKind& kind) { return static_cast<uint32_t>(kind.code) == code; });
  return found == std::end(kKinds) ? nullptr : found;
}

Shape shape_of(const Operation& op, const std::vector<Shape>& inputs) {
  switch (op.code) {
    case kNqGrid: return {op.channels, op.height, op.width};
    case kNqConv: return conv_shape(op, inputs[0]);
    case kNqShuffle: return fold_shape(inputs[0], op.ratio, op.ratio, true);
    case kNqFold: return fold_shape(inputs[0], op.rows, op.columns, false);
    case kNqPlanes:
      return {inputs[0].channels, multiply(inputs[0].height, op.ratio), multiply(inputs[0].width, op.ratio)};
    case kNqUpsample: return upsample_shape(op, inputs[0]);
    case kNqConcat: return concat_shape(inputs);
    case kNqAdd:
    case kNqMul: return pair_shape(op, inputs[0], inputs[1]);
    case kNqNorm: return norm_shape(inputs[0]);
    case kNqFrequency: return frequency_shape(op);
    case kNqTile: return {inputs[0].channels, op.height, op.width};
    case kNqWindow: return window_shape(op, inputs[0]);
    case kNqWarp: return warp_shape(op, inputs[0], inputs[1]);
  }
  stop_at_unknown_code(op.code);
}

}  // namespace nq
