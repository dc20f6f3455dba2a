#include "progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "failure.h"
#include "json.h"

namespace nqdec {
namespace {

constexpr double kBarSeconds = 0.1, kJsonSeconds = 0.5;  // between two lines

// A figure short enough to read.
double rounded(double value) {
  char words[40];
  std::snprintf(words, sizeof words, "%.6g", value);
  return std::strtod(words, nullptr);
}

}  // namespace

Progress::Progress(const Options& options, const std::string& name, uint32_t frames)
    : kind_(Kind::kNone), name_(name), frames_(frames) {
  if (options.progress == "json") {
    kind_ = Kind::kJson;
  } else if (options.progress == "bar" && !options.quiet && ::isatty(STDERR_FILENO)) {
    kind_ = Kind::kBar;
  }
}

Progress::~Progress() {
  if (kind_ == Kind::kBar && done_) std::fputs("\r\x1b[K", stderr);
}

double Progress::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void Progress::update() {
  ++done_;
  const double now = elapsed();
  if (kind_ == Kind::kNone ||
      ((done_ < frames_ || !frames_) && now - shown_ < (kind_ == Kind::kBar ? kBarSeconds : kJsonSeconds))) {
    return;
  }
  shown_ = now;
  if (kind_ == Kind::kBar) {
    // Of a stream nobody knows the number of frames.
    const std::string share = frames_ ? text(100 * uint64_t{done_} / frames_, "% ", done_, "/", frames_) : text(done_);
    std::fprintf(stderr, "\rdecoding: %s [%.1f frames/s]\x1b[K", share.c_str(), done_ / now);
    std::fflush(stderr);
  } else {
    show_json();
  }
}

void Progress::show_json() {
  const double seconds_a_frame = elapsed() / done_;
  const Json line = Json::object()
                        .set("input", name_)
                        .set("stage", "decode")
                        .set("iteration", done_)
                        .set("of", frames_)
                        .set("psnr", Json())
                        .set("bytes", Json())
                        .set("eta", frames_ ? Json(rounded((frames_ - done_) * seconds_a_frame)) : Json())
                        .set("elapsed", rounded(elapsed()))
                        .set("fps", seconds_a_frame > 0 ? Json(rounded(1 / seconds_a_frame)) : Json());
  std::fprintf(stderr, "%s\n", line.line().c_str());
}

}  // namespace nqdec
