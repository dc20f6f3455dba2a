// In what order and in what pieces the CPU runs a program.
//
// Operations on the same rows follow one another within a group: a strip of rows goes through all of them before the
// next strip, so that only maps that something else reads leave the cache. A group is a run of operations of one height
// and width, where any may read maps of earlier groups, and those that work on each row alone may read each other's; so
// may a warp its vectors.
//
// A frame may be cut into bands of rows that run one after another, with the rows that each needs of every map computed
// for it (twice where bands overlap): less memory for more work.
#ifndef NQ_SYNTHESIS_SCHEDULE_H
#define NQ_SYNTHESIS_SCHEDULE_H

#include <cstdint>
#include <vector>

#include "nq/synthesis.h"

namespace nq {

struct RowRange {
  int32_t first = 0, end = 0;

  int32_t rows() const { return end - first; }
  void include(RowRange other) {
    if (other.rows() <= 0) return;
    if (rows() <= 0) {
      *this = other;
      return;
    }
    first = first < other.first ? first : other.first;
    end = end > other.end ? end : other.end;
  }
};

struct Group {
  std::vector<int32_t> ops;
  int32_t height = 0, width = 0;  // of the rows that strips are made of; a fold's and planes' are their input's
  std::vector<RowRange> bands;    // rows to compute, by band
};

struct Schedule {
  std::vector<Group> groups;
  std::vector<int32_t> buffer_of;    // by operation; -1 if its map lives in strips only, or nowhere
  std::vector<int64_t> buffer_size;  // values, of each buffer
};

// How many rows of output one row of a group's strips makes.
inline int32_t rows_made(const NqOp& op) { return op.code == kNqShuffle || op.code == kNqFold ? op.rows : 1; }

// For a valid program. `bands` at least 1; without `fused`, every operation is a group of its own.
Schedule make_schedule(const NqProgram& program, int32_t bands, bool fused);

}  // namespace nq

#endif  // NQ_SYNTHESIS_SCHEDULE_H
