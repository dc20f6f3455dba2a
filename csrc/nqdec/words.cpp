#include "words.h"

#include <numeric>

#include "decoder/text.h"
#include "decoder/video.h"
#include "frame_range.h"

namespace nqdec {
namespace {

using nq::counted;
using nq::text;

struct Name {
  int32_t code;
  const char* name;
};

constexpr Name kPrimaries[] = {{1, "BT.709"},
                               {2, "unspecified"},
                               {4, "BT.470 M"},
                               {5, "BT.470 BG"},
                               {6, "SMPTE 170M"},
                               {7, "SMPTE 240M"},
                               {8, "film"},
                               {9, "BT.2020"},
                               {10, "SMPTE ST 428"},
                               {11, "SMPTE RP 431 (DCI-P3)"},
                               {12, "SMPTE EG 432 (Display P3)"},
                               {22, "EBU Tech 3213"}};
constexpr Name kTransfers[] = {{1, "BT.709"},          {2, "unspecified"},        {4, "BT.470 M"},
                               {5, "BT.470 BG"},       {6, "SMPTE 170M"},         {7, "SMPTE 240M"},
                               {8, "linear"},          {9, "logarithmic 100:1"},  {10, "logarithmic 316:1"},
                               {11, "IEC 61966-2-4"},  {12, "BT.1361"},           {13, "sRGB"},
                               {14, "BT.2020 10 bit"}, {15, "BT.2020 12 bit"},    {16, "PQ (SMPTE ST 2084)"},
                               {17, "SMPTE ST 428"},   {18, "HLG (ARIB STD-B67)"}};
constexpr Name kMatrices[] = {{0, "RGB"},
                              {1, "BT.709"},
                              {2, "unspecified"},
                              {4, "FCC"},
                              {5, "BT.470 BG"},
                              {6, "SMPTE 170M"},
                              {7, "SMPTE 240M"},
                              {8, "YCgCo"},
                              {9, "BT.2020"},
                              {10, "BT.2020 constant luminance"},
                              {11, "SMPTE ST 2085"},
                              {12, "derived from primaries"},
                              {13, "derived from primaries, constant luminance"},
                              {14, "ICtCp"}};
constexpr const char* kLocations[] = {"left", "centre", "top left", "top", "bottom left", "bottom"};

template <size_t n>
std::string named(const Name (&names)[n], int32_t code) {
  for (const Name& each : names) {
    if (each.code == code) return each.name;
  }
  return text("code ", code);
}

std::string colour_text(const NqVideo& video) {
  const std::string primaries = named(kPrimaries, video.primaries), transfer = named(kTransfers, video.transfer);
  const std::string matrix = named(kMatrices, video.matrix);
  const bool are_alike = primaries == transfer && transfer == matrix;
  std::string words = are_alike ? matrix : text("primaries ", primaries, ", transfer ", transfer, ", matrix ", matrix);
  words += video.full_range ? ", full range" : ", limited range";
  if (video.chroma == nq::kChroma420) words += text(", chroma ", kLocations[video.chroma_location]);
  return words;
}

}  // namespace

std::string video_text(const NqVideo& video) {
  const uint32_t common = std::gcd(video.sar_num, video.sar_den);
  const std::string aspect = video.sar_num == video.sar_den
                                 ? "square pixels"
                                 : text("pixel aspect ", video.sar_num / common, ":", video.sar_den / common);
  const char* const layout = nq::is_rgb(video) ? "RGB" : nq::chroma_label(video.chroma);
  return text("  video   ", video.width, "x", video.height, ", ", layout, ", ", video.depth, " bit, ",
              counted(video.frames, "frame"), " at ", rate_text(video), " fps, ", aspect, "\n  colour  ",
              colour_text(video));
}

}  // namespace nqdec
