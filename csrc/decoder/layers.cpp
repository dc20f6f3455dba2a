#include "decoder/layers.h"

#include <algorithm>

#include "decoder/error.h"

namespace nq {
namespace {

constexpr uint32_t kAdaptive = 1, kChannelSteps = 2, kChannelScales = 4, kHadamard = 8, kInContext = 16;
constexpr uint32_t kKnownFlags = kAdaptive | kChannelSteps | kChannelScales | kHadamard | kInContext;
constexpr int32_t kMostAdaptiveBits = 8;
constexpr Count kMostSmall = 4096;  // values of a tensor whose values are in the common sequence

// What the format says of a tensor by its name.
struct TensorKind {
  char initial;  // of "weight", "bias", "latent"
  int32_t low_bits, high_bits;
  uint32_t own_flags;  // that only some have
};

constexpr TensorKind kTensorKinds[] = {
    {'w', 2, 8, kHadamard | kChannelSteps}, {'b', 2, 16, 0}, {'l', 2, 12, kInContext | kChannelSteps}};

const TensorKind& kind_of(const TensorShape& tensor) {
  return *std::find_if(std::begin(kTensorKinds), std::end(kTensorKinds),
                       [&](const TensorKind& kind) { return kind.initial == tensor.name[0]; });
}

bool is_within(int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; }

bool contradict(const TensorKind& kind, int32_t bits, uint32_t flags) {
  if (flags & (kHadamard | kChannelSteps | kInContext) & ~kind.own_flags) return true;
  if (flags & kInContext) return flags & (kAdaptive | kChannelScales);
  return (flags & kAdaptive) && (bits > kMostAdaptiveBits || (flags & kChannelScales));
}

void check_weight(const Reader& reader, const char* what, int64_t value, int64_t low, int64_t high, size_t start) {
  if (!is_within(value, low, high)) {
    reader.fail_at(text("context: ", what, " ", value, " is outside ", low, "..", high), start);
  }
}

void parse_context(Reader& reader, TensorRecord& record) {
  const size_t start = reader.position();
  const uint32_t mask = reader.uv("mask"), base = reader.uv("base");
  if (mask >> kNeighbours) {
    reader.fail_at(text("context: mask ", flags_text(mask), " has more than ", kNeighbours, " neighbours"), start);
  }
  int64_t mean[kNeighbours] = {}, spread[kNeighbours] = {};
  for (int32_t j = 0; j < kNeighbours; ++j) {
    if (!(mask >> j & 1)) continue;
    mean[j] = reader.sv("mean");
    spread[j] = reader.uv("spread");
    if (!mean[j] && !spread[j]) {
      reader.fail_at(text("context: neighbour ", j, " of the mask has no weight"), start);
    }
  }
  check_weight(reader, "base", base, 1, 65535, start);
  for (const int64_t weight : mean) check_weight(reader, "mean weight", weight, -256, 255, start);
  for (const int64_t weight : spread) check_weight(reader, "spread weight", weight, 0, 255, start);
  record.base = static_cast<int32_t>(base);
  std::copy(std::begin(mean), std::end(mean), record.mean);
  std::copy(std::begin(spread), std::end(spread), record.spread);
}

void parse_hadamard(Reader& reader, TensorRecord& record) {
  const size_t start = reader.position();
  record.used_width = reader.u8("used_width");
  record.gain = reader.u8("gain");
  if (!is_within(record.used_width, 8, 12)) {
    reader.fail_at(text("used_width ", record.used_width, " is outside 8..12"), start);
  }
  if (!is_within(record.gain, 0, 6)) reader.fail_at(text("gain ", record.gain, " is outside 0..6"), start);
}

void parse_model(Reader& reader, TensorRecord& record, uint32_t flags, size_t start) {
  if (record.has_context) parse_context(reader, record);
  if (!record.is_gaussian()) return;
  const int64_t offset = reader.sv("offset");
  record.scale = reader.u8("scale");
  if (!is_within(offset, record.low(), record.high())) {
    reader.fail_at(text("offset ", offset, " is outside ", record.bits, " bits"), start);
  }
  record.offset = static_cast<int32_t>(offset);
  if (flags & kChannelScales) record.scale_scale = reader.u8("scale_scale");
}

TensorRecord parse_record(Reader& reader, const TensorShape& tensor) {
  const size_t start = reader.position();
  const TensorKind& kind = kind_of(tensor);
  TensorRecord record = {};
  record.bits = reader.u8(text(tensor.name, " bits"));
  const uint32_t flags = reader.u8(text(tensor.name, " flags"));
  if (!is_within(record.bits, kind.low_bits, kind.high_bits)) {
    reader.fail_at(text(tensor.name, " of ", record.bits, " bits, outside ", kind.low_bits, "..", kind.high_bits),
                   start);
  }
  if (flags & ~kKnownFlags) {
    throw_unsupported(reader.file(), text(tensor.name, " flags ", flags_text(flags),
                                          " are not of this format version: update nqcodec"));
  }
  if (contradict(kind, record.bits, flags)) {
    reader.fail_at(text(tensor.name, " flags ", flags_text(flags), " contradict one another"), start);
  }
  record.is_adaptive = flags & kAdaptive;
  record.has_context = flags & kInContext;
  record.has_hadamard = flags & kHadamard;
  const int64_t step = reader.sv("step");
  if (!is_within(step, -kMostStep, kMostStep)) {
    reader.fail_at(text("step index ", step, " is outside ", -kMostStep, "..", kMostStep), start);
  }
  record.step = static_cast<int32_t>(step);
  record.step_scale = flags & kChannelSteps ? reader.u8("step_scale") : -1;
  record.scale_scale = -1;
  parse_model(reader, record, flags, start);
  if (std::max({record.step_scale, record.scale, record.scale_scale}) > kMostScaleIndex) {
    reader.fail_at(text("a scale index is over ", kMostScaleIndex), start);
  }
  if (record.has_hadamard) parse_hadamard(reader, record);
  return record;
}

}  // namespace

bool TensorEntry::is_small() const {
  return record.is_gaussian() && record.scale_scale < 0 && shape.count() <= kMostSmall;
}

Count TensorEntry::common_count() const {
  const int32_t lists = (record.step_scale >= 0) + (record.scale_scale >= 0);
  return channels() * static_cast<Count>(lists) + (is_small() ? shape.count() : 0);
}

Layers parse_layers(Reader& reader, const Program& program) {
  Layers layers;
  for (size_t index = 0; index < program.operations.size(); ++index) {
    MapFormat format = {};
    if (kind_of(program.operations[index]).has_format) {
      format.width = reader.u8(text("width of operation ", index));
      format.frac = reader.u8(text("frac of operation ", index));
    }
    layers.formats.push_back(format);
    for (const TensorShape& shape : program.tensors(index)) {
      layers.tensors.push_back({index, shape, parse_record(reader, shape)});
    }
  }
  return layers;
}

PieceRun scan_pieces(Reader& reader, Count count, std::string_view what) {
  PieceRun run;
  run.offset = reader.position();
  const Count pieces = (count + kPieceValues - 1) / kPieceValues;
  if (pieces > reader.left()) {
    reader.fail(text(what, " needs ", pieces, " pieces, and ", reader.left(), " bytes are left"));
  }
  const std::string name = text("a piece of ", what), length_name = text("length of ", name);
  for (Count k = 0; k < pieces; ++k) {
    const uint32_t size = reader.uv(length_name);
    run.pieces.push_back({reader.take(size, name), size});
  }
  run.bytes = reader.position() - run.offset;
  return run;
}

}  // namespace nq
