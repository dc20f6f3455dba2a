// How high the strips of a schedule are, and the memory that running it takes: known before any of it is allocated.
#ifndef NQ_SYNTHESIS_STRIPS_H
#define NQ_SYNTHESIS_STRIPS_H

#include <cstdint>
#include <vector>

#include "nq/synthesis.h"
#include "synthesis/schedule.h"

namespace nq {

struct Strips {
  std::vector<std::vector<int32_t>> rows;  // of a strip, by group and band; 0 where a band has none
  std::vector<int64_t> map_values;         // of a thread's map of each place in a group: the most of any strip
  int64_t packed_values = 0;               // of a thread's packed rows
};

Strips plan_strips(const NqProgram& program, const Schedule& schedule, int32_t threads);

// Values of scratch that `rows` output rows of an operation take; `in_channels` of its input.
int64_t scratch_values(const NqOp& op, int32_t in_channels, int32_t rows);

// Values of a convolution's packed weights; `in_channels` of its input.
int64_t weight_values(const NqOp& op, int32_t in_channels);

// Bytes of maps, scratch and tensors.
int64_t needed_bytes(const NqProgram& program, const Schedule& schedule, const Strips& strips, int32_t threads);

}  // namespace nq

#endif  // NQ_SYNTHESIS_STRIPS_H
