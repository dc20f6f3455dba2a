// What ends nqdec before its work is done: a line for the user and an exit code.
#ifndef NQDEC_FAILURE_H
#define NQDEC_FAILURE_H

#include <cstring>
#include <string>
#include <string_view>

#include "decoder/text.h"
#include "nq/nq.h"

namespace nqdec {

using nq::counted;
using nq::text;

constexpr int kFailed = 1, kUsage = 2, kUnsupported = 3, kOverLimit = 4, kHashMismatch = 5;

struct Failure {
  int code;
  std::string text;
  bool is_silent = false;  // whoever reads standard output has stopped, as `head` does: no news for a user
};

inline int exit_code(NqResult result) {
  switch (result) {
    case NQ_ERROR_UNSUPPORTED: return kUnsupported;
    case NQ_ERROR_LIMIT: return kOverLimit;
    case NQ_ERROR_HASH: return kHashMismatch;
    case NQ_ERROR_ARGUMENT: return kUsage;
    default: return kFailed;
  }
}

[[noreturn]] inline void fail(std::string_view what) { throw Failure{kFailed, std::string(what)}; }
[[noreturn]] inline void usage(std::string_view what) { throw Failure{kUsage, std::string(what)}; }

}  // namespace nqdec

#endif  // NQDEC_FAILURE_H
