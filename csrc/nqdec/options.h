// The words of a call of nqdec: the options of the Python command that make sense without Python.
#ifndef NQDEC_OPTIONS_H
#define NQDEC_OPTIONS_H

#include <optional>
#include <string>
#include <vector>

#include "log.h"
#include "nq/nq.h"

namespace nqdec {

struct Options {
  std::string source;  // "-" is standard input
  std::optional<std::string> output, clip, frames, verify, save;
  std::vector<std::string> limits;
  int threads = 0;  // 0: all cores
  bool overwrite = false, no_overwrite = false, raw = false, md5 = false, no_verify = false;
  bool info = false, bench = false, low_memory = false, json = false, quiet = false;
  bool help = false, version = false;
  std::string progress = "bar";
  Level level = Level::kInfo;
};

// Throws Failure for words that are not understood or contradict one another.
Options parse_options(const std::vector<std::string>& words);

// The default limits, changed by texts such as "frames=100,memory=4G"; throws Failure.
NqLimits parse_limits(const std::vector<std::string>& texts);

std::string help_text();

}  // namespace nqdec

#endif  // NQDEC_OPTIONS_H
