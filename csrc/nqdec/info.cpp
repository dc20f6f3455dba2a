#include "info.h"

#include <cstdio>
#include <numeric>

#include "decoder/segment.h"
#include "failure.h"
#include "metadata_info.h"
#include "words.h"

namespace nqdec {
namespace {

using nq::Operation;
using nq::TensorEntry;

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char words[200];
  std::snprintf(words, sizeof words, format, values...);
  return words;
}

double bpp(const nq::Container& file) {
  const NqVideo& video = file.video();
  return 8.0 * static_cast<double>(file.size()) /
         static_cast<double>(uint64_t{video.width} * video.height * video.frames);
}

double bitrate(const nq::Container& file) {
  const NqVideo& video = file.video();
  const double fps = static_cast<double>(video.fps_num) / video.fps_den;
  return static_cast<double>(file.size() * 8) / 1000 * fps / video.frames;
}

double kmac_per_pixel(const nq::Container& file, const nq::Program& program) {
  const uint64_t pixels = uint64_t{file.video().width} * file.video().height;
  return static_cast<double>(program.macs()) / static_cast<double>(pixels) / 1000;
}

uint64_t level_bound(uint8_t level) {
  return level >> 2 > 60 ? nq::kMostCount : uint64_t{4u + (level & 3u)} << (level >> 2);
}

// A field of an operation by its name, and its value as JSON and as Python shows it.
struct Value {
  std::string name;
  Json json;
  std::string words;
};

Value list_value(const char* name, const std::vector<uint32_t>& numbers) {
  Value value = {name, Json::list(), ""};
  for (const uint32_t number : numbers) {
    value.json.add(number);
    value.words += text(value.words.empty() ? "" : ", ", number);
  }
  value.words = text("[", value.words, "]");
  return value;
}

Value path_value(const char* name, const std::vector<NqKnot>& knots) {
  Value value = {name, Json::list(), ""};
  for (const NqKnot& knot : knots) {
    value.json.add(Json::list().add(knot.time).add(knot.row).add(knot.column));
    value.words += text(value.words.empty() ? "" : ", ", "(", knot.time, ", ", knot.row, ", ", knot.column, ")");
  }
  value.words = text("[", value.words, "]");
  return value;
}

std::vector<Value> fields_of(const Operation& op) {
  std::vector<Value> values;
  const nq::OperationKind& kind = nq::kind_of(op);
  for (int32_t k = 0; k < kind.field_count; ++k) {
    const nq::Field& field = kind.fields[k];
    if (field.kind == nq::FieldKind::kLists) {
      values.push_back(list_value("increments", op.increments));
      values.push_back(list_value("phases", op.phases));
    } else if (field.kind == nq::FieldKind::kPath) {
      values.push_back(path_value(field.name, *op.knots));
    } else {
      values.push_back({field.name, Json(op.*field.member), text(op.*field.member)});
    }
  }
  return values;
}

Json context_json(const nq::TensorRecord& record) {
  if (!record.has_context) return Json();
  Json mean = Json::list(), scale = Json::list();
  for (const int32_t weight : record.mean) mean.add(weight);
  for (const int32_t weight : record.spread) scale.add(weight);
  return Json::object().set("base", record.base).set("mean", mean).set("scale", scale);
}

Json hadamard_json(const nq::TensorRecord& record) {
  if (!record.has_hadamard) return Json();
  return Json::object().set("used_width", record.used_width).set("gain", record.gain);
}

Json tensor_json(const TensorEntry& tensor, size_t bytes) {
  Json shape = Json::list();
  for (int32_t axis = 0; axis < tensor.shape.rank; ++axis) shape.add(tensor.shape.extents[axis]);
  const nq::TensorRecord& record = tensor.record;
  return Json::object()
      .set("name", tensor.shape.name)
      .set("shape", shape)
      .set("bits", record.bits)
      .set("model", record.model())
      .set("context", context_json(record))
      .set("step_sizes", record.step_scale >= 0 ? "channel" : "tensor")
      .set("step_index", record.step)
      .set("hadamard", hadamard_json(record))
      .set("bytes", tensor.is_small() ? Json() : Json(bytes));
}

Json operation_json(const nq::SegmentLayout& layout, size_t index) {
  const Operation& op = layout.program->operations[index];
  const nq::Shape& shape = layout.program->shapes[index];
  Json inputs = Json::list(), tensors = Json::list();
  for (const int32_t input : op.inputs) inputs.add(input);
  Json json = Json::object().set("index", index).set("operation", nq::kind_of(op).name).set("inputs", inputs);
  for (const Value& value : fields_of(op)) json.set(value.name, value.json);
  json.set("shape", Json::list().add(shape.channels).add(shape.height).add(shape.width));
  if (nq::kind_of(op).has_format) {
    json.set("map_width", layout.layers.formats[index].width).set("frac", layout.layers.formats[index].frac);
  }
  for (size_t k = 0; k < layout.layers.tensors.size(); ++k) {
    const TensorEntry& tensor = layout.layers.tensors[k];
    if (tensor.index == index) tensors.add(tensor_json(tensor, layout.coded.own[k].bytes));
  }
  return json.set("tensors", tensors);
}

Json parts_json(const nq::SegmentLayout& layout) {
  Json parts = Json::object()
                   .set("header", layout.header_bytes)
                   .set("program", layout.program_bytes)
                   .set("step sizes", layout.layer_bytes)
                   .set("common sequence", layout.coded.common.bytes);
  for (size_t k = 0; k < layout.layers.tensors.size(); ++k) {
    const TensorEntry& tensor = layout.layers.tensors[k];
    if (tensor.is_small()) continue;
    const Operation& op = layout.program->operations[tensor.index];
    parts.set(text(tensor.index, " ", nq::kind_of(op).name, " ", tensor.shape.name), layout.coded.own[k].bytes);
  }
  return parts;
}

bool takes_program(const nq::Segment& segment) { return segment.program_distance > 0; }

Json segment_json(const nq::Container& file, const nq::Segment& segment, const nq::SegmentLayout& layout) {
  Json operations = Json::list();
  for (size_t index = 0; index < layout.program->operations.size(); ++index) {
    operations.add(operation_json(layout, index));
  }
  return Json::object()
      .set("start", segment.first)
      .set("frames", segment.frames)
      .set("md5", nq::hex(layout.md5.data(), layout.md5.size()))
      .set("needs", Json::list())
      .set("takes_program", takes_program(segment))
      .set("levels", Json::object()
                         .set("size", level_bound(layout.levels[0]))
                         .set("macs", level_bound(layout.levels[1]))
                         .set("maps", level_bound(layout.levels[2])))
      .set("parameters", layout.program->parameters())
      .set("kmac_per_pixel", kmac_per_pixel(file, *layout.program))
      .set("map_bytes", layout.program->map_bytes())
      .set("bytes", parts_json(layout))
      .set("operations", operations);
}

Json video_json(const NqVideo& video) {
  const uint32_t rate = std::gcd(video.fps_num, video.fps_den), aspect = std::gcd(video.sar_num, video.sar_den);
  return Json::object()
      .set("width", video.width)
      .set("height", video.height)
      .set("fps_num", video.fps_num / rate)
      .set("fps_den", video.fps_den / rate)
      .set("chroma", video.chroma)
      .set("depth", video.depth)
      .set("primaries", video.primaries)
      .set("transfer", video.transfer)
      .set("matrix", video.matrix)
      .set("full_range", video.full_range)
      .set("chroma_location", video.chroma_location)
      .set("sar_num", video.sar_num / aspect)
      .set("sar_den", video.sar_den / aspect)
      .set("frames", video.frames);
}

std::string padded(std::string words, size_t width) {
  if (words.size() < width) words.resize(width, ' ');
  return words;
}

std::string extent_text(const nq::TensorShape& shape) {
  std::string words;
  for (int32_t axis = 0; axis < shape.rank; ++axis) words += text(axis ? "x" : "", shape.extents[axis]);
  return words;
}

std::string tensor_text(const TensorEntry& tensor, size_t bytes) {
  const nq::TensorRecord& record = tensor.record;
  std::string line = formatted("\n        %-7s %-16s %2d bits  step index %4d a %-7s  %-8s ", tensor.shape.name,
                               extent_text(tensor.shape).c_str(), record.bits, record.step,
                               record.step_scale >= 0 ? "channel" : "tensor", record.model());
  line += tensor.is_small() ? "in the common sequence" : formatted("%8zu B", bytes);
  if (record.has_hadamard) {
    line += text("  hadamard, used at ", record.used_width, " bits, gain ", record.gain);
  }
  return line;
}

std::string operation_text(const nq::SegmentLayout& layout, size_t index) {
  const Operation& op = layout.program->operations[index];
  const nq::Shape& shape = layout.program->shapes[index];
  std::string fields;
  for (const Value& value : fields_of(op)) fields += text(fields.empty() ? "" : " ", value.name, "=", value.words);
  std::string line = formatted("\n  %3zu %-9s ", index, nq::kind_of(op).name);
  line += text(padded(fields, 58), " -> ", shape.channels, "x", shape.height, "x", shape.width);
  if (nq::kind_of(op).has_format) {
    line += text("  map ", layout.layers.formats[index].width, " bit frac ", layout.layers.formats[index].frac);
  }
  for (size_t k = 0; k < layout.layers.tensors.size(); ++k) {
    const TensorEntry& tensor = layout.layers.tensors[k];
    if (tensor.index == index) line += tensor_text(tensor, layout.coded.own[k].bytes);
  }
  return line;
}

std::string segment_text(const nq::Container& file, size_t number, const nq::SegmentLayout& layout) {
  const nq::Segment& segment = *file.segments()[number];
  const nq::Program& program = *layout.program;
  std::string lines = text("\nsegment ", number, ": frames ", segment.first, ":", segment.first + segment.frames, ", ",
                           program.parameters(), " parameters, ",
                           formatted("%.3f kMAC/pixel, maps %.1f MB", kmac_per_pixel(file, program),
                                     static_cast<double>(program.map_bytes()) / 1e6),
                           ", MD5 ", nq::hex(layout.md5.data(), layout.md5.size()));
  lines += text("\n  header ", layout.header_bytes, " B, program ",
                takes_program(segment) ? "an earlier one's" : text(layout.program_bytes, " B"), ", step sizes ",
                layout.layer_bytes, " B, common sequence ", layout.coded.common.bytes, " B; needs no other segment");
  lines += text("\n  levels: at most ", level_bound(layout.levels[0]), " integers, ", level_bound(layout.levels[1]),
                " MAC/pixel, ", level_bound(layout.levels[2]), " bytes of maps");
  for (size_t index = 0; index < program.operations.size(); ++index) lines += operation_text(layout, index);
  return lines;
}

// As Python shows a text.
std::string quoted(const std::string& words) {
  const char mark = words.find('\'') != std::string::npos && words.find('"') == std::string::npos ? '"' : '\'';
  return mark + words + mark;
}

// How the file is laid out.
std::string layout_text(const nq::Container& file, uint64_t programs, uint64_t hashes) {
  return text("\n  layout  ", counted(file.segments().size(), "segment"),
              programs ? text(", ", counted(programs, "common program")) : "",
              file.has_index() ? ", with an index" : ", no index",
              hashes ? text(", hashes of ", counted(hashes, "frame")) : ", hashes of segments alone");
}

uint64_t hash_count(const nq::Container& file) {
  uint64_t count = 0;
  for (const auto& segment : file.segments()) count += segment->frame_md5.empty() ? 0 : segment->frames;
  return count;
}

std::string clip_text(size_t number, const Clip& clip) {
  const std::string name = clip.name.empty() ? "without a name" : quoted(clip.name);
  return text("\n  clip ", number, " ", name, ": frames ", clip.first, ":", clip.first + clip.frames,
              clip.start ? text(", from its frame ", clip.start, " on") : "");
}

}  // namespace

std::vector<Clip> clips_of(const nq::Container& file) {
  std::vector<Clip> clips;
  bool any = false;
  for (const auto& segment : file.segments()) {
    any |= segment->clip.has_value();
    if (segment->clip || clips.empty()) {
      clips.push_back({segment->clip ? segment->clip->name : "", segment->first, 0,
                       segment->clip ? segment->clip->first_frame : 0});
    }
    clips.back().frames += segment->frames;
  }
  return any ? clips : std::vector<Clip>();
}

Clip find_clip(const nq::Container& file, const std::string& words) {
  const std::vector<Clip> clips = clips_of(file);
  std::vector<Clip> named;
  std::string listed;
  for (size_t k = 0; k < clips.size(); ++k) {
    if (clips[k].name == words) named.push_back(clips[k]);
    listed += text(k ? ", " : "", k, " ", quoted(clips[k].name));
  }
  const bool is_number = !words.empty() && words.find_first_not_of("0123456789") == std::string::npos;
  if (named.empty() && is_number && words.size() < 10 && std::stoul(words) < clips.size()) {
    return clips[std::stoul(words)];
  }
  if (named.size() == 1) return named[0];
  if (!named.empty()) {
    usage(text(file.file(), ": ", named.size(), " clips have the name ", words, ": give a number; there are ", listed));
  }
  usage(text(file.file(), ": has no clip ", words, "; ",
             listed.empty() ? "it has no clips" : text("there are ", listed)));
}

Json info_json(const nq::Container& file, const NqLimits& limits) {
  const NqVideo& video = file.video();
  Json clips = Json::list(), segments = Json::list();
  for (const Clip& clip : clips_of(file)) {
    clips.add(Json::object()
                  .set("name", clip.name)
                  .set("first", clip.first)
                  .set("frames", clip.frames)
                  .set("start", clip.start));
  }
  for (const auto& segment : file.segments()) {
    segments.add(segment_json(file, *segment, nq::scan_segment(*segment, video, limits, file.file())));
  }
  return Json::object()
      .set("file", file.file())
      .set("bytes", file.size())
      .set("bpp", bpp(file))
      .set("bitrate_kbps", bitrate(file))
      .set("format", text(video.format_major, ".", video.format_minor))
      .set("video", video_json(video))
      .set("frame_hashes", hash_count(file))
      .set("metadata", metadata_json(file))
      .set("indexed", file.has_index())
      .set("common_programs", file.programs())
      .set("clips", clips)
      .set("segments", segments);
}

std::string info_text(const nq::Container& file, const NqLimits& limits) {
  const NqVideo& video = file.video();
  std::string lines = text(file.file(), ": .nq format ", video.format_major, ".", video.format_minor, ", ", file.size(),
                           " bytes, ", formatted("%.5f bpp, %.1f kb/s\n", bpp(file), bitrate(file)));
  lines += video_text(video) + layout_text(file, file.programs(), hash_count(file)) + metadata_text(file);
  const std::vector<Clip> clips = clips_of(file);
  for (size_t k = 0; k < clips.size(); ++k) lines += clip_text(k, clips[k]);
  for (size_t k = 0; k < file.segments().size(); ++k) {
    lines += segment_text(file, k, nq::scan_segment(*file.segments()[k], video, limits, file.file()));
  }
  return lines + "\n";
}

}  // namespace nqdec
