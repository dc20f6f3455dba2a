// What --progress shows of a decode on standard error.
#ifndef NQDEC_PROGRESS_H
#define NQDEC_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <string>

#include "options.h"

namespace nqdec {

class Progress {
 public:
  Progress(const Options& options, const std::string& name, uint32_t frames);
  ~Progress();

  // One more frame is done.
  void update();

 private:
  enum class Kind { kNone, kBar, kJson };

  void show_json();
  double elapsed() const;

  Kind kind_;
  std::string name_;
  uint32_t frames_, done_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  double shown_ = -1e9;  // seconds after the beginning, of the last line
};

}  // namespace nqdec

#endif  // NQDEC_PROGRESS_H
