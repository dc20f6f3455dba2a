// Lines for the user on standard error, up to the level that --log-level asks for.
#ifndef NQDEC_LOG_H
#define NQDEC_LOG_H

#include <cstdio>
#include <string>

namespace nqdec {

enum class Level { kQuiet, kError, kWarning, kInfo, kDebug };

inline void say(Level allowed, Level level, const std::string& line) {
  if (level <= allowed) std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace nqdec

#endif  // NQDEC_LOG_H
