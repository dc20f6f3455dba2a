#include "decoder/segment.h"

#include <algorithm>

namespace nq {
namespace {

constexpr uint32_t kMostLevel = 255;
constexpr const char* kLevelNames[] = {"size", "MACs", "maps"};

// level(e) of 8.1, and the least level with at least a quantity; above all levels, 256.
Count level_bound(uint32_t level) {
  const Count base = 4 + (level & 3);
  const uint32_t shift = level >> 2;
  return shift > 60 ? kMostCount : base << shift;
}

uint32_t level_of(Count quantity) {
  uint32_t level = 0;
  while (level <= kMostLevel && level_bound(level) < quantity) ++level;
  return level;
}

void check_levels(const Reader& reader, size_t start, const uint8_t* levels, const Cost& cost) {
  const Count quantities[] = {cost.parameters, cost.macs_per_pixel, cost.map_bytes};
  for (size_t k = 0; k < 3; ++k) {
    const uint32_t right = level_of(quantities[k]);
    if (levels[k] != right) {
      reader.fail_at(text("the level of ", kLevelNames[k], " is ", levels[k], ", and that of the program ", right),
                     start + k);
    }
  }
}

// Levels and program of a SEGM or a PROG, compared with each other and with the limits.
std::shared_ptr<const Program> parse_checked_program(Reader& reader, const NqVideo& video, uint32_t frames,
                                                     const NqLimits& limits, uint8_t* levels) {
  const size_t start = reader.position();
  for (size_t k = 0; k < 3; ++k) levels[k] = reader.u8(text("level of ", kLevelNames[k]));
  auto program = std::make_shared<const Program>(parse_program(reader, video));
  const Cost cost = cost_of(*program, video);
  check_limits(*program, cost, frames, limits, reader.file());
  check_levels(reader, start, levels, cost);
  return program;
}

}  // namespace

SegmentLayout scan_segment(const Segment& segment, const NqVideo& video, const NqLimits& limits,
                           std::string_view file) {
  SegmentLayout layout;
  Reader reader = segment.chunk.reader(file);
  const bool takes_program = reader.u8("segment flags");  // the only flag that the container lets through
  reader.take(segment.body - reader.position(), "the number of frames");
  std::copy_n(reader.take(layout.md5.size(), "the segment's MD5"), layout.md5.size(), layout.md5.begin());
  layout.header_bytes = reader.position();
  if (takes_program && !segment.program) {
    reader.fail_at("the segment takes the program of a PROG chunk, and there is none before it", 0);
  }
  if (takes_program) {
    Reader common = segment.program->reader(file);
    layout.program = parse_checked_program(common, video, segment.frames, limits, layout.levels);
    if (common.left()) common.fail(text(common.left(), " bytes follow the program"));
    layout.program_bytes = 0;
  } else {
    layout.program = parse_checked_program(reader, video, segment.frames, limits, layout.levels);
    layout.header_bytes += sizeof layout.levels;
    layout.program_bytes = reader.position() - layout.header_bytes;
  }
  const size_t start = reader.position();
  layout.layers = parse_layers(reader, *layout.program);
  layout.layer_bytes = reader.position() - start;
  layout.coded = scan_integers(reader, layout.layers);
  return layout;
}

std::unique_ptr<const Network> decode_segment(const Segment& segment, const SegmentLayout& layout, const NqVideo& video,
                                              const Tables& tables, int32_t threads, std::string_view file) {
  const Reader reader = segment.chunk.reader(file);
  std::vector<DecodedTensor> tensors = decode_tensors(reader, layout.layers, layout.coded, tables, threads);
  try {
    return std::make_unique<const Network>(layout.program, layout.layers, std::move(tensors), tables.synthesis(), video,
                                           segment.frames, threads);
  } catch (const std::string& reason) {
    reader.fail_at(text("the network is not legal: ", reason), 0);
  } catch (const Error& error) {
    throw Error{error.result, about(file, error.text)};
  }
}

}  // namespace nq
