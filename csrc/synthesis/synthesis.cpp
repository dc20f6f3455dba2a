// Runs an integer network on the CPU (formats/nq.md, 6): the program runner behind the C interface of nq/synthesis.h.
#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <numeric>
#include <system_error>
#include <vector>

#include "common/buffer.h"
#include "common/thread_pool.h"
#include "nq/synthesis.h"
#include "synthesis/nodes.h"
#include "synthesis/plan.h"
#include "synthesis/schedule.h"
#include "synthesis/strips.h"

namespace nq {
namespace {

using Clock = std::chrono::steady_clock;

Kernels kernels_of(int32_t level) {
#if defined(__x86_64__)
  if (level == kNqAvx512Vnni) return {vnni_kernels(), vnni_map_kernels()};
#if defined(NQ_DECODER_ONLY)  // a small library: few CPUs have AVX-512 without VNNI, and AVX2 serves these well
  if (level == kNqAvx512) return {avx2_kernels(), avx512_map_kernels()};
#else
  if (level == kNqAvx512) return {avx512_kernels(), avx512_map_kernels()};
#endif
  if (level == kNqAvx2) return {avx2_kernels(), avx2_map_kernels()};
#endif
  return {scalar_kernels(), scalar_map_kernels()};
}

Schedule schedule_of(const NqProgram& program, const NqOptions& options) {
  return make_schedule(program, options.bands, !(options.flags & kNqUnfused));
}

// What one thread works in: the maps of a strip by their place in a group, packed rows, and where maps are.
struct Scratch {
  std::vector<Buffer> maps;
  Buffer packed;
  std::vector<Rows> rows;  // by operation
  std::vector<Rows> inputs;
  std::vector<double> seconds;  // by operation
};

class Synthesizer {
 public:
  Synthesizer(const NqProgram& program, const NqOptions& options)
      : program_(program),
        kernels_(kernels_of(options.level)),
        threads_(options.threads),
        guarded_(options.flags & kNqGuarded),
        schedule_(schedule_of(program, options)),
        strips_(plan_strips(program, schedule_, options.threads)),
        pool_(options.threads) {
    copy_tables();
    activations_.reset(new ActivationTables(program_.tables));
    for (int32_t i = 0; i < program.op_count; ++i) {
      nodes_.push_back(make_node(program, i, kernels_, *activations_));
      bytes_ += sizeof(int16_t) * nodes_.back().values.size();
    }
    for (const int64_t size : schedule_.buffer_size) maps_.push_back(allocate(size));
    kept_.resize(program.op_count);
    program_.ops = nullptr;
    make_scratch();
  }

  int32_t frame(int64_t t, void* const* planes, const int64_t* strides) {
    if (t < 0 || t >= program_.frames) return kNqBadProgram;
    const FrameTarget target = {t, planes, strides};
    for (size_t band = 0; band < schedule_.groups.back().bands.size(); ++band) {
      for (size_t number = 0; number < schedule_.groups.size(); ++number) run_group(number, band, target);
    }
    return kNqOk;
  }

  void seconds(double* by_operation) const {
    std::fill_n(by_operation, nodes_.size(), 0.0);
    for (const Scratch& scratch : scratch_) {
      for (size_t i = 0; i < nodes_.size(); ++i) by_operation[i] += scratch.seconds[i];
    }
  }

  int64_t bytes() const { return bytes_; }

  int64_t peak(int64_t rounds) {
    std::vector<int64_t> macs(threads_);
    pool_.run(threads_, [&](int64_t item, int32_t) { macs[item] = kernels_.conv.peak(rounds); });
    return std::accumulate(macs.begin(), macs.end(), int64_t{0});
  }

 private:
  void copy_tables() {
    const NqTables& from = program_.tables;
    for (const int32_t* table : {from.gelu, from.silu, from.half_tanh, from.sine}) {
      tables_.insert(tables_.end(), table, table + kNqTableSize);
    }
    const int32_t* const copy = tables_.data();
    program_.tables = {copy, copy + kNqTableSize, copy + 2 * kNqTableSize, copy + 3 * kNqTableSize};
  }

  Buffer allocate(int64_t values) {
    bytes_ += sizeof(int16_t) * values;
    return Buffer(values, guarded_);
  }

  void make_scratch() {
    for (int32_t thread = 0; thread < threads_; ++thread) {
      scratch_.emplace_back();
      for (const int64_t size : strips_.map_values) scratch_.back().maps.push_back(allocate(size));
      scratch_.back().packed = allocate(strips_.packed_values);
      scratch_.back().rows.resize(nodes_.size());
      scratch_.back().seconds.resize(nodes_.size());
    }
  }

  void run_group(size_t number, size_t band, const FrameTarget& target) {
    const Group& group = schedule_.groups[number];
    const RowRange rows = group.bands[band];
    if (rows.rows() <= 0) return;
    for (const int32_t index : group.ops) {
      if (schedule_.buffer_of[index] < 0) continue;
      const NqOp& op = nodes_[index].op;
      const int32_t made = rows_made(op);
      kept_[index] = {maps_[schedule_.buffer_of[index]].get(), int64_t{rows.rows()} * made * op.width,
                      rows.first * made, op.width};
    }
    const int32_t height = strips_.rows[number][band];
    pool_.run((rows.rows() + height - 1) / height, [&](int64_t item, int32_t worker) {
      const int32_t first = rows.first + static_cast<int32_t>(item) * height;
      run_strip(group, {first, std::min(first + height, rows.end)}, target, scratch_[worker]);
    });
  }

  void run_strip(const Group& group, RowRange rows, const FrameTarget& target, Scratch& scratch) const {
    const NodeRunner runner(program_, kernels_);
    auto begin = Clock::now();
    for (size_t place = 0; place < group.ops.size(); ++place) {
      const int32_t index = group.ops[place];
      const Node& node = nodes_[index];
      Rows& out = scratch.rows[index];
      out = kept_[index];
      if (schedule_.buffer_of[index] < 0) {
        out = {scratch.maps[place].get(), int64_t{rows.rows()} * node.op.width, rows.first, node.op.width};
      }
      scratch.inputs.clear();
      for (const int32_t input : node.inputs) {
        scratch.inputs.push_back(schedule_.buffer_of[input] < 0 ? scratch.rows[input] : kept_[input]);
      }
      runner.run(node, rows, target, scratch.inputs.data(), out, scratch.packed.get());
      const auto end = Clock::now();
      scratch.seconds[index] += std::chrono::duration<double>(end - begin).count();
      begin = end;
    }
  }

  NqProgram program_;  // its `ops` are the caller's and not used after construction
  const Kernels kernels_;
  const int32_t threads_;
  const bool guarded_;
  const Schedule schedule_;
  const Strips strips_;
  std::vector<int32_t> tables_;
  std::unique_ptr<ActivationTables> activations_;
  std::vector<Node> nodes_;
  std::vector<Buffer> maps_;
  std::vector<Rows> kept_;  // by operation, of the band that runs
  std::vector<Scratch> scratch_;
  int64_t bytes_ = 0;
  ThreadPool pool_;
};

int32_t check(const NqProgram& program, const NqOptions& options) {
  if (!is_valid_program(program) || options.threads < 1 || options.bands < 1) return kNqBadProgram;
  return options.level < kNqScalar || options.level > nq_synth_level() ? kNqBadLevel : kNqOk;
}

// Memory or threads that the system refuses become a status.
template <typename Body>
int32_t guarded(const Body& body) {
  try {
    body();
    return kNqOk;
  } catch (const std::bad_alloc&) {
    return kNqNoResources;
  } catch (const std::system_error&) {
    return kNqNoResources;
  }
}

void run_operation(const NqProgram& program, const NqOptions& options, int32_t index, const int16_t* const* inputs,
                   int16_t* out, const FrameTarget& target) {
  const Kernels kernels = kernels_of(options.level);
  ActivationTables tables(program.tables);
  const Node node = make_node(program, index, kernels, tables);
  std::vector<Rows> in;
  for (size_t k = 0; k < node.sources.size(); ++k) {
    // Read only, as every input is.
    in.push_back({const_cast<int16_t*>(inputs[k]), map_area(node.sources[k]), 0, node.sources[k].width});
  }
  const int32_t height = rows_made(node.op) > 1 ? node.sources[0].height : node.op.height;
  const int32_t in_channels = node.sources.empty() ? 0 : node.sources[0].channels;
  const Buffer packed(scratch_values(node.op, in_channels, height), options.flags & kNqGuarded);
  NodeRunner(program, kernels)
      .run(node, {0, height}, target, in.data(), {out, map_area(node.op), 0, node.op.width}, packed.get());
}

}  // namespace
}  // namespace nq

int64_t nq_program_bytes(const NqProgram* program, const NqOptions* options) {
  if (nq::check(*program, *options) != kNqOk) return 0;
  int64_t bytes = INT64_MAX;
  nq::guarded([&] {
    const nq::Schedule schedule = nq::schedule_of(*program, *options);
    const nq::Strips strips = nq::plan_strips(*program, schedule, options->threads);
    bytes = nq::needed_bytes(*program, schedule, strips, options->threads);
  });
  return bytes;
}

int32_t nq_synth_create(const NqProgram* program, const NqOptions* options, void** handle) {
  *handle = nullptr;
  const int32_t status = nq::check(*program, *options);
  if (status != kNqOk) return status;
  return nq::guarded([&] { *handle = new nq::Synthesizer(*program, *options); });
}

int32_t nq_synth_frame(void* handle, int64_t t, void* const* planes, const int64_t* strides) {
  return static_cast<nq::Synthesizer*>(handle)->frame(t, planes, strides);
}

void nq_synth_seconds(void* handle, double* by_operation) {
  static_cast<nq::Synthesizer*>(handle)->seconds(by_operation);
}

int64_t nq_synth_bytes(void* handle) { return static_cast<nq::Synthesizer*>(handle)->bytes(); }

void nq_synth_destroy(void* handle) { delete static_cast<nq::Synthesizer*>(handle); }

int32_t nq_run_operation(const NqProgram* program, const NqOptions* options, int32_t index, int64_t t,
                         const int16_t* const* inputs, int16_t* out, void* const* planes, const int64_t* strides) {
  const int32_t status = nq::check(*program, *options);
  if (status != kNqOk) return status;
  if (index < 0 || index >= program->op_count || t < 0 || t >= program->frames) return kNqBadProgram;
  return nq::guarded([&] { nq::run_operation(*program, *options, index, inputs, out, {t, planes, strides}); });
}

int64_t nq_synth_peak(void* handle, int64_t rounds) { return static_cast<nq::Synthesizer*>(handle)->peak(rounds); }
