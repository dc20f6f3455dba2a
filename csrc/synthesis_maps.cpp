// Runs the operations that have no tensors (formats/nq.md, 6.4 and 6.7 to 6.13), shared out to threads.
#include "synthesis_maps.h"

#include <algorithm>
#include <cstring>

namespace nq {
namespace {

// Values that one task of a loop over values takes: worth a thread's while, and small beside a map.
constexpr int64_t kChunk = 1 << 14;

// Calls body(begin, end) for pieces of 0..size-1.
template <typename Body>
void for_chunks(ThreadPool& pool, int64_t size, int64_t chunk, const Body& body) {
  pool.run((size + chunk - 1) / chunk,
           [&](int64_t item) { body(item * chunk, std::min(size, (item + 1) * chunk)); });
}

// Goes on repeating the first `period` of `size` values.
void repeat(int16_t* values, int64_t period, int64_t size) {
  for (int64_t done = period; done < size; done *= 2) {
    std::memcpy(values + done, values, sizeof(int16_t) * std::min(done, size - done));
  }
}

void run_fold(const MapStep& step, ThreadPool& pool) {
  const NqOp& op = step.op;
  const MapInput& input = step.inputs[0];
  const int64_t rows = op.rows, columns = op.columns;
  pool.run(op.channels, [&](int64_t c) {
    for (int64_t y = 0; y < op.height; ++y) {
      int16_t* const out = step.out + (c * op.height + y) * op.width;
      for (int64_t b = 0; b < columns; ++b) {
        const int64_t channel = (c * rows + y % rows) * columns + b;
        const int16_t* const in = input.data + (channel * input.height + y / rows) * input.width;
        for (int64_t x = 0; x < input.width; ++x) out[x * columns + b] = in[x];
      }
    }
  });
}

void run_upsample(const MapStep& step, const MapKernels& kernels, ThreadPool& pool) {
  const NqOp& op = step.op;
  const MapInput& input = step.inputs[0];
  UpsampleRow common = {nullptr, nullptr, 0, input.width, op.width, op.ratio, {}};
  for (int32_t phase = 0; phase < op.ratio; ++phase) common.phases[phase] = nq_phase(phase, op.ratio);
  const int64_t rows = std::max<int64_t>(1, kChunk / op.width);
  for_chunks(pool, int64_t{op.channels} * op.height, rows, [&](int64_t begin, int64_t end) {
    UpsampleRow row = common;
    for (int64_t line = begin; line < end; ++line) {
      const int64_t c = line / op.height, y = line % op.height;
      const NqPhase phase = common.phases[y % op.ratio];
      const int64_t i = y / op.ratio + phase.first, last = input.height - 1;
      const int16_t* const map = input.data + c * input.height * input.width;
      row.first = map + std::max<int64_t>(i, 0) * input.width;
      row.second = map + std::min(i + 1, last) * input.width;
      row.weight = phase.second;
      kernels.upsample_row(row, step.out + line * op.width);
    }
  });
}

// Where a row of a window's map begins in its input: the row of channels (c ratio + a) ratio + b.
struct WindowLine {
  int64_t channel, row, column;
};

WindowLine window_line(const NqOp& op, const WindowPlace& place, int64_t line) {
  const int64_t o = line / op.height, y = line % op.height, a = o / op.ratio % op.ratio, b = o % op.ratio;
  return {o / op.ratio / op.ratio, place.row + y * op.ratio + a, place.column + b};
}

void run_window(const MapStep& step, int64_t t, const MapKernels& kernels, ThreadPool& pool) {
  const NqOp& op = step.op;
  const MapInput& input = step.inputs[0];
  const WindowPlace place = window_place(op, t);
  const NqWindow weights = {op.bits, place.down, place.right};
  const int64_t rows = std::max<int64_t>(1, kChunk / op.width);
  for_chunks(pool, int64_t{op.channels} * op.height, rows, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const WindowLine from = window_line(op, place, line);
      const int64_t row = from.channel * input.height + from.row;
      const int16_t* const upper = input.data + row * input.width + from.column;
      const int16_t* const lower = upper + place.next_row * input.width;
      kernels.window_row(upper, lower, place.next_column, op.ratio, op.width, weights, step.out + line * op.width);
    }
  });
}

void run_concat(const MapStep& step, const MapKernels& kernels, ThreadPool& pool) {
  const int32_t low = nq_low(step.op.map_width), high = nq_high(step.op.map_width);
  int16_t* out = step.out;
  for (const MapInput& input : step.inputs) {
    for_chunks(pool, input.size(), kChunk, [&](int64_t begin, int64_t end) {
      kernels.reformat(input.data + begin, end - begin, input.frac - step.op.frac, low, high, out + begin);
    });
    out += input.size();
  }
}

void run_pairwise(const MapStep& step, const MapKernels& kernels, ThreadPool& pool) {
  const NqOp& op = step.op;
  const MapInput &a = step.inputs[0], &b = step.inputs[1];
  const NqPair pair = nq_pair(a.frac, b.frac, op.map_width, op.frac, op.code == kNqMul);
  const auto kernel = op.code == kNqMul ? kernels.mul : kernels.add;
  for_chunks(pool, map_size(op), kChunk, [&](int64_t begin, int64_t end) {
    kernel(a.data + begin, b.data + begin, end - begin, pair, step.out + begin);
  });
}

void run_norm(const MapStep& step, const MapKernels& kernels, ThreadPool& pool) {
  const NqOp& op = step.op;
  const NormLayer layer = {step.inputs[0].data, map_area(op), op.channels, op.frac, nq_low(op.map_width),
                           nq_high(op.map_width)};
  const int64_t tiles = std::max<int64_t>(1, kChunk / op.channels / kNormTile);
  for_chunks(pool, layer.area, tiles * kNormTile, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kNormTile) {
      kernels.norm_positions(layer, first, static_cast<int32_t>(std::min<int64_t>(kNormTile, end - first)), step.out);
    }
  });
}

void run_frequency(const MapStep& step, int64_t t, const int32_t* sine) {
  const NqOp& op = step.op;
  const int32_t low = nq_low(op.map_width), high = nq_high(op.map_width);
  constexpr uint32_t kQuarterTurn = uint32_t{1} << 30;
  for (int32_t k = 0; k < op.channels / 2; ++k) {
    const uint32_t angle = op.phases[k] + static_cast<uint32_t>(t) * op.steps[k];
    step.out[2 * k] = static_cast<int16_t>(nq_sine(angle, op.frac, low, high, sine));
    step.out[2 * k + 1] = static_cast<int16_t>(nq_sine(angle + kQuarterTurn, op.frac, low, high, sine));
  }
}

void run_tile(const MapStep& step, ThreadPool& pool) {
  const NqOp& op = step.op;
  const MapInput& input = step.inputs[0];
  const int32_t rows = std::min(op.height, input.height), columns = std::min(op.width, input.width);
  pool.run(op.channels, [&](int64_t c) {
    int16_t* const out = step.out + c * map_area(op);
    for (int64_t y = 0; y < rows; ++y) {
      int16_t* const row = out + y * op.width;
      std::memcpy(row, input.data + (c * input.height + y) * input.width, sizeof(int16_t) * columns);
      repeat(row, columns, op.width);
    }
    repeat(out, int64_t{rows} * op.width, map_area(op));
  });
}

}  // namespace

void run_map(const MapStep& step, int64_t t, const int32_t* sine, const MapKernels& kernels, ThreadPool& pool) {
  switch (step.op.code) {
    case kNqUpsample: return run_upsample(step, kernels, pool);
    case kNqConcat: return run_concat(step, kernels, pool);
    case kNqAdd:
    case kNqMul: return run_pairwise(step, kernels, pool);
    case kNqNorm: return run_norm(step, kernels, pool);
    case kNqFrequency: return run_frequency(step, t, sine);
    case kNqTile: return run_tile(step, pool);
    case kNqWindow: return run_window(step, t, kernels, pool);
    default: return run_fold(step, pool);  // shuffle and fold
  }
}

}  // namespace nq
