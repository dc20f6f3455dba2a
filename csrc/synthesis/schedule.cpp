#include "synthesis/schedule.h"

#include <algorithm>
#include <numeric>

#include "synthesis/plan.h"

namespace nq {
namespace {

// Most bytes of a strip of one row, by all maps of a group: beyond it, a group ends.
constexpr int64_t kMostRowBytes = int64_t{1} << 21;

bool enlarges(const NqOp& op) { return op.code == kNqShuffle || op.code == kNqFold; }

// Rows of input k that rows of the output need; `op` and `in` as in the program.
RowRange rows_needed(const NqOp& op, int32_t k, const NqOp& in, RowRange out) {
  const int32_t last = in.height - 1, pad = (op.kernel - 1) / 2;
  switch (row_access(op, k)) {
    case RowAccess::kSame: return out;
    case RowAccess::kAround: return {std::max(out.first - pad, 0), std::min(out.end + pad, in.height)};
    case RowAccess::kBetween:
      return {std::max(out.first / op.ratio - 1, 0), std::min((out.end - 1) / op.ratio + 1, last) + 1};
    case RowAccess::kAll: return {0, in.height};
  }
  return out;
}

// Depth first from the last operation: each map is made shortly before it is read. Operations that nothing reads are
// left out.
std::vector<int32_t> lazy_order(const NqProgram& program) {
  std::vector<int32_t> order, open = {program.op_count - 1};
  std::vector<int32_t> visited(program.op_count), next(program.op_count);
  visited[program.op_count - 1] = 1;
  while (!open.empty()) {
    const int32_t index = open.back();
    const NqOp& op = program.ops[index];
    if (next[index] == op.input_count) {
      order.push_back(index);
      open.pop_back();
      continue;
    }
    const int32_t input = op.inputs[next[index]++];
    if (!visited[input]) {
      visited[input] = 1;
      open.push_back(input);
    }
  }
  return order;
}

class Planner {
 public:
  Planner(const NqProgram& program, int32_t bands, bool fused) : program_(program), bands_(bands), fused_(fused) {}

  Schedule plan(const std::vector<int32_t>& order) {
    Schedule schedule;
    make_groups(order, schedule);
    schedule.buffer_of.assign(program_.op_count, -1);
    find_rows(schedule);
    find_buffers(schedule);
    return schedule;
  }

 private:
  const NqOp& op(int32_t index) const { return program_.ops[index]; }

  // Height and width of the strips in which an operation runs.
  std::pair<int32_t, int32_t> space(int32_t index) const {
    const NqOp& at = enlarges(op(index)) ? op(op(index).inputs[0]) : op(index);
    return {at.height, at.width};
  }

  void make_groups(const std::vector<int32_t>& order, Schedule& schedule) {
    group_of_.assign(program_.op_count, -1);
    int64_t row_bytes = 0;
    for (const int32_t index : order) {
      const auto [height, width] = space(index);
      const int64_t bytes = int64_t{2} * op(index).channels * op(index).width * rows_made(op(index));
      if (schedule.groups.empty() || !may_join(index, schedule) || row_bytes + bytes > kMostRowBytes) {
        schedule.groups.emplace_back();
        schedule.groups.back().height = height;
        schedule.groups.back().width = width;
        row_bytes = 0;
      }
      row_bytes += bytes;
      group_of_[index] = static_cast<int32_t>(schedule.groups.size()) - 1;
      schedule.groups.back().ops.push_back(index);
    }
  }

  bool may_join(int32_t index, const Schedule& schedule) const {
    const Group& group = schedule.groups.back();
    const int32_t number = static_cast<int32_t>(schedule.groups.size()) - 1;
    if (!fused_ || space(index) != std::make_pair(group.height, group.width)) return false;
    for (int32_t k = 0; k < op(index).input_count; ++k) {
      const int32_t input = op(index).inputs[k];
      if (group_of_[input] == number && (row_access(op(index), k) != RowAccess::kSame || enlarges(op(input))))
        return false;
    }
    return true;
  }

  // True if a map must be whole: another group reads it, or its rows are not the group's.
  bool is_kept(int32_t index) const {
    return op(index).code != kNqPlanes && (is_read_elsewhere_[index] || enlarges(op(index)));
  }

  // The rows of each band, from the picture backwards.
  void find_rows(Schedule& schedule) {
    is_read_elsewhere_.assign(program_.op_count, 0);
    for (int32_t i = 0; i < program_.op_count; ++i) {
      for (int32_t k = 0; group_of_[i] >= 0 && k < op(i).input_count; ++k) {
        const int32_t input = op(i).inputs[k];
        if (group_of_[input] != group_of_[i]) is_read_elsewhere_[input] = 1;
      }
    }
    const int32_t height = op(program_.op_count - 1).height, bands = std::min(bands_, height);
    for (int64_t band = 0; band < bands; ++band) {
      std::vector<RowRange> needed(program_.op_count);
      needed[program_.op_count - 1] = {static_cast<int32_t>(height * band / bands),
                                       static_cast<int32_t>(height * (band + 1) / bands)};
      for (auto group = schedule.groups.rbegin(); group != schedule.groups.rend(); ++group) {
        group->bands.push_back(rows_of(*group, needed));
      }
    }
  }

  // Rows that a group computes, given what is needed of its maps; adds what it needs of others'.
  RowRange rows_of(const Group& group, std::vector<RowRange>& needed) const {
    RowRange rows;
    for (const int32_t index : group.ops) {
      const int32_t made = rows_made(op(index));
      const RowRange out = needed[index];
      if (out.rows() > 0) rows.include({out.first / made, (out.end - 1) / made + 1});
    }
    for (const int32_t index : group.ops) {
      for (int32_t k = 0; k < op(index).input_count; ++k) {
        const int32_t input = op(index).inputs[k];
        if (group_of_[input] != group_of_[index]) needed[input].include(rows_needed(op(index), k, op(input), rows));
      }
    }
    return rows;
  }

  // A buffer is free again once the last group that reads its map has run. A map goes where it fits most closely, else
  // into the largest buffer, which grows.
  void find_buffers(Schedule& schedule) {
    const int32_t count = static_cast<int32_t>(schedule.groups.size());
    std::vector<int32_t> last_group(program_.op_count);
    for (int32_t i = 0; i < program_.op_count; ++i) {
      last_group[i] = std::max(last_group[i], group_of_[i]);
      for (int32_t k = 0; k < op(i).input_count; ++k) {
        int32_t& last = last_group[op(i).inputs[k]];
        last = std::max(last, group_of_[i]);
      }
    }
    std::vector<int32_t> free;
    for (int32_t number = 0; number < count; ++number) {
      for (const int32_t index : schedule.groups[number].ops) {
        if (is_kept(index)) schedule.buffer_of[index] = take_buffer(schedule, index, schedule.groups[number], free);
      }
      for (int32_t i = 0; i < program_.op_count; ++i) {
        if (schedule.buffer_of[i] >= 0 && last_group[i] == number) free.push_back(schedule.buffer_of[i]);
      }
    }
  }

  int32_t take_buffer(Schedule& schedule, int32_t index, const Group& group, std::vector<int32_t>& free) const {
    int32_t rows = 0;
    for (const RowRange& band : group.bands) rows = std::max(rows, band.rows());
    const int64_t size = int64_t{op(index).channels} * rows * rows_made(op(index)) * op(index).width;
    if (free.empty()) {
      free.push_back(static_cast<int32_t>(schedule.buffer_size.size()));
      schedule.buffer_size.push_back(0);
    }
    // Those that fit come first, the smallest of them at the front; then the others, the largest first.
    const auto suits_better = [&](int32_t a, int32_t b) {
      const int64_t room_a = schedule.buffer_size[a], room_b = schedule.buffer_size[b];
      return room_a >= size && room_b >= size ? room_a < room_b : room_a > room_b;
    };
    const auto best = std::min_element(free.begin(), free.end(), suits_better);
    const int32_t buffer = *best;
    schedule.buffer_size[buffer] = std::max(schedule.buffer_size[buffer], size);
    free.erase(best);
    return buffer;
  }

  const NqProgram& program_;
  int32_t bands_;
  bool fused_;
  std::vector<int32_t> group_of_;
  std::vector<char> is_read_elsewhere_;
};

int64_t total(const Schedule& schedule) {
  return std::accumulate(schedule.buffer_size.begin(), schedule.buffer_size.end(), int64_t{0});
}

}  // namespace

Schedule make_schedule(const NqProgram& program, int32_t bands, bool fused) {
  std::vector<int32_t> given(program.op_count);
  std::iota(given.begin(), given.end(), 0);
  Schedule lazy = Planner(program, bands, fused).plan(lazy_order(program));
  Schedule plain = Planner(program, bands, fused).plan(given);
  // The order given is what limits are checked for: another may not need more than it.
  return total(lazy) <= total(plain) ? lazy : plain;
}

}  // namespace nq
