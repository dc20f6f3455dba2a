#include "picture_writer.h"

#include <numeric>

#include "colour.h"
#include "decoder/video.h"
#include "failure.h"

namespace nqdec {
namespace {

bool is_raw_name(const std::string& output) { return suffix(output) == ".yuv" || suffix(output) == ".raw"; }

std::string ratio(uint32_t a, uint32_t b) {
  const uint32_t common = std::gcd(a, b);
  return text(a / common, ":", b / common);
}

// The chroma tag that FFmpeg, mpv, x264 and dav1d read. A location that y4m cannot name takes that of its horizontal
// place: top and bottom centre, bottom left.
std::string chroma_tag(const NqVideo& video) {
  constexpr const char* kLocations[] = {"mpeg2", "jpeg", "paldv", "jpeg", "mpeg2", "jpeg"};
  constexpr const char* kNames[] = {"mono", "420", "422", "444"};
  std::string name = kNames[video.chroma];
  if (video.depth > 8) return text(name, video.chroma == nq::kChroma400 ? "" : "p", video.depth);
  return video.chroma == nq::kChroma420 ? text(name, kLocations[video.chroma_location]) : name;
}

std::string y4m_header(const NqVideo& video) {
  return text("YUV4MPEG2 W", video.width, " H", video.height, " F", ratio(video.fps_num, video.fps_den), " Ip A",
              ratio(video.sar_num, video.sar_den), " C", chroma_tag(video),
              " XCOLORRANGE=", video.full_range && !nq::is_rgb(video) ? "FULL" : "LIMITED", "\n");
}

[[noreturn]] void refuse_kind(const std::string& output) {
  constexpr const char* kPython[] = {".png", ".mp4", ".m4v", ".mov", ".mkv", ".webm"};
  for (const char* const kind : kPython) {
    if (suffix(output) != kind && !is_folder(output) && output.back() != '/') continue;
    throw Failure{kUnsupported, text(output,
                                     ": pictures and FFmpeg's formats are written by the Python command nqdec "
                                     "(pip install nqcodec); this program writes .y4m, .yuv and -")};
  }
  fail(text(output, ": unknown extension; use .y4m, .yuv or -"));
}

}  // namespace

bool is_plain_output(const std::string& output) {
  return output == "-" || is_raw_name(output) || suffix(output) == ".y4m";
}

void append_planes(const NqPicture& picture, std::vector<uint8_t>& bytes) {
  for (int32_t k = 0; k < picture.planes; ++k) {
    const auto* row = static_cast<const uint8_t*>(picture.data[k]);
    const size_t size = size_t{picture.width[k]} * static_cast<size_t>(nq::sample_bytes(picture.depth));
    for (uint32_t y = 0; y < picture.height[k]; ++y, row += picture.stride[k])
      bytes.insert(bytes.end(), row, row + size);
  }
}

PictureWriter::PictureWriter(const std::string& output, bool raw, const NqVideo& video)
    : video_(video), is_y4m_(!raw && !is_raw_name(output)) {
  if (is_folder(output) || (!raw && !is_plain_output(output))) refuse_kind(output);
  output_ = output == "-" ? open_standard_output() : open_file(output);
  if (!is_y4m_) return;
  const std::string header = y4m_header(video);
  output_->write(header.data(), header.size());
}

void PictureWriter::write(const NqPicture& picture) {
  const std::string line = is_y4m_ ? "FRAME\n" : "";
  bytes_.assign(line.begin(), line.end());
  if (is_y4m_ && nq::is_rgb(video_)) {
    append_as_yuv(picture, video_, bytes_);
  } else {
    append_planes(picture, bytes_);
  }
  output_->write(bytes_.data(), bytes_.size());
}

}  // namespace nqdec
