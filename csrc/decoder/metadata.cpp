#include "decoder/metadata.h"

#include <algorithm>

#include "decoder/limits.h"
#include "decoder/text.h"

namespace nq {
namespace {

constexpr uint32_t kMostChromaticity = 50000;
constexpr size_t kMostText = 4096, kMostName = 255;

void expect_end(const Reader& reader) {
  if (reader.left()) reader.fail(text(reader.left(), " bytes too many"));
}

// Bytes of the UTF-8 character at `data`, of which `left` bytes are there; 0 where there is none.
size_t utf8_length(const uint8_t* data, size_t left) {
  const uint8_t lead = data[0];
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                        : lead >= 0xE0 && lead < 0xF0 ? 3
                        : lead >= 0xF0 && lead < 0xF5 ? 4
                                                      : 0;
  if (!length || length > left) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((data[k] & 0xC0) != 0x80) return 0;
  }
  // Forms that are too long, surrogates, and what is beyond the last character.
  const bool is_wrong = (lead == 0xE0 && data[1] < 0xA0) || (lead == 0xED && data[1] >= 0xA0) ||
                        (lead == 0xF0 && data[1] < 0x90) || (lead == 0xF4 && data[1] >= 0x90);
  return is_wrong ? 0 : length;
}

}  // namespace

uint64_t to_nanoseconds(uint64_t numerator, uint64_t denominator) {
  uint64_t whole = numerator / denominator, rest = numerator % denominator;
  uint64_t result = multiply(whole, kSecond), unit = kSecond;
  // Nine decimal digits, each by a division that stays within 64 bits as long as the denominator is below 2^60.
  while (unit > 1 && denominator < uint64_t{1} << 60) {
    rest *= 10;
    unit /= 10;
    result = add(result, rest / denominator * unit);
    rest %= denominator;
  }
  return result;
}

uint64_t FrameTimes::ticks(uint32_t t) const {
  const auto after =
      std::upper_bound(runs.begin(), runs.end(), t, [](uint32_t frame, const Run& run) { return frame < run.first; });
  const Run& run = after[-1];
  return run.begin + (t - run.first) * run.ticks;
}

uint64_t FrameTimes::nanoseconds(uint32_t t) const { return to_nanoseconds(multiply(ticks(t), tick_num), tick_den); }

FrameTimes parse_times(Reader& reader, uint32_t frames) {
  FrameTimes times;
  const size_t start = reader.position();
  times.tick_num = reader.u32("tick_num");
  times.tick_den = reader.u32("tick_den");
  if (!times.tick_num || !times.tick_den) {
    reader.fail_at(text("a tick of ", times.tick_num, "/", times.tick_den, " seconds is none"), start);
  }
  times.start = reader.uv("start");
  uint64_t begin = 0;
  while (reader.left()) {
    const size_t place = reader.position();
    const uint32_t coded = reader.uv("ticks");
    const uint64_t ticks = coded / 2, count = coded & 1 ? reader.uv("count") : 1;
    if (!ticks) reader.fail_at("a frame lasts no tick", place);
    if ((coded & 1) && count < 2) reader.fail_at(text("a run of ", count, " frames: a run has at least 2"), place);
    if (count > frames - times.frames) reader.fail_at(text("there are times of more than ", frames, " frames"), place);
    times.runs.push_back({ticks, times.frames, begin});
    times.frames += static_cast<uint32_t>(count);
    begin += ticks * count;
  }
  if (times.frames < frames) reader.fail(text("there are times of ", times.frames, " of ", frames, " frames"));
  return times;
}

void parse_mastering(Reader& reader, NqVideo& video) {
  constexpr const char* kNames[] = {"red", "green", "blue", "white"};
  for (int32_t k = 0; k < 4; ++k) {
    const size_t start = reader.position();
    const uint16_t x = reader.u16(text(kNames[k], " x")), y = reader.u16(text(kNames[k], " y"));
    if (std::max(x, y) > kMostChromaticity) {
      reader.fail_at(text("the chromaticity of ", kNames[k], " is ", x, ", ", y, ", above ", kMostChromaticity), start);
    }
    video.mastering_xy[k][0] = x;
    video.mastering_xy[k][1] = y;
  }
  const size_t start = reader.position();
  video.max_luminance = reader.u32("max_luminance");
  video.min_luminance = reader.u32("min_luminance");
  if (video.min_luminance > video.max_luminance) {
    reader.fail_at(text("min_luminance ", video.min_luminance, " is above max_luminance ", video.max_luminance), start);
  }
  expect_end(reader);
  video.has_mastering = 1;
}

void parse_light(Reader& reader, NqVideo& video) {
  video.max_cll = reader.u16("MaxCLL");
  video.max_fall = reader.u16("MaxFALL");
  expect_end(reader);
  video.has_light = 1;
}

void parse_matrix(Reader& reader, NqVideo& video) {
  for (int64_t& value : video.display_matrix) value = reader.sv("a value");
  expect_end(reader);
  video.has_matrix = 1;
}

std::string parse_encoder(Reader& reader) {
  const size_t size = reader.left();
  const uint8_t* const words = reader.take(size, "the text");
  if (size < 1 || size > kMostText) {
    reader.fail_at(text("the text has ", size, " bytes, and may have 1 to ", kMostText), 0);
  }
  for (size_t k = 0; k < size; ++k) {
    if (words[k] < 32 || words[k] > 126) {
      reader.fail_at(text("byte ", flags_text(words[k]), " is no printable ASCII character"), k);
    }
  }
  return std::string(words, words + size);
}

ClipStart parse_clip(Reader& reader) {
  ClipStart clip;
  clip.first_frame = reader.uv("start");
  const size_t begin = reader.position(), size = reader.left();
  const uint8_t* const name = reader.take(size, "the name");
  const char* const kWhat = "the name of the clip cannot be read: ";
  if (size < 1 || size > kMostName) {
    reader.fail_at(text(kWhat, "it has ", size, " bytes, and may have 1 to ", kMostName), begin);
  }
  if (std::any_of(name, name + size, [](uint8_t byte) { return byte < 32 || byte == 127; })) {
    reader.fail_at(text(kWhat, "it has a control character"), begin);
  }
  for (size_t k = 0; k < size;) {
    const size_t length = utf8_length(name + k, size - k);
    if (!length) reader.fail_at(text(kWhat, "it is not UTF-8"), begin);
    k += length;
  }
  clip.name.assign(name, name + size);
  return clip;
}

}  // namespace nq
