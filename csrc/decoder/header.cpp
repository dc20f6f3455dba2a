// VHDR, the video header (formats/nq.md, 2.1).
#include "decoder/container.h"
#include "decoder/video.h"

namespace nq {
namespace {

uint32_t checked(Reader& reader, const char* name, bool is_byte, uint32_t low, uint32_t high) {
  const size_t start = reader.position();
  const uint32_t value = is_byte ? reader.u8(name) : reader.uv(name);
  if (value < low || value > high) {
    reader.fail_at(text(name, " is ", value, ", outside ", low, "..", high), start);
  }
  return value;
}

std::string other_version(const NqVideo& video) {
  const std::string version = text("format version ", video.format_major, ".", video.format_minor);
  if (video.format_major < kFormatMajor) {
    return text("is of ", version, ", and this decoder reads ", kFormatMajor,
                ".x: encode the clip again, or use the nqcodec that wrote it");
  }
  return text(version, " is newer than this decoder's ", kFormatMajor, ".", kFormatMinor, ": update nqcodec");
}

}  // namespace

NqVideo parse_header(Reader& reader) {
  NqVideo video = {};
  const auto byte = [&](const char* name, uint32_t low, uint32_t high) {
    return static_cast<int32_t>(checked(reader, name, true, low, high));
  };
  const auto number = [&](const char* name, uint32_t high = UINT32_MAX) {
    return checked(reader, name, false, 1, high);
  };
  video.format_major = reader.u8("major");
  video.format_minor = reader.u8("minor");
  if (video.format_major != kFormatMajor) throw_unsupported(reader.file(), other_version(video));
  video.width = number("width");
  video.height = number("height");
  video.fps_num = number("fps_num");
  video.fps_den = number("fps_den");
  video.chroma = byte("chroma", 0, 3);
  video.depth = byte("depth", 8, 12);
  video.primaries = byte("primaries", 0, 255);
  video.transfer = byte("transfer", 0, 255);
  video.matrix = byte("matrix", 0, 255);
  video.full_range = byte("full_range", 0, 1);
  video.chroma_location = byte("chroma_location", 0, 5);
  video.sar_num = number("sar_num", 65535);
  video.sar_den = number("sar_den", 65535);
  if (video.format_minor <= kFormatMinor && reader.left()) {
    reader.fail(
        text(reader.left(), " bytes too many for a header of version ", video.format_major, ".", video.format_minor));
  }
  if (video.matrix == kMatrixIdentity && video.chroma != kChroma444) reader.fail_at("matrix 0 (RGB) needs 4:4:4", 0);
  return video;
}

}  // namespace nq
