// A segment's layers: formats of maps, and of each tensor its record and its coded pieces (formats/nq.md, 3.1 and 4).
#ifndef NQ_DECODER_LAYERS_H
#define NQ_DECODER_LAYERS_H

#include <cstdint>
#include <string>
#include <vector>

#include "decoder/program.h"
#include "decoder/reader.h"

namespace nq {

constexpr int32_t kNeighbours = 14;    // of the context model (3.6)
constexpr Count kPieceValues = 65536;  // of a whole piece (3.1)
constexpr int32_t kMostStep = 320;     // of a step index, either way
constexpr int32_t kMostScaleIndex = 63;

// What the file says of a tensor before its values (4). Scale indices of lists are -1 where there is no list.
struct TensorRecord {
  int32_t bits;
  bool is_adaptive, has_context, has_hadamard;
  int32_t step, step_scale;
  int32_t offset, scale, scale_scale;                    // Gaussian
  int32_t base, mean[kNeighbours], spread[kNeighbours];  // context model
  int32_t used_width, gain;                              // Hadamard

  bool is_gaussian() const { return !is_adaptive && !has_context; }
  const char* model() const { return has_context ? "context" : is_adaptive ? "adaptive" : "gaussian"; }
  int32_t low() const { return -(1 << (bits - 1)); }
  int32_t high() const { return (1 << (bits - 1)) - 1; }
};

struct MapFormat {
  int32_t width, frac;
};

// A tensor as it lies in the payload.
struct TensorEntry {
  size_t index;  // of its operation
  TensorShape shape;
  TensorRecord record;

  Count channels() const { return shape.extents[shape.channel_axis()]; }
  // Whether its values are in the common sequence (3.1).
  bool is_small() const;
  // Integers that it has in the common sequence, lists included.
  Count common_count() const;
};

struct Layers {
  std::vector<MapFormat> formats;  // by operation; zeros where it has none of its own
  std::vector<TensorEntry> tensors;
};

Layers parse_layers(Reader& reader, const Program& program);

// Bytes of coded integers within the payload.
struct Piece {
  const uint8_t* data;
  uint32_t size;
};

// The pieces of one run of integers: of the common sequence, or of a tensor.
struct PieceRun {
  std::vector<Piece> pieces;
  size_t offset;  // of the first one's length in the payload
  size_t bytes;   // of all, lengths included
};

// Finds the pieces of `count` integers; throws Error if they leave the payload. `what` names them.
PieceRun scan_pieces(Reader& reader, Count count, std::string_view what);

}  // namespace nq

#endif  // NQ_DECODER_LAYERS_H
