// A file that is being decoded: read, given to the decoder, and asked for its pictures.
#ifndef NQDEC_SESSION_H
#define NQDEC_SESSION_H

#include <optional>
#include <string>

#include "decoder/decoder.h"
#include "files.h"
#include "frame_range.h"
#include "options.h"

namespace nqdec {

// How much of a file there must be before it is decoded.
enum class Reading {
  kWhole,    // all of it, undamaged
  kPartly,   // all of it; what stands before the first damage, where that is a segment at least
  kArriving  // what is about the whole video: the rest is read as it is decoded
};

NqSettings settings_of(const Options& options, const NqLimits& limits);

class Session {
 public:
  // Throws Failure and nq::Error.
  Session(const std::string& source, const NqSettings& settings, Reading reading);

  const nq::Container& container() const { return decoder_.container(); }
  // What is wrong behind the segments that are there.
  const std::optional<nq::Error>& damage() const { return damage_; }
  void seek(FrameRange frames) { decoder_.seek(frames.first, frames.count()); }

  // The next picture; false after the last. Throws as above.
  bool next(nq::OwnedPicture& picture);

 private:
  void read_more();

  std::string name_;
  Source source_;
  nq::Decoder decoder_;
  bool has_ended_ = false;
  std::optional<nq::Error> damage_;
};

}  // namespace nqdec

#endif  // NQDEC_SESSION_H
