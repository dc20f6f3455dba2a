// The errors of the decoder. They are thrown as C++ exceptions within it and become results at the C interface.
#ifndef NQ_DECODER_ERROR_H
#define NQ_DECODER_ERROR_H

#include <string>

#include "decoder/text.h"
#include "nq/nq.h"

namespace nq {

struct Error {
  NqResult result;
  std::string text;  // one line for the user
};

// The file that messages speak of, in front of what they say.
inline std::string about(std::string_view file, std::string_view what) {
  return file.empty() ? std::string(what) : text(file, ": ", what);
}

[[noreturn]] inline void throw_unsupported(std::string_view file, std::string_view what) {
  throw Error{NQ_ERROR_UNSUPPORTED, about(file, what)};
}

// Of a chunk, or of the file as a whole where `chunk` is empty.
[[noreturn]] inline void throw_format(std::string_view file, std::string_view chunk, uint64_t offset,
                                      std::string_view what) {
  std::string place(file);
  const auto add = [&place](std::string_view name, const std::string& value) {
    place += text(place.empty() ? "" : ", ", name, value);
  };
  if (!chunk.empty()) add("chunk ", std::string(chunk));
  add("byte ", std::to_string(offset));
  throw Error{NQ_ERROR_FORMAT, text(place, ": ", what)};
}

// Of the file as a whole.
[[noreturn]] inline void throw_format(std::string_view file, std::string_view what) {
  throw Error{NQ_ERROR_FORMAT, about(file, what)};
}

}  // namespace nq

#endif  // NQ_DECODER_ERROR_H
