// The network as data: a checked list of operations and what it costs (formats/nq.md, 5 and 8).
#ifndef NQ_DECODER_PROGRAM_H
#define NQ_DECODER_PROGRAM_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "decoder/limits.h"
#include "decoder/reader.h"
#include "nq/nq.h"
#include "nq/synthesis.h"

namespace nq {

struct Shape {
  Count channels, height, width;

  bool operator==(const Shape& other) const {
    return channels == other.channels && height == other.height && width == other.width;
  }
};

enum class FieldKind { kU8, kUv, kLists, kPath };

// Fields of all operations; those that a code has no use for are 0.
struct Operation {
  NqCode code;
  std::vector<int32_t> inputs;
  uint32_t times, channels, height, width, ratio, rows, columns, kernel, depthwise, activation, bits, taps;
  std::vector<uint32_t> increments, phases;          // frequency
  std::shared_ptr<const std::vector<NqKnot>> knots;  // window, shared by those of one path
};

// A field of an operation in the file; `member` holds the integer of kU8 and kUv.
struct Field {
  const char* name;
  FieldKind kind;
  uint32_t low, high;
  uint32_t Operation::* member;
};

// What the format declares of an operation.
struct OperationKind {
  NqCode code;
  const char* name;
  int32_t arity;    // -1: a number precedes the inputs
  bool has_format;  // its map has a width and fractional bits of its own
  int32_t field_count;
  Field fields[5];  // in file order
};

// Null for a code that the format does not have.
const OperationKind* find_kind(uint32_t code);
inline const OperationKind& kind_of(const Operation& op) { return *find_kind(op.code); }

struct TensorShape {
  const char* name;  // "latent", "weight" or "bias"
  Count extents[4];
  int32_t rank;

  Count count() const;
  // The axis that step and scale indices a channel follow.
  int32_t channel_axis() const { return rank == 4 && name[0] == 'l' ? 1 : 0; }
};

struct Program {
  std::vector<Operation> operations;
  std::vector<Shape> shapes;  // of each operation's map; of planes, the picture before the crop

  std::vector<TensorShape> tensors(size_t index) const;
  Count parameters() const;
  Count macs() const;       // of a frame
  Count map_bytes() const;  // most bytes of maps that live at once
};

// The shape of an operation's map; throws std::string, the reason, where it does not fit its inputs.
Shape shape_of(const Operation& op, const std::vector<Shape>& inputs);

// Reads and checks a program. Throws Error.
Program parse_program(Reader& reader, const NqVideo& video);

// What a program costs a picture of the video: the quantities that have levels (8.1).
struct Cost {
  Count parameters, macs_per_pixel, map_bytes;
};

Cost cost_of(const Program& program, const NqVideo& video);

// Throws Error for what is over the limits; allocates nothing.
void check_limits(const Program& program, const Cost& cost, uint32_t frames, const NqLimits& limits,
                  std::string_view file);

}  // namespace nq

#endif  // NQ_DECODER_PROGRAM_H
