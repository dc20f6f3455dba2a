#include "session.h"

#include "files.h"
#include "signals.h"

namespace nqdec {
namespace {

NqSettings named(NqSettings settings, const std::string& name) {
  settings.name = name.c_str();
  return nq::checked_settings(settings);
}

}  // namespace

std::string source_name(const std::string& source) { return source == "-" ? kStandardInput : source; }

NqSettings settings_of(const Options& options, const NqLimits& limits) {
  NqSettings settings;
  nq_default_settings(&settings);
  settings.threads = options.threads;
  settings.low_memory = options.low_memory;
  settings.no_verify = options.no_verify;
  settings.limits = limits;
  return settings;
}

Session::Session(const std::string& source, const NqSettings& settings)
    : name_(source_name(source)), decoder_(named(settings, name_)) {
  const std::vector<uint8_t> data = read_source(source);
  decoder_.send(data.data(), data.size());
  decoder_.end_of_file();
}

bool Session::next(nq::OwnedPicture& picture) {
  check_signals();
  NqPicture made = {};
  if (decoder_.get_picture(made) != NQ_OK) return false;
  picture = nq::OwnedPicture(made);
  check_signals();
  return true;
}

}  // namespace nqdec
