// --bench: decoding speed of a file, stage by stage and end to end.
#ifndef NQDEC_BENCH_H
#define NQDEC_BENCH_H

#include <string>
#include <vector>

#include "frame_range.h"
#include "json.h"
#include "options.h"

namespace nqdec {

struct BenchReport {
  Json json;
  std::string lines;
};

// Times the decoding of some frames of a file. Throws Failure and nq::Error.
BenchReport bench(const Options& options, const NqLimits& limits, FrameRange frames);

}  // namespace nqdec

#endif  // NQDEC_BENCH_H
