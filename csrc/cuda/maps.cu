// The operations that have no tensors on a CUDA device (formats/nq.md, 6.4 and 6.8 to 6.13), one kernel each.
#include "nq_device.h"
#include "nq_device_maps.h"

namespace nq {
namespace {

struct Range {
  int32_t low, high;
};

// What kernels over lines take: the shapes of one input and of the output, whose lines are [C, H].
struct Shapes {
  DeviceMap in, out;
  int32_t in_height, in_width;
  int32_t lines, height, width;
};

__device__ __forceinline__ int16_t* line_start(const Shapes& s, int32_t frame, int32_t line) {
  return s.out.data + frame * s.out.stride + int64_t{line} * s.width;
}

__global__ void fold_kernel(const Shapes s, int32_t rows, int32_t columns) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.z;
  const int16_t* const in = s.in.data + frame * s.in.stride;
  NQ_FOR_EACH_LINE(line, s.lines) {
    if (x >= s.width) continue;
    const int32_t c = line / s.height, y = line % s.height;
    const int64_t channel = (int64_t{c} * rows + y % rows) * columns + x % columns;
    line_start(s, frame, line)[x] = in[(channel * s.in_height + y / rows) * s.in_width + x / columns];
  }
}

__global__ void upsample_kernel(const Shapes s, int32_t ratio) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.z;
  const NqPhase column = nq_phase(x % ratio, ratio);
  const int32_t j = x / ratio + column.first;
  const int32_t left = j < 0 ? 0 : j, right = j + 1 < s.in_width ? j + 1 : s.in_width - 1;
  NQ_FOR_EACH_LINE(line, s.lines) {
    if (x >= s.width) continue;
    const int32_t c = line / s.height, y = line % s.height;
    const NqPhase row = nq_phase(y % ratio, ratio);
    const int32_t i = y / ratio + row.first;
    const int16_t* const map = s.in.data + frame * s.in.stride + int64_t{c} * s.in_height * s.in_width;
    const int16_t* const first = map + int64_t{i < 0 ? 0 : i} * s.in_width;
    const int16_t* const second = map + int64_t{i + 1 < s.in_height ? i + 1 : s.in_height - 1} * s.in_width;
    const int32_t a = nq_between(first[left], second[left], row.second);
    const int32_t b = nq_between(first[right], second[right], row.second);
    line_start(s, frame, line)[x] = static_cast<int16_t>(nq_interpolated(nq_between(a, b, column.second)));
  }
}

__global__ void window_kernel(const Shapes s, const FramePlace* places, int32_t bits, int32_t ratio) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.z;
  const FramePlace place = places[frame];
  const NqWindow weights = {bits, place.a, place.b};
  NQ_FOR_EACH_LINE(line, s.lines) {
    if (x >= s.width) continue;
    const int32_t o = line / s.height, y = line % s.height, c = o / ratio / ratio;
    const int64_t row = place.first + int64_t{y} * ratio + o / ratio % ratio;
    const int64_t column = place.second + int64_t{x} * ratio + o % ratio;
    const int16_t* const upper =
        s.in.data + frame * s.in.stride + (int64_t{c} * s.in_height + row) * s.in_width + column;
    const int16_t* const lower = upper + int64_t{place.c} * s.in_width;
    line_start(s, frame, line)[x] =
        static_cast<int16_t>(nq_seen(upper[0], upper[place.d], lower[0], lower[place.d], weights));
  }
}

__global__ void tile_kernel(const Shapes s) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.z;
  const int32_t column = x % s.in_width;
  NQ_FOR_EACH_LINE(line, s.lines) {
    if (x >= s.width) continue;
    const int64_t row = int64_t{line / s.height} * s.in_height + line % s.height % s.in_height;
    line_start(s, frame, line)[x] = s.in.data[frame * s.in.stride + row * s.in_width + column];
  }
}

__global__ void reformat_kernel(DeviceMap in, int64_t count, int32_t n, Range range, DeviceMap out) {
  const int32_t frame = blockIdx.y;
  NQ_FOR_EACH(index, count) {
    const int32_t v = in.data[frame * in.stride + index];
    out.data[frame * out.stride + index] = static_cast<int16_t>(nq_reformat(v, n, range.low, range.high));
  }
}

__global__ void pair_kernel(DeviceMap a, DeviceMap b, int64_t count, bool is_product, NqPair pair, DeviceMap out) {
  const int32_t frame = blockIdx.y;
  NQ_FOR_EACH(index, count) {
    const int32_t v = a.data[frame * a.stride + index], w = b.data[frame * b.stride + index];
    const int32_t made = is_product ? nq_mul<int64_t>(v, w, pair) : nq_add<int64_t>(v, w, pair);
    out.data[frame * out.stride + index] = static_cast<int16_t>(made);
  }
}

// One thread a position.
__global__ void norm_kernel(DeviceMap in, int32_t channels, int64_t area, int32_t frac, Range range, DeviceMap out) {
  const int16_t* const from = in.data + blockIdx.y * in.stride;
  int16_t* const to = out.data + blockIdx.y * out.stride;
  NQ_FOR_EACH(position, area) {
    int32_t sum = 0;
    for (int32_t c = 0; c < channels; ++c) sum += from[c * area + position];
    const int32_t mean = nq_mean(sum, channels);
    int64_t squares = 0;
    for (int32_t c = 0; c < channels; ++c) {
      const int64_t d = nq_deviation(from[c * area + position], mean);
      squares += d * d;
    }
    const int64_t reciprocal = nq_reciprocal(squares, channels);
    for (int32_t c = 0; c < channels; ++c) {
      const int64_t scaled = nq_deviation(from[c * area + position], mean) * reciprocal;
      to[c * area + position] = static_cast<int16_t>(nq_normalize(scaled, frac, range.low, range.high));
    }
  }
}

void run_concat(const MapStep& step, Range range, const Batch& batch) {
  DeviceMap out = step.out;
  for (const MapInput& input : step.inputs) {
    const int64_t count = input.size();
    launch(reformat_kernel, value_shape(count, batch.frames), batch.stream, input.map, count,
           input.frac - step.op.frac, range, out);
    out.data += count;
  }
}

void run_pair(const MapStep& step, const Batch& batch) {
  const NqOp& op = step.op;
  const MapInput &a = step.inputs[0], &b = step.inputs[1];
  const bool is_product = op.code == kNqMul;
  launch(pair_kernel, value_shape(map_size(op), batch.frames), batch.stream, a.map, b.map, map_size(op), is_product,
         nq_pair(a.frac, b.frac, op.map_width, op.frac, is_product), step.out);
}

void run_lines(const MapStep& step, const Batch& batch) {
  const NqOp& op = step.op;
  const MapInput& in = step.inputs[0];
  const Shapes shapes = {in.map, step.out, in.height, in.width, op.channels * op.height, op.height, op.width};
  const LaunchShape shape = line_shape(shapes.lines, op.width, batch.frames);
  switch (op.code) {
    case kNqUpsample: return launch(upsample_kernel, shape, batch.stream, shapes, op.ratio);
    case kNqTile: return launch(tile_kernel, shape, batch.stream, shapes);
    case kNqWindow:
      return launch(window_kernel, shape, batch.stream, shapes, batch.places_of(step), op.bits, op.ratio);
    default: return launch(fold_kernel, shape, batch.stream, shapes, op.rows, op.columns);  // shuffle and fold
  }
}

}  // namespace

void run_map(const MapStep& step, const Batch& batch) {
  const NqOp& op = step.op;
  const Range range = {nq_low(op.map_width), nq_high(op.map_width)};
  switch (op.code) {
    case kNqConcat: return run_concat(step, range, batch);
    case kNqAdd:
    case kNqMul: return run_pair(step, batch);
    case kNqNorm:
      return launch(norm_kernel, value_shape(map_area(op), batch.frames), batch.stream, step.inputs[0].map,
                    op.channels, map_area(op), op.frac, range, step.out);
    default: return run_lines(step, batch);
  }
}

}  // namespace nq
