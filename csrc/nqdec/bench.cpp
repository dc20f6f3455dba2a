#include "bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>

#include "decoder/segment.h"
#include "failure.h"
#include "files.h"
#include "picture_writer.h"
#include "session.h"

namespace nqdec {
namespace {

// Number of runs of a stage, and the seconds after which fewer are enough.
constexpr int kRounds = 5;
constexpr double kLongSeconds = 2.0;
constexpr int64_t kBurstRounds = 500000;  // a burst takes about a millisecond by vectors

using Clock = std::chrono::steady_clock;
using Times = std::vector<double>;

double seconds_of(const std::function<void()>& task) {
  const auto begin = Clock::now();
  task();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Seconds of some runs after the first, which warms up; of that one too where it is long.
Times repeated(const std::function<void()>& task) {
  Times times;
  double total = 0;
  for (int round = 0; round <= kRounds; ++round) {
    times.push_back(seconds_of(task));
    total += times.back();
    if (times.size() > 1 && total > kLongSeconds) break;
  }
  times.erase(times.begin());
  return times;
}

// Linear between the two nearest, as numpy has it.
double percentile(Times times, double share) {
  std::sort(times.begin(), times.end());
  const double place = share * static_cast<double>(times.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, times.size() - 1);
  return times[below] + (times[above] - times[below]) * (place - static_cast<double>(below));
}

double median(const Times& times) { return percentile(times, 0.5); }

Json percentiles(const Times& times) {
  return Json::object()
      .set("median", 1000 * median(times))
      .set("p10", 1000 * percentile(times, 0.1))
      .set("p90", 1000 * percentile(times, 0.9))
      .set("least", 1000 * *std::min_element(times.begin(), times.end()))
      .set("runs", times.size());
}

std::string cpu_name() {
  std::ifstream lines("/proc/cpuinfo");
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("model name", 0) == 0) return stripped(line.substr(line.find(':') + 1));
  }
  return "unknown";
}

uint64_t peak_rss() {
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return 1024 * static_cast<uint64_t>(usage.ru_maxrss);
}

// What the figures are; the Python command's have the same definitions.
constexpr const char* kDefinitions[][2] = {
    {"parse_ms", "opening the file and checking its frame, checksums and header"},
    {"entropy_ms", "all segments' tensors from coded bytes to integers"},
    {"setup_ms", "a synthesizer of the first segment asked for: limits, weights, memory"},
    {"frame_ms", "integers in memory to planes in memory, one frame at a time, its rows on all threads"},
    {"output_ms", "planes to a .yuv file"},
    {"memory", "file to planes in memory, every stage included but output; small frames beside one another"},
    {"yuv", "file to a .yuv file, every stage included"},
    {"peak_gmac_per_s", "the best burst of 16-bit dot products on registers alone, all threads at once"},
    {"share_of_peak", "the best frame against the best burst"},
};

// Everything that is measured.
struct Figures {
  Times parse, entropy, setup, frames, output, memory, yuv;
  uint64_t symbols = 0, macs = 0, planned = 0;
  double kmac_per_pixel = 0, peak_gmac = 0;
};

// A segment's network, decoded; its layout lives as long.
struct Decoded {
  nq::SegmentLayout layout;
  std::unique_ptr<const nq::Network> network;
};

class Bench {
 public:
  Bench(const Options& options, const NqLimits& limits, FrameRange frames)
      : options_(options), limits_(limits), range_(frames), settings_(settings_of(options, limits)) {
    settings_.no_verify = 1;
    settings_ = nq::checked_settings(settings_);
  }

  Figures measure() {
    Figures figures;
    figures.parse = repeated([&] { Session(options_.source, settings_, Reading::kWhole); });
    const Session session(options_.source, settings_, Reading::kWhole);
    const nq::Container& file = session.container();
    const auto entropy = [&] {
      figures.symbols = 0;
      for (const auto& segment : file.segments())
        figures.symbols += decode(file, *segment).layout.program->parameters();
    };
    figures.entropy = repeated(entropy);
    measure_synthesis(file, figures);
    figures.memory = repeated([&] { decode_all(nullptr); });
    measure_yuv(file, figures);
    return figures;
  }

  int32_t threads() const { return settings_.threads; }

 private:
  Decoded decode(const nq::Container& file, const nq::Segment& segment) const {
    Decoded decoded = {nq::scan_segment(segment, file.video(), limits_, file.file()), nullptr};
    decoded.network =
        nq::decode_segment(segment, decoded.layout, file.video(), tables_, settings_.threads, file.file());
    return decoded;
  }

  // Set-up and frames of the first segment asked for, one frame at a time on all threads.
  void measure_synthesis(const nq::Container& file, Figures& figures) const {
    const nq::Segment& segment = *file.segments()[file.segment_of(range_.first)];
    const Decoded decoded = decode(file, segment);
    const NqOptions how = nq::synthesis_options({settings_.threads, settings_.cpu, options_.low_memory, false});
    nq::check_memory(*decoded.network, how, limits_, file.file());
    figures.setup = repeated([&] { nq::Synthesizing(*decoded.network, how); });
    figures.macs = decoded.layout.program->macs();
    figures.kmac_per_pixel = static_cast<double>(figures.macs) /
                             static_cast<double>(uint64_t{file.video().width} * file.video().height) / 1000;
    const nq::Synthesizing synthesizer(*decoded.network, how);
    figures.planned = static_cast<uint64_t>(nq_synth_bytes(synthesizer.handle()));
    nq::OwnedPicture picture(nq::PictureAllocator(settings_).allocate(file.video()));
    const uint32_t first = range_.first - segment.first, end = std::min(range_.end - segment.first, segment.frames);
    synthesizer.frame(first, picture.get());
    for (uint32_t t = first; t < end; ++t) {
      figures.frames.push_back(seconds_of([&] { synthesizer.frame(t, picture.get()); }));
      int64_t macs = 0;
      const double burst = seconds_of([&] { macs = nq_synth_peak(synthesizer.handle(), kBurstRounds); });
      figures.peak_gmac = std::max(figures.peak_gmac, static_cast<double>(macs) / burst / 1e9);
    }
    measure_output(file, picture.get(), figures);
  }

  void measure_output(const nq::Container& file, const NqPicture& picture, Figures& figures) const {
    const TemporaryFolder folder;
    PictureWriter writer(folder.path + "/out.yuv", false, file.video());
    figures.output = repeated([&] { writer.write(picture); });
  }

  void measure_yuv(const nq::Container& file, Figures& figures) const {
    const TemporaryFolder folder;
    figures.yuv = repeated([&] {
      PictureWriter writer(folder.path + "/out.yuv", false, file.video());
      decode_all(&writer);
      writer.commit();
    });
  }

  void decode_all(PictureWriter* writer) const {
    Session session(options_.source, settings_, Reading::kWhole);
    session.seek(range_);
    nq::OwnedPicture picture;
    while (session.next(picture)) {
      if (writer) writer->write(picture.get());
    }
  }

  // A folder that is removed with the one file in it.
  struct TemporaryFolder {
    TemporaryFolder() {
      const char* const base = std::getenv("TMPDIR");
      path = text(base ? base : "/tmp", "/nqdec-XXXXXX");
      if (!::mkdtemp(path.data())) fail(text(path, ": cannot be made"));
    }
    ~TemporaryFolder() {
      std::remove((path + "/out.yuv").c_str());
      std::remove(path.c_str());
    }
    std::string path;
  };

  const Options& options_;
  const NqLimits& limits_;
  FrameRange range_;
  NqSettings settings_;
  nq::Tables tables_;
};

Json end_to_end(const Times& times, uint32_t frames) {
  return Json::object()
      .set("fps", frames / median(times))
      .set("median", 1000 * median(times))
      .set("p10", 1000 * percentile(times, 0.1))
      .set("p90", 1000 * percentile(times, 0.9))
      .set("least", 1000 * *std::min_element(times.begin(), times.end()))
      .set("runs", times.size());
}

Json figures_json(const Options& options, const Figures& figures, uint32_t frames, int32_t threads) {
  const double least = *std::min_element(figures.frames.begin(), figures.frames.end());
  const double macs = static_cast<double>(figures.macs);
  Json definitions = Json::object();
  for (const auto& [name, words] : kDefinitions) definitions.set(name, words);
  return Json::object()
      .set("file", options.source)
      .set("backend", "native")
      .set("threads", threads)
      .set("machine", Json::object().set("cpu", cpu_name()).set("cores", std::thread::hardware_concurrency()))
      .set("frames", frames)
      .set("parse_ms", percentiles(figures.parse))
      .set("entropy_ms", percentiles(figures.entropy))
      .set("entropy_symbols_per_s", static_cast<double>(figures.symbols) / median(figures.entropy))
      .set("entropy_share", median(figures.entropy) / median(figures.memory))
      .set("kmac_per_pixel", figures.kmac_per_pixel)
      .set("setup_ms", percentiles(figures.setup))
      .set("frame_ms", percentiles(figures.frames))
      .set("synthesis_fps", 1 / median(figures.frames))
      .set("gmac_per_s", macs / median(figures.frames) / 1e9)
      .set("peak_gmac_per_s", figures.peak_gmac)
      .set("share_of_peak", macs / least / 1e9 / figures.peak_gmac)
      .set("planned_bytes", figures.planned)
      .set("output_ms", percentiles(figures.output))
      .set("memory", end_to_end(figures.memory, frames))
      .set("yuv", end_to_end(figures.yuv, frames))
      .set("end_to_end_fps", frames / median(figures.memory))
      .set("peak_rss_bytes", peak_rss())
      .set("definitions", definitions);
}

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char words[200];
  std::snprintf(words, sizeof words, format, values...);
  return words;
}

std::string row(const char* name, const Times& times, const char* unit) {
  return formatted("\n  %-17s %8.2f  %8.2f  %8.2f  %s", name, 1000 * median(times), 1000 * percentile(times, 0.1),
                   1000 * percentile(times, 0.9), unit);
}

std::string end_row(const char* name, const Times& times, uint32_t frames) {
  return formatted("\n  %-15s %8.1f fps (%.1f ms, p10 %.1f, p90 %.1f, %zu runs)", name, frames / median(times),
                   1000 * median(times), 1000 * percentile(times, 0.1), 1000 * percentile(times, 0.9), times.size());
}

std::string figures_text(const Options& options, const Figures& figures, uint32_t frames, int32_t threads) {
  const double macs = static_cast<double>(figures.macs);
  const double least = *std::min_element(figures.frames.begin(), figures.frames.end());
  std::string lines = text(options.source, ": backend native, ", counted(static_cast<uint64_t>(threads), "thread"),
                           ", ", cpu_name(), formatted(", %.3f kMAC/pixel, ", figures.kmac_per_pixel),
                           counted(frames, "frame"), "\n                     median       p10       p90");
  lines += row("parse", figures.parse, "ms") + row("entropy decoding", figures.entropy, "ms") +
           row("set-up", figures.setup, "ms") + row("synthesis", figures.frames, "ms a frame") +
           row("output (.yuv)", figures.output, "ms a frame");
  lines += formatted("\n  %.1f fps of synthesis, %.2f GMAC/s: %.0f %% of the measured %.0f at best",
                     1 / median(figures.frames), macs / median(figures.frames) / 1e9,
                     100 * macs / least / 1e9 / figures.peak_gmac, figures.peak_gmac);
  lines += formatted("\n  %.2f M symbols/s, %.1f %% of decoding",
                     static_cast<double>(figures.symbols) / median(figures.entropy) / 1e6,
                     100 * median(figures.entropy) / median(figures.memory));
  lines += end_row("file to memory", figures.memory, frames) + end_row("file to .yuv", figures.yuv, frames);
  return lines + formatted("\n  memory: %.0f MB at most in this process, %.1f MB planned\n",
                           static_cast<double>(peak_rss()) / 1e6, static_cast<double>(figures.planned) / 1e6);
}

}  // namespace

BenchReport bench(const Options& options, const NqLimits& limits, FrameRange frames) {
  Bench each(options, limits, frames);
  const Figures figures = each.measure();
  return {figures_json(options, figures, frames.count(), each.threads()),
          figures_text(options, figures, frames.count(), each.threads())};
}

}  // namespace nqdec
