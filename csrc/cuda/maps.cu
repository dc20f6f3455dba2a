// The operations that have no tensors on a CUDA device (formats/nq.md, 6.4 and 6.8 to 6.14), one kernel each.
#include <algorithm>
#include <initializer_list>

#include "common/integer_math.h"
#include "common/tiles.h"
#include "cuda/device.h"
#include "cuda/device_maps.h"
#include "cuda/mma.h"

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

// What a warp takes beside its shapes.
struct Vectors {
  DeviceMap map;
  int32_t right;     // what they are shifted by
  int32_t channels;  // of the map that they displace
};

constexpr int32_t kWarpedChannels = 8;  // that a thread reads at a place which it finds once

// A thread's value of a row of a group of channels, at frame `blockIdx.z`, of a warp.
struct WarpedValues {
  int32_t y, count;   // of channels
  int64_t area;       // from channel to channel
  const int16_t* in;  // of the first
  int16_t* out;
  int32_t down, right;  // the place's vector

  __device__ __forceinline__ WarpedValues(const Shapes& s, const Vectors& vectors, int32_t line, int32_t x) {
    const int32_t frame = blockIdx.z, first = line / s.height * kWarpedChannels, left = vectors.channels - first;
    y = line % s.height;
    count = left < kWarpedChannels ? left : kWarpedChannels;
    area = int64_t{s.height} * s.width;
    const int64_t at = int64_t{y} * s.width + x;
    const int16_t* const vector = vectors.map.data + frame * vectors.map.stride + at;
    down = vector[0];
    right = vector[area];
    in = s.in.data + frame * s.in.stride + first * area;
    out = s.out.data + frame * s.out.stride + first * area + at;
  }
};

// The operation `warp` of the format (6.14), which has nothing to do with CUDA's warps of threads. A line of its
// launch is a row of a group of channels.
__global__ void warped_kernel(const Shapes s, const Vectors vectors) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x;
  NQ_FOR_EACH_LINE(line, s.lines) {
    if (x >= s.width) continue;
    const WarpedValues v(s, vectors, line, x);
    const NqPlace row = nq_displaced(v.y, v.down, vectors.right, s.height);
    const NqPlace column = nq_displaced(x, v.right, vectors.right, s.width);
    const int64_t down = int64_t{row.next} * s.width;
    const int16_t* in = v.in + int64_t{row.cell} * s.width + column.cell;
    int16_t* out = v.out;
#pragma unroll 4
    for (int32_t k = 0; k < v.count; ++k, in += v.area, out += v.area) {
      // Read as what no store changes, so that the reads of several channels are under way at once.
      const int32_t a = __ldg(in), b = __ldg(in + column.next);
      const int32_t c = __ldg(in + down), d = __ldg(in + down + column.next);
      *out = static_cast<int16_t>(nq_warped(a, b, c, d, row.weight, column.weight));
    }
  }
}

// The same with four taps an axis, which may leave the map's width.
__global__ void cubic_warped_kernel(const Shapes s, const Vectors vectors, Range range) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x;
  NQ_FOR_EACH_LINE(line, s.lines) {
    if (x >= s.width) continue;
    const WarpedValues v(s, vectors, line, x);
    const NqCubicPlace row = nq_cubic_place(v.y, v.down, vectors.right, s.height);
    const NqCubicPlace column = nq_cubic_place(x, v.right, vectors.right, s.width);
    for (int32_t k = 0; k < v.count; ++k) {
      const int32_t value = nq_warped_cubic(v.in + k * v.area, s.width, row, column, range.low, range.high);
      v.out[k * v.area] = static_cast<int16_t>(value);
    }
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

// What a thread of the following kernels reads and writes at once: 16 bytes where maps begin at multiples of them.
template <int kCount>
struct alignas(2 * kCount) Pack {
  int16_t values[kCount];
};
constexpr int32_t kPack = 8;

template <int kCount>
__device__ __forceinline__ Pack<kCount> load_pack(const DeviceMap& map, int32_t frame, int64_t index) {
  return *reinterpret_cast<const Pack<kCount>*>(map.data + frame * map.stride + index * kCount);
}

template <int kCount>
__device__ __forceinline__ void store_pack(const DeviceMap& map, int32_t frame, int64_t index, const Pack<kCount>& v) {
  *reinterpret_cast<Pack<kCount>*>(map.data + frame * map.stride + index * kCount) = v;
}

bool takes_packs(std::initializer_list<DeviceMap> maps, int64_t count) {
  return count % kPack == 0 && std::all_of(maps.begin(), maps.end(), [](const DeviceMap& map) {
           return map.stride % kPack == 0 && reinterpret_cast<uintptr_t>(map.data) % sizeof(Pack<kPack>) == 0;
         });
}

template <int kCount>
__global__ void reformat_kernel(DeviceMap in, int64_t packs, int32_t n, Range range, DeviceMap out) {
  NQ_FOR_EACH(index, packs) {
    Pack<kCount> v = load_pack<kCount>(in, blockIdx.y, index);
#pragma unroll
    for (int32_t k = 0; k < kCount; ++k) {
      v.values[k] = static_cast<int16_t>(nq_reformat(v.values[k], n, range.low, range.high));
    }
    store_pack(out, blockIdx.y, index, v);
  }
}

template <int kCount>
__global__ void pair_kernel(DeviceMap a, DeviceMap b, int64_t packs, bool is_product, NqPair pair, DeviceMap out) {
  NQ_FOR_EACH(index, packs) {
    Pack<kCount> v = load_pack<kCount>(a, blockIdx.y, index);
    const Pack<kCount> w = load_pack<kCount>(b, blockIdx.y, index);
#pragma unroll
    for (int32_t k = 0; k < kCount; ++k) {
      const int32_t x = v.values[k], y = w.values[k];
      v.values[k] = static_cast<int16_t>(is_product ? nq_mul<int64_t>(x, y, pair) : nq_add<int64_t>(x, y, pair));
    }
    store_pack(out, blockIdx.y, index, v);
  }
}

constexpr int32_t kNormThreads = 128;
constexpr int32_t kMostKeptChannels = 160;  // 40 KiB of shared memory: more than one block to a multiprocessor

// One thread a position, which keeps its channels in shared memory in between if they fit there.
template <bool kKeeps>
__global__ void __launch_bounds__(kNormThreads)
    norm_kernel(DeviceMap in, int32_t channels, int64_t area, int32_t frac, Range range, DeviceMap out) {
  const int16_t* const from = in.data + blockIdx.y * in.stride;
  int16_t* const to = out.data + blockIdx.y * out.stride;
  int16_t* const kept = nq_shared_memory<int16_t>() + threadIdx.x;
  NQ_FOR_EACH(position, area) {
    int32_t sum = 0;
    int64_t squares = 0;
    for (int32_t c = 0; c < channels; ++c) {
      const int32_t v = from[c * area + position];
      sum += v;
      squares += v * v;
      if (kKeeps) kept[c * kNormThreads] = static_cast<int16_t>(v);
    }
    const int32_t mean = nq_mean(sum, channels);
    const int64_t reciprocal = nq_reciprocal(nq_squared_deviations(squares, sum, mean, channels), channels);
    for (int32_t c = 0; c < channels; ++c) {
      const int32_t v = kKeeps ? kept[c * kNormThreads] : from[c * area + position];
      const int64_t scaled = nq_deviation(v, mean) * reciprocal;
      to[c * area + position] = static_cast<int16_t>(nq_normalize(scaled, frac, range.low, range.high));
    }
  }
}

void run_concat(const MapNode& node, Range range, const Batch& batch) {
  DeviceMap out = node.out;
  for (const MapInput& input : node.inputs) {
    const int64_t count = input.size();
    const bool packed = takes_packs({input.map, out}, count);
    const int64_t packs = packed ? count / kPack : count;
    launch(packed ? reformat_kernel<kPack> : reformat_kernel<1>, value_shape(packs, batch.frames), batch.stream,
           input.map, packs, input.frac - node.op.frac, range, out);
    out.data += count;
  }
}

void run_pair(const MapNode& node, const Batch& batch) {
  const NqOp& op = node.op;
  const MapInput &a = node.inputs[0], &b = node.inputs[1];
  const bool is_product = op.code == kNqMul, packed = takes_packs({a.map, b.map, node.out}, map_size(op));
  const int64_t packs = packed ? map_size(op) / kPack : map_size(op);
  launch(packed ? pair_kernel<kPack> : pair_kernel<1>, value_shape(packs, batch.frames), batch.stream, a.map, b.map,
         packs, is_product, nq_pair(a.frac, b.frac, op.map_width, op.frac, is_product), node.out);
}

void run_norm(const MapNode& node, Range range, const Batch& batch) {
  const NqOp& op = node.op;
  const bool keeps = op.channels <= kMostKeptChannels;
  LaunchShape shape = value_shape(map_area(op), batch.frames, kNormThreads);
  shape.shared_bytes = keeps ? sizeof(int16_t) * kNormThreads * op.channels : 0;
  launch(keeps ? norm_kernel<true> : norm_kernel<false>, shape, batch.stream, node.inputs[0].map, op.channels,
         map_area(op), op.frac, range, node.out);
}

// A kernel whose threads each make the same column of lines [C, H].
template <typename Kernel, typename... Arguments>
void run_lines(Kernel kernel, const MapNode& node, const Batch& batch, Arguments... arguments) {
  const NqOp& op = node.op;
  const MapInput& in = node.inputs[0];
  const Shapes shapes = {in.map, node.out, in.height, in.width, op.channels * op.height, op.height, op.width};
  launch(kernel, line_shape(shapes.lines, op.width, batch.frames), batch.stream, shapes, arguments...);
}

void run_warp(const MapNode& node, Range range, const Batch& batch) {
  const NqOp& op = node.op;
  const MapInput &in = node.inputs[0], &vectors = node.inputs[1];
  const int32_t lines = nq_ceil_div(op.channels, kWarpedChannels) * op.height;
  const Shapes shapes = {in.map, node.out, in.height, in.width, lines, op.height, op.width};
  const LaunchShape shape = line_shape(lines, op.width, batch.frames);
  const Vectors moves = {vectors.map, vectors.frac + op.bits - kNqWarpBits, op.channels};
  if (op.taps == kNqCubicTaps) return launch(cubic_warped_kernel, shape, batch.stream, shapes, moves, range);
  launch(warped_kernel, shape, batch.stream, shapes, moves);
}

}  // namespace

void run_map(const MapNode& node, const NqProgram& program, const Batch& batch) {
  const NqOp& op = node.op;
  const Range range = {nq_low(op.map_width), nq_high(op.map_width)};
  switch (code_of(op)) {
    case kNqGrid: return run_grid(node, batch);
    case kNqFrequency: return run_frequency(node, program.tables.sine, batch);
    case kNqShuffle:
    case kNqFold: return run_lines(fold_kernel, node, batch, op.rows, op.columns);
    case kNqUpsample: return run_lines(upsample_kernel, node, batch, op.ratio);
    case kNqTile: return run_lines(tile_kernel, node, batch);
    case kNqWindow: return run_lines(window_kernel, node, batch, batch.places_of(node), op.bits, op.ratio);
    case kNqConcat: return run_concat(node, range, batch);
    case kNqAdd:
    case kNqMul: return run_pair(node, batch);
    case kNqNorm: return run_norm(node, range, batch);
    case kNqWarp: return run_warp(node, range, batch);
    case kNqPlanes: return run_planes(node, program, batch);
    case kNqConv: break;  // with the tensors of its node, by DeviceProgram
  }
  stop_at_unknown_code(op.code);
}

}  // namespace nq
