#include "options.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "decoder/limits.h"
#include "failure.h"
#include "files.h"

namespace nqdec {
namespace {

constexpr const char* kUsageLine = "Usage: nqdec [OPTIONS] FILE.nq|-\nTry 'nqdec --help' for help.\n\nError: ";
constexpr const char* kBackend = "native";
constexpr int kMostThreads = 1024;

const std::vector<std::string> kLevels = {"quiet", "error", "warning", "info", "debug"};

// What the Python command has and this program does not.
constexpr const char* kOnlyInPython[] = {"--codec", "--codec-option", "--audio"};

[[noreturn]] void misused(const std::string& what) { throw Failure{kUsage, kUsageLine + what}; }

[[noreturn]] void python_only(const std::string& what) {
  throw Failure{kUnsupported, text(what, ": only the Python command nqdec has it (pip install nqcodec)")};
}

// An option: where its value or its presence goes, and its line of help.
struct Option {
  std::vector<std::string> names;
  const char* metavar;  // null for a flag
  const char* help;
  bool Options::* flag = nullptr;
  std::optional<std::string> Options::* value = nullptr;
  void (*take)(Options&, const std::string& name, const std::string& value) = nullptr;
};

void take_threads(Options& options, const std::string& name, const std::string& value) {
  char* end = nullptr;
  const long number = std::strtol(value.c_str(), &end, 10);
  if (value.empty() || *end)
    misused(text("Invalid value for '", name, "': '", value, "' is not a valid integer range."));
  if (number < 1 || number > kMostThreads) {
    misused(text("Invalid value for '", name, "': ", number, " is not in the range 1<=x<=", kMostThreads, "."));
  }
  options.threads = static_cast<int>(number);
}

size_t chosen(const std::string& name, const std::string& value, const std::vector<std::string>& choices) {
  const auto found = std::find(choices.begin(), choices.end(), value);
  if (found != choices.end()) return static_cast<size_t>(found - choices.begin());
  std::string all;
  for (const std::string& choice : choices) all += text(all.empty() ? "'" : ", '", choice, "'");
  misused(text("Invalid value for '", name, "': '", value, "' is not one of ", all, "."));
}

void take_backend(Options&, const std::string& name, const std::string& value) {
  chosen(name, value, {"reference", "native", "cuda"});
  if (value != kBackend) python_only(text("backend ", value));
}

void take_level(Options& options, const std::string& name, const std::string& value) {
  options.level = static_cast<Level>(chosen(name, value, kLevels));
}

void take_progress(Options& options, const std::string& name, const std::string& value) {
  chosen(name, value, {"bar", "json", "none"});
  options.progress = value;
}

void take_limit(Options& options, const std::string&, const std::string& value) { options.limits.push_back(value); }

const std::vector<Option>& all_options() {
  static const std::vector<Option> options = {
      {{"-i", "--input"}, "FILE.nq|-", "The file, as an option; - is stdin."},
      {{"-o", "--output"}, "OUT", "clip.yuv, clip.y4m or - (y4m to stdout).", nullptr, &Options::output},
      {{"-y", "--overwrite"}, nullptr, "Replace existing files without asking.", &Options::overwrite},
      {{"-n", "--no-overwrite"}, nullptr, "Never replace an existing file.", &Options::no_overwrite},
      {{"--clip"},
       "NAME|N",
       "Only this clip, by its name or its number; --frames counts in it.",
       nullptr,
       &Options::clip},
      {{"--frames"},
       "A:B|A-B",
       "Only frames A to B-1, counted from 0, or frame A; or times, 1.5s:3s.",
       nullptr,
       &Options::frames},
      {{"--raw"}, nullptr, "With -o -: raw planes instead of y4m.", &Options::raw},
      {{"--md5"}, nullptr, "Print the MD5 of the decoded planes (of the raw .yuv) on stdout.", &Options::md5},
      {{"--verify"}, "MD5|FILE", "Compare with an MD5, or with a file that holds one.", nullptr, &Options::verify},
      {{"--no-verify"}, nullptr, "Do not compare with the hashes in the file.", &Options::no_verify},
      {{"--info"}, nullptr, "Describe the file without decoding it.", &Options::info},
      {{"--bench"}, nullptr, "Time every stage, file to memory and file to .yuv.", &Options::bench},
      {{"--backend"}, "native", "This program has no other one.", nullptr, nullptr, take_backend},
      {{"--threads"}, "N", "CPU threads; default: all cores.", nullptr, nullptr, take_threads},
      {{"--low-memory"}, nullptr, "Cut large frames into bands: less memory, more time.", &Options::low_memory},
      {{"--limits"},
       "NAME=N[,...]",
       "What the file may ask for, instead of the defaults.",
       nullptr,
       nullptr,
       take_limit},
      {{"--json"}, nullptr, "Print --info, --bench or the summary as JSON.", &Options::json},
      {{"--save"}, "FILE.json", "Write --info, --bench or the summary there.", nullptr, &Options::save},
      {{"--progress"}, "bar|json|none", "What stderr shows meanwhile.", nullptr, nullptr, take_progress},
      {{"--log-level"}, "LEVEL", "quiet, error, warning, info or debug.", nullptr, nullptr, take_level},
      {{"-q", "--quiet"}, nullptr, "Only errors.", &Options::quiet},
      {{"--version"}, nullptr, "Print versions.", &Options::version},
      {{"-h", "--help"}, nullptr, "Show this.", &Options::help},
  };
  return options;
}

const Option* find_option(const std::string& name) {
  for (const Option& option : all_options()) {
    if (std::find(option.names.begin(), option.names.end(), name) != option.names.end()) return &option;
  }
  return nullptr;
}

// Reads the words one after the other.
class Parser {
 public:
  explicit Parser(const std::vector<std::string>& words) : words_(words) {}

  Options parse() {
    for (; next_ < words_.size(); ++next_) {
      const std::string& word = words_[next_];
      if (word == "--") {
        sources_.insert(sources_.end(), words_.begin() + static_cast<ptrdiff_t>(next_) + 1, words_.end());
        break;
      }
      if (word.size() > 2 && word[0] == '-' && word[1] == '-') {
        take_long(word);
      } else if (word.size() > 1 && word[0] == '-') {
        take_short(word);
      } else {
        sources_.push_back(word);
      }
    }
    return checked();
  }

 private:
  void take_long(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Option& option = known(name);
    if (!option.metavar) {
      if (equals != std::string::npos) throw Failure{kUsage, text("Error: Option '", name, "' does not take a value.")};
      return set(option, "");
    }
    set(option, equals == std::string::npos ? following(name) : word.substr(equals + 1));
  }

  void take_short(const std::string& word) {
    for (size_t k = 1; k < word.size(); ++k) {
      const std::string name = text("-", word.substr(k, 1));
      const Option& option = known(name);
      if (!option.metavar) {
        set(option, "");
        continue;
      }
      return set(option, k + 1 < word.size() ? word.substr(k + 1) : following(name));
    }
  }

  const Option& known(const std::string& name) const {
    for (const char* const python : kOnlyInPython) {
      if (name == python) python_only(name);
    }
    const Option* const option = find_option(name);
    if (!option) misused(text("No such option '", name, "'."));
    return *option;
  }

  const std::string& following(const std::string& name) {
    if (next_ + 1 == words_.size()) throw Failure{kUsage, text("Error: Option '", name, "' requires an argument.")};
    return words_[++next_];
  }

  void set(const Option& option, const std::string& value) {
    level_given_ |= option.take == take_level;
    if (option.take) return option.take(options_, option.names.back(), value);
    if (option.flag) {
      options_.*option.flag = true;
    } else if (option.value) {
      options_.*option.value = value;
    } else {
      named_ = value;
    }
  }

  Options checked() {
    if (options_.help || options_.version) return options_;
    if (sources_.size() > 1) misused(text("Got unexpected extra argument (", sources_[1], ")"));
    if (options_.quiet && level_given_ && options_.level != Level::kError) {
      usage(text("-q is --log-level error, and --log-level ", kLevels[static_cast<size_t>(options_.level)],
                 " says otherwise: give one of them"));
    }
    if (options_.quiet) options_.level = Level::kError;
    options_.quiet = options_.level < Level::kInfo;
    if (sources_.size() + named_.has_value() != 1) usage("name one .nq file to decode (nqdec FILE.nq -o OUT)");
    options_.source = named_ ? *named_ : sources_[0];
    return options_;
  }

  const std::vector<std::string>& words_;
  size_t next_ = 0;
  Options options_;
  std::vector<std::string> sources_;
  std::optional<std::string> named_;
  bool level_given_ = false;
};

// A number with an ending K, M, G or T; false for anything else, or for more than 18 digits.
bool parse_size(std::string words, uint64_t& value) {
  int shift = 0;
  if (!words.empty()) {
    const size_t unit = std::string("KMGT").find(words.back());
    if (unit != std::string::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      words.pop_back();
    }
  }
  if (words.empty() || words.size() > 18 || words.find_first_not_of("0123456789") != std::string::npos) return false;
  value = std::strtoull(words.c_str(), nullptr, 10);
  value = value > nq::kMostCount >> shift ? nq::kMostCount : value << shift;
  return true;
}

void parse_limit(const std::string& entry, NqLimits& limits) {
  const size_t equals = entry.find('=');
  const std::string name = entry.substr(0, equals);
  const std::string number = equals == std::string::npos ? "" : stripped(entry.substr(equals + 1));
  uint64_t value = 0;
  const bool is_number = parse_size(number, value);
  std::string names;
  for (const nq::LimitKind& kind : nq::kLimitKinds) {
    names += text(names.empty() ? "" : ", ", kind.name);
    if (kind.name != name || !is_number) continue;
    if (value < 1 || value > kind.most) {
      usage(text("--limits ", entry, ": from 1 to ", kind.most, ", more cannot be decoded"));
    }
    limits.*kind.member = value;
    return;
  }
  usage(text("--limits ", entry, ": write NAME=NUMBER, the names being ", names));
}

}  // namespace

Options parse_options(const std::vector<std::string>& words) { return Parser(words).parse(); }

NqLimits parse_limits(const std::vector<std::string>& texts) {
  NqLimits limits = nq::kDefaultLimits;
  for (const std::string& all : texts) {
    size_t start = 0;
    for (size_t comma = 0; comma != std::string::npos; start = comma + 1) {
      comma = all.find(',', start);
      parse_limit(stripped(all.substr(start, comma == std::string::npos ? comma : comma - start)), limits);
    }
  }
  return limits;
}

std::string help_text() {
  std::string out =
      "Usage: nqdec [OPTIONS] FILE.nq|-\n\n"
      "  Decode a .nq file to video, exactly: the same file gives the same samples on\n"
      "  every machine, and is checked against the hashes in it. Without -o nothing is\n"
      "  written. PNG and the formats of FFmpeg are the Python command's.\n\nOptions:\n";
  for (const Option& option : all_options()) {
    std::string names;
    for (const std::string& name : option.names) names += text(names.empty() ? "" : ", ", name);
    if (option.metavar) names += text(" ", option.metavar);
    names.resize(std::max<size_t>(names.size(), 26), ' ');
    out += text("  ", names, "  ", option.help, "\n");
  }
  return out + "\nExit codes: 0 done, 1 failed, 2 usage, 3 unsupported, 4 over a limit, 5 hash mismatch\n";
}

}  // namespace nqdec
