// The operations that have no tensors on a CUDA device (formats/nq.md, 6.4 and 6.7 to 6.13), one plain kernel each.
#include "nq_device_maps.h"

#include "nq_device.h"

namespace nq {
namespace {

struct Range {
  int32_t low, high;
};

// In these kernels height and width are the output's, in_height and in_width the input's.

__global__ void fold_kernel(const int16_t* in, int32_t rows, int32_t columns, int32_t height, int32_t width,
                            int64_t count, int16_t* out) {
  NQ_FOR_EACH(index, count) {
    const int64_t line = index / width, c = line / height, y = line % height, x = index % width;
    const int64_t channel = (c * rows + y % rows) * columns + x % columns;
    out[index] = in[(channel * (height / rows) + y / rows) * (width / columns) + x / columns];
  }
}

__global__ void upsample_kernel(const int16_t* in, int32_t in_height, int32_t in_width, int32_t ratio, int32_t height,
                                int32_t width, int64_t count, int16_t* out) {
  NQ_FOR_EACH(index, count) {
    const int64_t line = index / width, c = line / height;
    const int32_t y = static_cast<int32_t>(line % height), x = static_cast<int32_t>(index % width);
    const NqPhase row = nq_phase(y % ratio, ratio), column = nq_phase(x % ratio, ratio);
    const int32_t i = y / ratio + row.first, j = x / ratio + column.first;
    const int16_t* const map = in + c * in_height * in_width;
    const int16_t* const first = map + int64_t{i < 0 ? 0 : i} * in_width;
    const int16_t* const second = map + int64_t{i + 1 < in_height ? i + 1 : in_height - 1} * in_width;
    const int32_t left = j < 0 ? 0 : j, right = j + 1 < in_width ? j + 1 : in_width - 1;
    const int32_t a = nq_between(first[left], second[left], row.second);
    const int32_t b = nq_between(first[right], second[right], row.second);
    out[index] = static_cast<int16_t>(nq_interpolated(nq_between(a, b, column.second)));
  }
}

__global__ void window_kernel(const int16_t* in, int64_t in_height, int64_t in_width, WindowPlace place,
                              NqWindow weights, int64_t ratio, int64_t height, int64_t width, int64_t count,
                              int16_t* out) {
  NQ_FOR_EACH(index, count) {
    const int64_t line = index / width, o = line / height, c = o / ratio / ratio;
    const int64_t y = line % height * ratio + o / ratio % ratio, x = index % width * ratio + o % ratio;
    const int16_t* const upper = in + (c * in_height + place.row + y) * in_width + place.column + x;
    const int16_t* const lower = upper + place.next_row * in_width;
    out[index] = static_cast<int16_t>(
        nq_seen(upper[0], upper[place.next_column], lower[0], lower[place.next_column], weights));
  }
}

__global__ void tile_kernel(const int16_t* in, int32_t in_height, int32_t in_width, int32_t height, int32_t width,
                            int64_t count, int16_t* out) {
  NQ_FOR_EACH(index, count) {
    const int64_t line = index / width, c = line / height, y = line % height, x = index % width;
    out[index] = in[(c * in_height + y % in_height) * in_width + x % in_width];
  }
}

__global__ void reformat_kernel(const int16_t* in, int64_t count, int32_t n, Range range, int16_t* out) {
  NQ_FOR_EACH(index, count) {
    out[index] = static_cast<int16_t>(nq_reformat(in[index], n, range.low, range.high));
  }
}

__global__ void add_kernel(const int16_t* a, const int16_t* b, int64_t count, NqPair pair, int16_t* out) {
  NQ_FOR_EACH(index, count) { out[index] = static_cast<int16_t>(nq_add<int64_t>(a[index], b[index], pair)); }
}

__global__ void mul_kernel(const int16_t* a, const int16_t* b, int64_t count, NqPair pair, int16_t* out) {
  NQ_FOR_EACH(index, count) { out[index] = static_cast<int16_t>(nq_mul<int64_t>(a[index], b[index], pair)); }
}

// One thread a position.
__global__ void norm_kernel(const int16_t* in, int32_t channels, int64_t area, int32_t frac, Range range,
                            int16_t* out) {
  NQ_FOR_EACH(position, area) {
    int32_t sum = 0;
    for (int32_t c = 0; c < channels; ++c) sum += in[c * area + position];
    const int32_t mean = nq_mean(sum, channels);
    int64_t squares = 0;
    for (int32_t c = 0; c < channels; ++c) {
      const int64_t d = nq_deviation(in[c * area + position], mean);
      squares += d * d;
    }
    const int64_t reciprocal = nq_reciprocal(squares, channels);
    for (int32_t c = 0; c < channels; ++c) {
      const int64_t scaled = nq_deviation(in[c * area + position], mean) * reciprocal;
      out[c * area + position] = static_cast<int16_t>(nq_normalize(scaled, frac, range.low, range.high));
    }
  }
}

__global__ void frequency_kernel(const uint32_t* steps, const uint32_t* phases, uint32_t t, int32_t channels,
                                 int32_t frac, Range range, const int32_t* sine, int16_t* out) {
  NQ_FOR_EACH(index, channels) {
    const uint32_t quarter_turns = index % 2;  // 1 for cosines
    const uint32_t angle = phases[index / 2] + t * steps[index / 2] + (quarter_turns << 30);
    out[index] = static_cast<int16_t>(nq_sine(angle, frac, range.low, range.high, sine));
  }
}

void run_concat(const MapStep& step, Range range) {
  int16_t* out = step.out;
  for (const MapInput& input : step.inputs) {
    const int64_t count = input.size();
    reformat_kernel<<<blocks_for(count), kLoopThreads>>>(input.data, count, input.frac - step.op.frac, range, out);
    out += count;
  }
}

void run_pairwise(const MapStep& step) {
  const NqOp& op = step.op;
  const MapInput &a = step.inputs[0], &b = step.inputs[1];
  const NqPair pair = nq_pair(a.frac, b.frac, op.map_width, op.frac, op.code == kNqMul);
  const int64_t count = map_size(op);
  if (op.code == kNqMul) {
    mul_kernel<<<blocks_for(count), kLoopThreads>>>(a.data, b.data, count, pair, step.out);
  } else {
    add_kernel<<<blocks_for(count), kLoopThreads>>>(a.data, b.data, count, pair, step.out);
  }
}

// Operations of one input.
void run_single(const MapStep& step, int64_t t, Range range) {
  const NqOp& op = step.op;
  const MapInput& in = step.inputs[0];
  const int64_t count = map_size(op), area = map_area(op);
  const int32_t blocks = blocks_for(count);
  switch (op.code) {
    case kNqUpsample:
      upsample_kernel<<<blocks, kLoopThreads>>>(in.data, in.height, in.width, op.ratio, op.height, op.width, count,
                                            step.out);
      break;
    case kNqTile:
      tile_kernel<<<blocks, kLoopThreads>>>(in.data, in.height, in.width, op.height, op.width, count, step.out);
      break;
    case kNqWindow: {
      const WindowPlace place = window_place(op.knots, op, t);
      window_kernel<<<blocks, kLoopThreads>>>(in.data, in.height, in.width, place, {op.bits, place.down, place.right},
                                              op.ratio, op.height, op.width, count, step.out);
      break;
    }
    case kNqNorm:
      norm_kernel<<<blocks_for(area), kLoopThreads>>>(in.data, op.channels, area, op.frac, range, step.out);
      break;
    default:  // shuffle and fold
      fold_kernel<<<blocks, kLoopThreads>>>(in.data, op.rows, op.columns, op.height, op.width, count, step.out);
  }
}

}  // namespace

void run_map_on_device(const MapStep& step, int64_t t, const int32_t* sine) {
  const NqOp& op = step.op;
  const Range range = {nq_low(op.map_width), nq_high(op.map_width)};
  if (op.code == kNqFrequency) {
    frequency_kernel<<<blocks_for(op.channels), kLoopThreads>>>(op.steps, op.phases, static_cast<uint32_t>(t), op.channels,
                                                            op.frac, range, sine, step.out);
  } else if (op.code == kNqConcat) {
    run_concat(step, range);
  } else if (op.code == kNqAdd || op.code == kNqMul) {
    run_pairwise(step);
  } else {
    run_single(step, t, range);
  }
}

}  // namespace nq
