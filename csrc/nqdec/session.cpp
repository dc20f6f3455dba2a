#include "session.h"

#include <cstdlib>
#include <iterator>

#include "failure.h"
#include "signals.h"

namespace nqdec {
namespace {

constexpr const char* kLevels[] = {"scalar", "avx2", "avx512", "vnni"};

// The instruction set that the environment asks for (NQCODEC_CPU).
int32_t level_asked_for() {
  const char* const name = std::getenv("NQCODEC_CPU");
  if (!name || !*name) return NQ_CPU_BEST;
  std::string present;
  for (int32_t level = 0; level <= nq_synth_level(); ++level) {
    if (std::string(name) == kLevels[level]) return level;
    present += text(present.empty() ? "" : ", ", kLevels[level]);
  }
  throw Failure{kUnsupported, text("CPU level '", name, "' is not one of this machine's: ", present)};
}

NqSettings named(NqSettings settings, const std::string& name) {
  settings.name = name.c_str();
  return nq::checked_settings(settings);
}

}  // namespace

NqSettings settings_of(const Options& options, const NqLimits& limits) {
  NqSettings settings;
  nq_default_settings(&settings);
  settings.threads = options.threads;
  settings.cpu = level_asked_for();
  settings.low_memory = options.low_memory;
  settings.no_verify = options.no_verify;
  settings.limits = limits;
  return settings;
}

Session::Session(const std::string& source, const NqSettings& settings, Reading reading)
    : name_(source == "-" ? kStandardInput : source), source_(source), decoder_(named(settings, name_)) {
  const bool is_arriving = reading == Reading::kArriving;
  while (!has_ended_ && !(is_arriving && container().has_metadata())) read_more();
  const bool is_usable = is_arriving ? container().has_metadata() : !container().segments().empty();
  if (damage_ && (reading == Reading::kWhole || !is_usable)) throw *damage_;
}

// Gives the decoder more bytes, or the end. What is wrong with them is kept: segments before it can be decoded.
void Session::read_more() {
  const std::vector<uint8_t> data = source_.read();
  try {
    if (data.empty()) {
      has_ended_ = true;
      decoder_.end_of_file();
    } else {
      decoder_.send(data.data(), data.size());
    }
  } catch (const nq::Error& error) {
    has_ended_ = true;
    damage_ = error;
  }
}

bool Session::next(nq::OwnedPicture& picture) {
  for (;;) {
    check_signals();
    NqPicture made = {};
    NqResult result;
    {
      const SignalsHeld held;
      result = decoder_.get_picture(made);
    }
    if (result == NQ_OK) {
      picture = nq::OwnedPicture(made);
      return true;
    }
    if (result == NQ_END) return false;
    read_more();
  }
}

}  // namespace nqdec
