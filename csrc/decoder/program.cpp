// Reading a program and counting what it costs (formats/nq.md, 5 and 8).
#include "decoder/program.h"

#include <algorithm>

#include "common/integer_math.h"
#include "decoder/error.h"
#include "decoder/video.h"

namespace nq {
namespace {

constexpr uint32_t kMaxOperations = 4096, kMostInputs = 16, kMostKnots = 4096, kKnotBytes = 3;

// Reads the operations one after the other; it keeps the path of the window before.
class ProgramReader {
 public:
  explicit ProgramReader(Reader& reader) : reader_(reader) {}

  Operation operation(uint32_t index) {
    const uint32_t code = reader_.u8("operation code");
    const OperationKind* const kind = find_kind(code);
    if (!kind) {
      throw_unsupported(reader_.file(),
                        text("operation code ", code, " is not of this format version: update nqcodec"));
    }
    Operation op = {};
    op.code = kind->code;
    read_inputs(op, *kind, index);
    for (int32_t k = 0; k < kind->field_count; ++k) read_field(op, *kind, kind->fields[k]);
    return op;
  }

 private:
  void read_inputs(Operation& op, const OperationKind& kind, uint32_t index) {
    uint32_t count = static_cast<uint32_t>(kind.arity);
    if (kind.arity < 0) {
      count = reader_.u8("number of inputs");
      if (count < 1 || count > kMostInputs) {
        reader_.fail(text("operation ", index, " has ", count, " inputs, outside 1..", kMostInputs));
      }
    }
    for (uint32_t k = 0; k < count; ++k) {
      const uint32_t distance = reader_.uv("input distance");
      if (distance < 1 || distance > index) {
        reader_.fail(text("operation ", index, " reads ", distance, " places back"));
      }
      op.inputs.push_back(static_cast<int32_t>(index - distance));
    }
  }

  void read_field(Operation& op, const OperationKind& kind, const Field& field) {
    if (field.kind == FieldKind::kLists) return read_lists(op);
    if (field.kind == FieldKind::kPath) return read_path(op);
    const size_t start = reader_.position();
    const uint32_t value = field.kind == FieldKind::kU8 ? reader_.u8(field.name) : reader_.uv(field.name);
    if (field.member == &Operation::activation && value > kNqHalfTanh) {
      throw_unsupported(reader_.file(), text(field.name, " ", value, " is not of this format version"));
    }
    if (value < field.low || value > field.high) {
      reader_.fail_at(text(kind.name, " ", field.name, " ", value, " is outside ", field.low, "..", field.high), start);
    }
    op.*field.member = value;
  }

  void read_lists(Operation& op) {
    const uint64_t count = reader_.uv("length of lists");
    if (2 * count * sizeof(uint32_t) > reader_.left()) {
      reader_.fail(text("2 lists of ", count, " values do not fit the ", reader_.left(), " bytes left"));
    }
    for (uint64_t k = 0; k < count; ++k) op.increments.push_back(reader_.u32("increments"));
    for (uint64_t k = 0; k < count; ++k) op.phases.push_back(reader_.u32("phases"));
  }

  void read_path(Operation& op) {
    const uint64_t count = reader_.uv("number of knots");
    if (!count && !path_) reader_.fail("a window takes the path of the one before it, and there is none");
    if (count > kMostKnots) reader_.fail(text("a path of ", count, " knots has more than ", kMostKnots));
    if (count * kKnotBytes > reader_.left()) {
      reader_.fail(text("a path of ", count, " knots does not fit the ", reader_.left(), " bytes left"));
    }
    if (count) {
      auto knots = std::make_shared<std::vector<NqKnot>>();
      NqKnot knot = {};
      for (uint64_t k = 0; k < count; ++k) {
        knot.time += reader_.uv("frame of a knot");
        knot.row += reader_.sv("row of a knot");
        knot.column += reader_.sv("column of a knot");
        knots->push_back(knot);
      }
      path_ = std::move(knots);
    }
    op.knots = path_;
  }

  Reader& reader_;
  std::shared_ptr<const std::vector<NqKnot>> path_;
};

// Channels that planes take at a ratio.
Count head_channels(int32_t chroma, uint32_t ratio) {
  Count total = 0;
  for (int32_t plane = 0; plane < plane_count(chroma); ++plane) {
    const auto sx = static_cast<uint32_t>(sub_x(chroma, plane)), sy = static_cast<uint32_t>(sub_y(chroma, plane));
    if (ratio % sx || ratio % sy) {
      throw text("planes at ratio ", ratio, " cannot hold ", chroma_label(chroma));
    }
    total += Count{ratio / sx} * (ratio / sy);
  }
  return total;
}

void check_planes(const Program& program, const NqVideo& video) {
  const uint32_t ratio = program.operations.back().ratio;
  const Shape& shape = program.shapes.back();
  if (shape.channels != head_channels(video.chroma, ratio)) {
    throw text(shape.channels, " channels do not make ", chroma_label(video.chroma), " planes at ratio ", ratio);
  }
  if (shape.height < video.height || shape.width < video.width) {
    throw text("the program's ", shape.width, "x", shape.height, " does not cover ", video.width, "x", video.height);
  }
}

// Infers all shapes; throws std::string, the reason, for operations that do not fit together.
void infer_shapes(Program& program, const NqVideo& video) {
  const std::vector<Operation>& operations = program.operations;
  for (size_t index = 0; index < operations.size(); ++index) {
    const Operation& op = operations[index];
    if ((op.code == kNqPlanes) != (index + 1 == operations.size())) {
      throw std::string("a program has one planes operation, its last");
    }
    std::vector<Shape> inputs;
    for (const int32_t input : op.inputs) inputs.push_back(program.shapes[static_cast<size_t>(input)]);
    program.shapes.push_back(shape_of(op, inputs));
  }
  check_planes(program, video);
}

Count area_macs(Count each, const Shape& shape) { return multiply(each, shape.channels, shape.height, shape.width); }

Count fan_in(const Operation& op, const Shape& in) { return op.depthwise ? 1 : in.channels; }

// Multiply-accumulates of an operation for a frame (8).
Count macs_of(const Operation& op, const Shape& in, const Shape& out) {
  switch (op.code) {
    case kNqGrid: return area_macs(2, out);
    case kNqConv: return area_macs(multiply(fan_in(op, in), op.kernel, op.kernel), out);
    case kNqUpsample:
    case kNqWindow:
    case kNqNorm: return area_macs(4, out);
    case kNqWarp: return area_macs(op.taps == kNqCubicTaps ? 20 : 4, out);
    case kNqAdd:
    case kNqMul: return area_macs(1, out);
    case kNqShuffle:
    case kNqPlanes:
    case kNqConcat:
    case kNqFrequency:
    case kNqFold:
    case kNqTile: return 0;
  }
  return 0;
}

}  // namespace

Count TensorShape::count() const {
  Count total = 1;
  for (int32_t axis = 0; axis < rank; ++axis) total = multiply(total, extents[axis]);
  return total;
}

std::vector<TensorShape> Program::tensors(size_t index) const {
  const Operation& op = operations[index];
  if (op.code == kNqGrid) return {{"latent", {op.times, op.channels, op.height, op.width}, 4}};
  if (op.code != kNqConv) return {};
  const Count in = fan_in(op, shapes[static_cast<size_t>(op.inputs[0])]);
  return {{"weight", {op.channels, in, op.kernel, op.kernel}, 4}, {"bias", {op.channels}, 1}};
}

Count Program::parameters() const {
  Count total = 0;
  for (size_t index = 0; index < operations.size(); ++index) {
    for (const TensorShape& tensor : tensors(index)) total = add(total, tensor.count());
  }
  return total;
}

Count Program::macs() const {
  Count total = 0;
  for (size_t index = 0; index < operations.size(); ++index) {
    const Operation& op = operations[index];
    const Shape& in = op.inputs.empty() ? shapes[index] : shapes[static_cast<size_t>(op.inputs[0])];
    total = add(total, macs_of(op, in, shapes[index]));
  }
  return total;
}

// A map lives until its last reader has run.
Count Program::map_bytes() const {
  const size_t maps = operations.size() - 1;
  std::vector<size_t> last(maps);
  for (size_t index = 0; index < operations.size(); ++index) {
    if (index < maps) last[index] = index;
    for (const int32_t input : operations[index].inputs) last[static_cast<size_t>(input)] = index;
  }
  std::vector<std::vector<size_t>> ending(operations.size());
  Count live = 0, most = 0;
  for (size_t index = 0; index < maps; ++index) {
    const Count bytes = area_macs(2, shapes[index]);
    live = add(live, bytes);
    most = std::max(most, live);
    if (live == kMostCount) break;  // over every limit
    ending[last[index]].push_back(index);
    for (const size_t map : ending[index]) live -= area_macs(2, shapes[map]);
  }
  return most;
}

Program parse_program(Reader& reader, const NqVideo& video) {
  const size_t start = reader.position();
  const uint32_t count = reader.uv("number of operations");
  if (count < 1 || count > kMaxOperations) {
    reader.fail_at(text(count, " operations are outside 1..", kMaxOperations), start);
  }
  Program program;
  ProgramReader operations(reader);
  for (uint32_t index = 0; index < count; ++index) program.operations.push_back(operations.operation(index));
  try {
    infer_shapes(program, video);
  } catch (const std::string& reason) {
    reader.fail_at(text("the program is not legal: ", reason), start);
  }
  return program;
}

Cost cost_of(const Program& program, const NqVideo& video) {
  const Count macs = program.macs();
  return {program.parameters(), macs == kMostCount ? macs : macs / (Count{video.width} * video.height),
          program.map_bytes()};
}

void check_limits(const Program& program, const Cost& cost, uint32_t frames, const NqLimits& limits,
                  std::string_view file) {
  const Shape& coded = program.shapes.back();
  check_limit(limits, &NqLimits::parameters, cost.parameters, file);
  check_limit(limits, &NqLimits::macs_per_pixel, cost.macs_per_pixel, file);
  check_limit(limits, &NqLimits::map_bytes, cost.map_bytes, file);
  check_limit(limits, &NqLimits::picture_pixels, multiply(coded.width, coded.height), file);
  check_limit(limits, &NqLimits::frames, frames, file);
  check_limit(limits, &NqLimits::memory, add(multiply(kParameterBytes, cost.parameters), cost.map_bytes), file);
}

}  // namespace nq
