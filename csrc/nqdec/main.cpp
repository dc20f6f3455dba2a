// nqdec without Python: decode, verify, describe and time .nq files. Options, texts and exit codes are those of the
// Python command (nqcodec/cli/nqdec.py), which also writes pictures and the formats of FFmpeg.
#include <cctype>
#include <chrono>
#include <cstdio>
#include <new>
#include <optional>
#include <system_error>

#include "bench.h"
#include "decoder/checksums.h"
#include "decoder/video.h"
#include "failure.h"
#include "files.h"
#include "frame_range.h"
#include "info.h"
#include "json.h"
#include "log.h"
#include "metadata_info.h"
#include "options.h"
#include "picture_writer.h"
#include "progress.h"
#include "session.h"
#include "signals.h"

namespace nqdec {
namespace {

constexpr size_t kMd5Digits = 32;

std::string version_text() {
  return text("nqcodec ", NQ_PACKAGE_VERSION, ", format ", nq::kFormatMajor, ".", nq::kFormatMinor,
              ", backends: native (this program has no other)");
}

bool is_md5(const std::string& words) {
  for (const unsigned char c : words) {
    if (!std::isxdigit(c)) return false;
  }
  return words.size() == kMd5Digits;
}

std::string small_letters(std::string words) {
  for (char& c : words) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return words;
}

// The MD5 that --verify asks for: given as it is, or as the first word of a file that is one.
std::string read_expected(const std::optional<std::string>& verify) {
  if (!verify) return "";
  if (is_md5(*verify)) return small_letters(*verify);
  const std::string content = read_text(*verify, "neither an MD5 nor a file that can be read: ");
  std::string word;
  for (size_t k = 0; k <= content.size(); ++k) {
    const unsigned char c = k < content.size() ? static_cast<unsigned char>(content[k]) : ' ';
    if (std::isalnum(c) || c == '_') {
      word += static_cast<char>(c);
    } else if (is_md5(word)) {
      return small_letters(word);
    } else {
      word.clear();
    }
  }
  fail(text(*verify, ": holds no MD5 (32 hexadecimal digits)"));
}

// What cannot be asked for together; throws Failure.
void check_options(const Options& options) {
  if (options.info && options.bench) usage("--info and --bench exclude each other");
  std::string given;
  const auto add = [&](bool is_given, const char* name) {
    if (is_given) given += text(given.empty() ? "" : ", ", name);
  };
  add(options.output.has_value(), "--output");
  add(options.raw, "--raw");
  add(options.md5, "--md5");
  add(options.verify.has_value(), "--verify");
  if ((options.info || options.bench) && !given.empty()) {
    usage(text(options.info ? "--info" : "--bench", " decodes to nowhere: leave out ", given));
  }
  if (options.raw && !options.output) usage("--raw: says how to write, but nothing is written without -o");
  if (options.raw && *options.output != "-" && suffix(*options.output) == ".y4m") {
    usage(
        text("--raw contradicts -o ", *options.output, ", whose name asks for another format; leave one of them out"));
  }
}

void save_json(const Options& options, const Json& json) {
  if (!options.save) return;
  const std::unique_ptr<ByteOutput> file = open_file(*options.save);
  const std::string words = json.lines() + "\n";
  file->write(words.data(), words.size());
  file->commit();
}

void print(const std::string& words) {
  if (std::fputs(words.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    throw Failure{kFailed, "standard output: cannot be written", errno == EPIPE};
  }
}

void give_out(const Options& options, const Json& json, const std::string& words) {
  save_json(options, json);
  print(options.json ? json.line() + "\n" : words);
}

// The frames that --clip and --frames ask for; by default all.
FrameRange chosen_frames(const Options& options, const nq::Container& file) {
  const NqVideo& video = file.video();
  const Clip clip = options.clip ? find_clip(file, *options.clip) : Clip{"", 0, video.frames, 0};
  FrameRange frames = {0, clip.frames};
  if (options.frames) frames = parse_range(*options.frames, clip.frames, video);
  return {clip.first + frames.first, clip.first + frames.end};
}

// A warning for what a file has and neither raw planes nor y4m hold.
void warn_of_losses(const Options& options, const nq::Container& file, bool is_stream) {
  const NqVideo& video = file.video();
  std::string lost;
  const auto add = [&](bool is_lost, const char* what) {
    if (is_lost) lost += text(lost.empty() ? "" : ", ", what);
  };
  add(!is_stream && !has_constant_rate(file), "varying frame times");
  add(video.has_mastering, "mastering display");
  add(video.has_light, "content light level");
  add(video.has_matrix, "display matrix");
  if (lost.empty()) return;
  const std::string name = *options.output == "-" ? "standard output" : *options.output;
  say(options.level, Level::kWarning, text("warning: ", name, ": does not hold the clip's ", lost));
}

struct Summary {
  uint32_t frames;
  double seconds;
  std::string md5;
};

class Run {
 public:
  // Of a stream nobody knows how many frames it has.
  Run(const Options& options, Session& session, bool is_stream)
      : options_(options), session_(session), file_(session.container()), name_(file_.file()), is_stream_(is_stream) {}

  void run() {
    const FrameRange frames = is_stream_ ? FrameRange{0, 0} : chosen_frames(options_, file_);
    const std::string expected = read_expected(options_.verify);
    if (options_.output && *options_.output == "-" && (options_.md5 || options_.json)) {
      usage("stdout is the video with -o -: ask for --md5 and --json with a file");
    }
    if (options_.output) {
      refuse_source(*options_.output, options_.source);
      may_replace(*options_.output, options_.overwrite, options_.no_overwrite);
    }
    if (session_.damage() && !is_stream_ && !is_to_stdout()) throw whole_part_named();
    say(options_.level, Level::kDebug,
        is_stream_
            ? "a stream, backend native"
            : text("frames ", frames.first, ":", frames.end, ", backend native, segments ", file_.segments().size()));
    const auto begin = std::chrono::steady_clock::now();
    const std::string md5 = decode(frames, expected);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    report({count_, seconds.count(), md5});
  }

 private:
  bool is_to_stdout() const { return options_.output && *options_.output == "-"; }

  // The error of a damaged file, which says how to get at what stands before the damage.
  nq::Error whole_part_named() const {
    const nq::Error& damage = *session_.damage();
    const uint32_t frames = file_.video().frames;
    return {damage.result,
            text(damage.text, "; the ", counted(frames, "frame"), " before it: nqdec -o - plays them, and nqtool cut ",
                 name_, " 0:", frames, " -o OUT.nq keeps them")};
  }

  // Streams frames to the output; a mismatch anywhere leaves no output behind. Returns the MD5 of all planes.
  std::string decode(FrameRange frames, const std::string& expected) {
    const bool needs_md5 = options_.md5 || options_.json || options_.save || !expected.empty();
    Progress progress(options_, name_, frames.count());
    std::optional<PictureWriter> writer;
    if (options_.output) {
      writer.emplace(*options_.output, options_.raw, file_.video());
      warn_of_losses(options_, file_, is_stream_);
    }
    nq::Md5 planes;
    if (!is_stream_) session_.seek(frames);
    nq::OwnedPicture picture;
    try {
      while (session_.next(picture)) {
        if (needs_md5) nq::hash_picture(planes, picture.get());
        if (writer) writer->write(picture.get());
        ++count_;
        progress.update();
      }
      if (session_.damage() && !is_stream_ && frames.end == file_.video().frames) throw *session_.damage();
    } catch (nq::Error& error) {
      // What went to standard output cannot be taken back.
      if (is_to_stdout() && count_) {
        error.text += text("; ", counted(count_, "frame"), " went to standard output before that");
      }
      throw;
    }
    const nq::Md5Digest digest = planes.digest();
    const std::string md5 = needs_md5 ? nq::hex(digest.data(), digest.size()) : "";
    if (!expected.empty() && md5 != expected) {
      throw Failure{kHashMismatch, text(name_, ": decodes to MD5 ", md5, ", and --verify says ", expected)};
    }
    if (writer) writer->commit();
    return md5;
  }

  // The summary on standard error, and what was asked for on standard output.
  void report(const Summary& summary) const {
    const NqVideo& video = file_.video();
    const double pixels = static_cast<double>(uint64_t{video.width} * video.height * video.frames);
    const Json json = Json::object()
                          .set("file", name_)
                          .set("frames", summary.frames)
                          .set("seconds", summary.seconds)
                          .set("fps", summary.frames / summary.seconds)
                          .set("md5", summary.md5)
                          .set("bpp", 8.0 * static_cast<double>(file_.size()) / pixels);
    save_json(options_, json);
    if (options_.json) {
      print(json.line() + "\n");
    } else if (options_.md5) {
      print(text(summary.md5, "  ", options_.source, "\n"));  // as md5sum names standard input
    }
    char seconds[64];
    std::snprintf(seconds, sizeof seconds, "%.2f s (%.1f fps, start-up included)", summary.seconds,
                  summary.frames / summary.seconds);
    say(options_.level, Level::kInfo,
        text(name_, destination(), ": ", video.width, "x", video.height, " ", nq::chroma_label(video.chroma), " ",
             video.depth, " bit, ", counted(summary.frames, "frame"), " in ", seconds, ", hashes ", hashes(summary)));
  }

  std::string destination() const {
    if (!options_.output) return "";
    return text(" -> ", *options_.output == "-" ? "standard output" : *options_.output);
  }

  const char* hashes(const Summary& summary) const {
    if (options_.no_verify) return "not checked (--no-verify)";
    bool has_all = true;
    for (const auto& segment : file_.segments()) has_all &= !segment->frame_md5.empty();
    return !is_stream_ && summary.frames < file_.video().frames && !has_all ? "checked only for whole segments"
                                                                            : "match the file's";
  }

  const Options& options_;
  Session& session_;
  const nq::Container& file_;
  const std::string& name_;
  bool is_stream_;
  uint32_t count_ = 0;  // of frames so far
};

void run(const Options& options) {
  check_save(options.save, options.source, options.output);
  const NqLimits limits = parse_limits(options.limits);
  check_options(options);
  say(options.level, Level::kDebug, version_text());
  const bool is_stream = options.source == "-" && options.output == "-" && !options.frames && !options.clip;
  const Reading reading = options.info || options.bench ? Reading::kWhole
                          : is_stream                   ? Reading::kArriving
                                                        : Reading::kPartly;
  NqSettings settings = settings_of(options, limits);
  settings.forget = is_stream;
  Session session(options.source, settings, reading);
  const nq::Container& file = session.container();
  if (options.info) {
    give_out(options, info_json(file, limits), options.json ? "" : info_text(file, limits));
  } else if (options.bench) {
    if (options.source == "-") {
      usage("--bench times reading too, which standard input allows only once: name a file");
    }
    const BenchReport report = bench(options, limits, chosen_frames(options, file));
    give_out(options, report.json, report.lines);
  } else {
    Run(options, session, is_stream).run();
  }
}

int guarded_main(const std::vector<std::string>& words) {
  Level level = Level::kInfo;
  const auto failed = [&](const std::string& what, int code) {
    say(level, Level::kError, what);
    return code;
  };
  try {
    const Options options = parse_options(words);
    level = options.level;
    if (options.help || options.version) {
      print(options.help ? help_text() : version_text() + "\n");
      return 0;
    }
    run(options);
    return 0;
  } catch (const Failure& failure) {
    if (failure.is_silent) return failure.code;
    const bool is_whole = failure.text.rfind("Usage: ", 0) == 0 || failure.text.rfind("Error: ", 0) == 0;
    return failed(is_whole || failure.code > 128 ? failure.text : "error: " + failure.text, failure.code);
  } catch (const nq::Error& error) {
    return failed("error: " + error.text, exit_code(error.result));
  } catch (const std::bad_alloc&) {
    return failed("error: out of memory: try --low-memory, or fewer --threads", kFailed);
  } catch (const std::system_error&) {
    return failed("error: the system has no more threads: try fewer --threads", kFailed);
  }
}

}  // namespace
}  // namespace nqdec

int main(int count, char** words) {
  nqdec::catch_signals();
  return nqdec::guarded_main({words + 1, words + count});
}
