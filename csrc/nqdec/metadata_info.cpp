#include "metadata_info.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "failure.h"
#include "joined_times.h"

namespace nqdec {
namespace {

constexpr const char* kPlaces[] = {"red", "green", "blue", "white"};

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char words[160];
  std::snprintf(words, sizeof words, format, values...);
  return words;
}

double chromaticity(uint16_t value) { return value / 50000.0; }
double luminance(uint32_t value) { return value / 10000.0; }

std::string tick_text(const JoinedTimes& times) {
  return text(wide_text(times.tick_num), times.tick_den == 1 ? "" : text("/", wide_text(times.tick_den)));
}

double seconds(const JoinedTimes& times, Wide ticks) {
  return static_cast<double>(static_cast<long double>(ticks) * times.tick_num / times.tick_den);
}

// Degrees, anticlockwise, that a picture is turned by to be shown.
int rotation(const NqVideo& video) {
  const double a = static_cast<double>(video.display_matrix[0]), b = static_cast<double>(video.display_matrix[1]);
  const int degrees = -static_cast<int>(std::nearbyint(std::atan2(b, a) * 180 / M_PI));
  return degrees == -180 ? 180 : degrees;
}

bool is_mirrored(const NqVideo& video) {
  const int64_t* const m = video.display_matrix;
  return static_cast<long double>(m[0]) * m[4] - static_cast<long double>(m[1]) * m[3] < 0;
}

Json times_json(const JoinedTimes& times) {
  Json runs = Json::list();
  for (const auto& [ticks, frames] : times.runs) {
    runs.add(Json::list().add(Json::number(wide_text(ticks))).add(frames));
  }
  return Json::object()
      .set("tick_seconds", tick_text(times))
      .set("start_ticks", Json::number(wide_text(times.start)))
      .set("runs_of_ticks_and_frames", runs);
}

Json mastering_json(const NqVideo& video) {
  Json display = Json::object();
  for (int k = 0; k < 4; ++k) {
    const uint16_t* const place = video.mastering_xy[k];
    display.set(kPlaces[k], Json::list().add(chromaticity(place[0])).add(chromaticity(place[1])));
  }
  return display.set("max_luminance_cd_m2", luminance(video.max_luminance))
      .set("min_luminance_cd_m2", luminance(video.min_luminance));
}

Json matrix_json(const NqVideo& video) {
  Json values = Json::list();
  for (const int64_t value : video.display_matrix) values.add(value);
  return Json::object()
      .set("values", values)
      .set("rotation_degrees", rotation(video))
      .set("mirrored", is_mirrored(video));
}

std::string times_text(const JoinedTimes& times) {
  Wide least = times.runs.front().first, most = 0;
  for (const auto& [ticks, frames] : times.runs) {
    least = std::min(least, ticks);
    most = std::max(most, ticks);
  }
  std::string lengths = formatted("%.3f", seconds(times, least) * 1000);
  if (most != least) lengths += formatted(" to %.3f", seconds(times, most) * 1000);
  return text("frame times: frames last ", lengths, " ms, in ticks of ", tick_text(times), " s; the first is ",
              formatted("%.3f", seconds(times, times.start)), " s into the source");
}

std::string mastering_text(const NqVideo& video) {
  std::string places;
  for (int k = 0; k < 4; ++k) {
    const uint16_t* const place = video.mastering_xy[k];
    places += formatted("%s%s %.5f, %.5f", k ? "  " : "", kPlaces[k], chromaticity(place[0]), chromaticity(place[1]));
  }
  return text("mastering display ", places,
              formatted("  luminance %g to %g cd/m2", luminance(video.min_luminance), luminance(video.max_luminance)));
}

std::string matrix_text(const NqVideo& video) {
  std::string values;
  for (const int64_t value : video.display_matrix) values += text(values.empty() ? "" : " ", value);
  return text("display matrix rotation ", rotation(video), " degrees", is_mirrored(video) ? ", mirrored" : "", " (",
              values, ")");
}

}  // namespace

bool has_constant_rate(const nq::Container& file) {
  const NqVideo& video = file.video();
  const uint64_t rate = std::gcd(video.fps_num, video.fps_den);
  for (const auto& segment : file.segments()) {
    if (!segment->times) continue;
    for (const nq::FrameTimes::Run& run : segment->times->runs) {
      const uint64_t length = run.ticks * segment->times->tick_num, den = segment->times->tick_den;
      const uint64_t common = std::gcd(length, den);
      if (length / common != video.fps_den / rate || den / common != video.fps_num / rate) return false;
    }
  }
  return true;
}

Json metadata_json(const nq::Container& file) {
  Json found = Json::object();
  const NqVideo& video = file.video();
  if (!file.encoder().empty()) found.set("encoder", file.encoder());
  if (const auto times = joined_times(file)) found.set("frame_times", times_json(*times));
  if (video.has_mastering) found.set("mastering_display", mastering_json(video));
  if (video.has_light) {
    found.set("content_light_level",
              Json::object().set("max_cll_cd_m2", video.max_cll).set("max_fall_cd_m2", video.max_fall));
  }
  if (video.has_matrix) found.set("display_matrix", matrix_json(video));
  return found;
}

std::string metadata_text(const nq::Container& file) {
  std::string lines;
  const NqVideo& video = file.video();
  const auto add = [&](const std::string& line) { lines += text("\n  ", line); };
  if (!file.encoder().empty()) add(text("encoder ", file.encoder()));
  if (const auto times = joined_times(file)) add(times_text(*times));
  if (video.has_mastering) add(mastering_text(video));
  if (video.has_light) {
    add(text("content light level MaxCLL ", video.max_cll, ", MaxFALL ", video.max_fall, " cd/m2"));
  }
  if (video.has_matrix) add(matrix_text(video));
  return lines;
}

}  // namespace nqdec
