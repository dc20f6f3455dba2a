#include "decoder/entropy.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "decoder/error.h"

namespace nq {
namespace {

constexpr int32_t kWidestBits = 31;  // of values whose bits are checked here, not by the coder

std::string status_text(int32_t status, const TensorRecord& record) {
  switch (status) {
    case kNqBadLength: return "a piece of more or fewer bytes than its symbols take";
    case kNqBadEscape: return "an escape of more than 20 bits";
    case kNqOutOfRange:
      return text("a value is outside ", record.bits, " bits (", record.low(), "..", record.high(), ")");
    default: return "cannot be decoded";
  }
}

// Parts for nq_decode_parts, and the memory that they point to.
class Parts {
 public:
  explicit Parts(const Tables& tables) : gaussian_(tables.gaussian()), logistic_(tables.logistic()) {}

  // Room for so many parts: what they point to may not move.
  void reserve(size_t count) {
    parts_.reserve(count);
    sizes_.reserve(count);
    joined_.reserve(count);
  }

  // A part of `count` pieces from `first` on, with its values.
  NqCodedPart& add(const PieceRun& run, size_t first, size_t count, int32_t* values, Count value_count) {
    sizes_.emplace_back();
    joined_.emplace_back();
    const uint8_t* data = run.pieces[first].data;
    for (size_t k = first; k < first + count; ++k) {
      const Piece& piece = run.pieces[k];
      sizes_.back().push_back(piece.size);
      if (count > 1) joined_.back().insert(joined_.back().end(), piece.data, piece.data + piece.size);
    }
    if (count > 1) data = joined_.back().data();
    NqCodedPart part = {};
    part.data = data;
    part.sizes = sizes_.back().data();
    part.values = values;
    part.count = static_cast<int64_t>(value_count);
    part.pieces = static_cast<int64_t>(count);
    part.context.piece = static_cast<int64_t>(kPieceValues);
    parts_.push_back(part);
    return parts_.back();
  }

  // Decodes all; the parts then have their status.
  const std::vector<NqCodedPart>& decode(int32_t threads) {
    const int32_t status =
        nq_decode_parts(&gaussian_, &logistic_, parts_.data(), static_cast<int64_t>(parts_.size()), threads);
    const auto has_no_memory = [](const NqCodedPart& part) { return part.status == kNqNoResources; };
    if (status != kNqOk || std::any_of(parts_.begin(), parts_.end(), has_no_memory)) throw std::bad_alloc();
    return parts_;
  }

 private:
  NqFrequencyTable gaussian_, logistic_;
  std::vector<NqCodedPart> parts_;
  std::vector<std::vector<int64_t>> sizes_;
  std::vector<std::vector<uint8_t>> joined_;
};

size_t piece_values(size_t piece, size_t count) {
  return std::min(static_cast<size_t>(kPieceValues), count - piece * static_cast<size_t>(kPieceValues));
}

// The common sequence: every integer with its scale index; offsets are added afterwards.
class CommonSequence {
 public:
  explicit CommonSequence(const Layers& layers) {
    for (const TensorEntry& tensor : layers.tensors) {
      if (tensor.record.step_scale >= 0) add(tensor.channels(), tensor.record.step_scale);
      if (tensor.record.scale_scale >= 0) add(tensor.channels(), tensor.record.scale_scale);
      if (tensor.is_small()) add(tensor.shape.count(), tensor.record.scale);
    }
    values_.resize(scales_.size());
  }

  void decode(const Reader& reader, const PieceRun& run, const Tables& tables, int32_t threads) {
    Parts parts(tables);
    parts.reserve(run.pieces.size());
    for (size_t k = 0; k < run.pieces.size(); ++k) {
      const size_t start = k * static_cast<size_t>(kPieceValues), count = piece_values(k, values_.size());
      NqCodedPart& part = parts.add(run, k, 1, values_.data() + start, count);
      part.model = kNqGaussian;
      part.context.bits = kWidestBits;
      part.scales = {scales_.data(), static_cast<int64_t>(scales_.size()), 1, static_cast<int64_t>(start)};
    }
    const std::vector<NqCodedPart>& done = parts.decode(threads);
    for (size_t k = 0; k < done.size(); ++k) {
      if (done[k].status == kNqOk) continue;
      reader.fail_at(text("the common sequence: piece ", k, " of ", done.size(), ": ",
                          status_text(done[k].status, TensorRecord{})),
                     run.offset);
    }
  }

  // The next `count` integers, each with `base` added; of 64 bits, since neither is bounded yet.
  std::vector<int64_t> take(Count count, int32_t base) {
    std::vector<int64_t> taken;
    taken.reserve(static_cast<size_t>(count));
    for (Count k = 0; k < count; ++k) taken.push_back(int64_t{values_[next_++]} + base);
    return taken;
  }

 private:
  void add(Count count, int32_t scale) {
    scales_.insert(scales_.end(), static_cast<size_t>(count), static_cast<uint8_t>(scale));
  }

  std::vector<uint8_t> scales_;
  std::vector<int32_t> values_;
  size_t next_ = 0;
};

std::string where(const TensorEntry& tensor) { return text("operation ", tensor.index, " ", tensor.shape.name); }

// A list or small tensor, of which every entry must be within low..high.
std::vector<int32_t> take_checked(const Reader& reader, CommonSequence& sequence, const TensorEntry& tensor,
                                  Count count, int32_t base, int32_t low, int32_t high, const std::string& complaint,
                                  size_t offset) {
  std::vector<int32_t> checked;
  checked.reserve(static_cast<size_t>(count));
  for (const int64_t value : sequence.take(count, base)) {
    if (value < low || value > high) reader.fail_at(text(where(tensor), ": ", complaint), offset);
    checked.push_back(static_cast<int32_t>(value));
  }
  return checked;
}

// Parts of the tensors that have pieces of their own.
class OwnPieces {
 public:
  OwnPieces(const Layers& layers, const CodedIntegers& coded, const Tables& tables)
      : layers_(layers), coded_(coded), parts_(tables) {
    size_t count = 0;
    for (const PieceRun& run : coded.own) count += run.pieces.size();
    parts_.reserve(count);
  }

  // `scales` are the tensor's scale indices, one or one a channel; they must live until all is decoded.
  void add(size_t number, DecodedTensor& target, const std::vector<uint8_t>& scales) {
    const TensorEntry& tensor = layers_.tensors[number];
    const PieceRun& run = coded_.own[number];
    const TensorRecord& record = tensor.record;
    const size_t together = record.has_context ? run.pieces.size() : record.is_adaptive ? 2 : 1;
    for (size_t first = 0; first < run.pieces.size(); first += together) {
      const size_t start = first * static_cast<size_t>(kPieceValues),
                   pieces = std::min(together, run.pieces.size() - first);
      const size_t count = std::min(pieces * static_cast<size_t>(kPieceValues), target.values.size() - start);
      NqCodedPart& part = parts_.add(run, first, pieces, target.values.data() + start, count);
      part.model = record.has_context ? kNqInContext : record.is_adaptive ? kNqAdaptive : kNqGaussian;
      part.context.bits = record.bits;
      part.offset = record.offset;
      if (record.has_context) describe_context(tensor, part.context);
      if (record.is_gaussian()) part.scales = scales_of(tensor, scales, start);
      places_.push_back({number, first});
    }
  }

  void decode(const Reader& reader, int32_t threads) {
    const std::vector<NqCodedPart>& done = parts_.decode(threads);
    for (size_t k = 0; k < done.size(); ++k) {
      if (done[k].status == kNqOk) continue;
      const auto& [number, first] = places_[k];
      const TensorEntry& tensor = layers_.tensors[number];
      const PieceRun& run = coded_.own[number];
      reader.fail_at(text(where(tensor), ": piece ", first + static_cast<size_t>(done[k].failed), " of ",
                          run.pieces.size(), ": ", status_text(done[k].status, tensor.record)),
                     run.offset);
    }
  }

 private:
  static void describe_context(const TensorEntry& tensor, NqContext& context) {
    const auto extent = [&](int32_t axis) { return static_cast<int64_t>(tensor.shape.extents[axis]); };
    context.times = extent(0);
    context.channels = extent(1);
    context.height = extent(2);
    context.width = extent(3);
    context.base = tensor.record.base;
    std::copy(std::begin(tensor.record.mean), std::end(tensor.record.mean), context.mean);
    std::copy(std::begin(tensor.record.spread), std::end(tensor.record.spread), context.scale);
  }

  static NqScales scales_of(const TensorEntry& tensor, const std::vector<uint8_t>& scales, size_t start) {
    Count inner = 1;
    for (int32_t axis = tensor.shape.channel_axis() + 1; axis < tensor.shape.rank; ++axis) {
      inner *= tensor.shape.extents[axis];
    }
    return {scales.data(), static_cast<int64_t>(scales.size()), static_cast<int64_t>(inner),
            static_cast<int64_t>(start)};
  }

  const Layers& layers_;
  const CodedIntegers& coded_;
  Parts parts_;
  std::vector<std::pair<size_t, size_t>> places_;  // of each part: tensor, and number of its first piece
};

}  // namespace

CodedIntegers scan_integers(Reader& reader, const Layers& layers) {
  CodedIntegers coded;
  Count common = 0;
  for (const TensorEntry& tensor : layers.tensors) common += tensor.common_count();
  coded.common = scan_pieces(reader, common, "the common sequence");
  for (const TensorEntry& tensor : layers.tensors) {
    coded.own.push_back(scan_pieces(reader, tensor.is_small() ? 0 : tensor.shape.count(), tensor.shape.name));
  }
  if (reader.left()) reader.fail(text(reader.left(), " bytes follow the last piece"));
  return coded;
}

std::vector<DecodedTensor> decode_tensors(const Reader& reader, const Layers& layers, const CodedIntegers& coded,
                                          const Tables& tables, int32_t threads) {
  CommonSequence sequence(layers);
  sequence.decode(reader, coded.common, tables, threads);
  std::vector<DecodedTensor> tensors(layers.tensors.size());
  std::vector<std::vector<uint8_t>> scales(layers.tensors.size());
  OwnPieces own(layers, coded, tables);
  for (size_t number = 0; number < tensors.size(); ++number) {
    const TensorEntry& tensor = layers.tensors[number];
    const TensorRecord& record = tensor.record;
    const auto take = [&](Count count, int32_t base, int32_t low, int32_t high, const std::string& complaint) {
      return take_checked(reader, sequence, tensor, count, base, low, high, complaint, coded.own[number].offset);
    };
    tensors[number].steps = {record.step};
    if (record.step_scale >= 0) {
      tensors[number].steps = take(tensor.channels(), record.step, -kMostStep, kMostStep,
                                   text("the step list leaves ", -kMostStep, "..", kMostStep));
    }
    scales[number] = {static_cast<uint8_t>(record.scale)};
    if (record.scale_scale >= 0) {
      const std::vector<int32_t> list =
          take(tensor.channels(), record.scale, 0, kMostScaleIndex, text("the scale list leaves 0..", kMostScaleIndex));
      scales[number].assign(list.begin(), list.end());
    }
    if (tensor.is_small()) {
      tensors[number].values =
          take(tensor.shape.count(), record.offset, record.low(), record.high(),
               text("a value of ", record.bits, " bits leaves ", record.low(), "..", record.high()));
    } else {
      tensors[number].values.resize(static_cast<size_t>(tensor.shape.count()));
      own.add(number, tensors[number], scales[number]);
    }
  }
  own.decode(reader, threads);
  return tensors;
}

}  // namespace nq
