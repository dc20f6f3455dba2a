// A file that is being decoded: read, given to the decoder, and asked for its pictures.
#ifndef NQDEC_SESSION_H
#define NQDEC_SESSION_H

#include <string>

#include "decoder/decoder.h"
#include "frame_range.h"
#include "options.h"

namespace nqdec {

// What messages call a source.
std::string source_name(const std::string& source);

NqSettings settings_of(const Options& options, const NqLimits& limits);

class Session {
 public:
  // Reads the whole source. Throws Failure and nq::Error.
  Session(const std::string& source, const NqSettings& settings);

  const nq::Container& container() const { return decoder_.container(); }
  void seek(FrameRange frames) { decoder_.seek(frames.first, frames.count()); }

  // The next picture; false after the last. Throws as above.
  bool next(nq::OwnedPicture& picture);

 private:
  std::string name_;
  nq::Decoder decoder_;
};

}  // namespace nqdec

#endif  // NQDEC_SESSION_H
