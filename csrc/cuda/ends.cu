// Where frames begin and end on a CUDA device: grids and frequencies (formats/nq.md 6.2, 6.7), planes (6.6).
#include "common/integer_math.h"
#include "cuda/device.h"
#include "cuda/device_maps.h"

namespace nq {
namespace {

__global__ void grid_kernel(const int16_t* latents, const FramePlace* places, int32_t lines, int32_t height,
                            int32_t width, Rescales rescales, int32_t low, int32_t high, DeviceMap out) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.z;
  const FramePlace place = places[frame];
  NQ_FOR_EACH_LINE(line, lines) {
    if (x >= width) continue;
    const int32_t c = line / height;
    const int64_t index = int64_t{line} * width + x;
    const int32_t v = nq_blend(latents[place.first + index], latents[place.second + index], place.a);
    out.data[frame * out.stride + index] =
        static_cast<int16_t>(nq_requantize(v, rescales.multiplier[c], rescales.shift[c], low, high));
  }
}

__global__ void frequency_kernel(const uint32_t* increments, const uint32_t* phases, const FramePlace* places,
                                 int64_t channels, int32_t frac, int32_t low, int32_t high, const int32_t* sine,
                                 DeviceMap out) {
  const int32_t frame = blockIdx.y;
  const uint32_t t = static_cast<uint32_t>(places[frame].first);
  NQ_FOR_EACH(index, channels) {
    const uint32_t quarter_turns = index % 2;  // 1 for cosines
    const uint32_t angle = phases[index / 2] + t * increments[index / 2] + (quarter_turns << 30);
    out.data[frame * out.stride + index] = static_cast<int16_t>(nq_sine(angle, frac, low, high, sine));
  }
}

struct PlaneLayout {
  int32_t rows, columns;  // of channels
  int32_t in_height, in_width;
  int32_t height, width;
  int32_t frac, depth;
  int64_t out_stride;  // bytes from a picture to the next
};

// One plane of 6.6, whose channels are from `in` on.
template <typename Sample>
__global__ void plane_kernel(DeviceMap in, const PlaneLayout s, uint8_t* out) {
  const int32_t x = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.z;
  const int16_t* const map = in.data + frame * in.stride;
  Sample* const plane = reinterpret_cast<Sample*>(out + frame * s.out_stride);
  NQ_FOR_EACH_LINE(y, s.height) {
    if (x >= s.width) continue;
    const int64_t channel = y % s.rows * s.columns + x % s.columns;
    const int16_t value = map[(channel * s.in_height + y / s.rows) * s.in_width + x / s.columns];
    plane[int64_t{y} * s.width + x] = static_cast<Sample>(nq_sample(value, s.frac, s.depth));
  }
}

}  // namespace

void run_grid(const MapNode& node, const Batch& batch) {
  const NqOp& op = node.op;
  const int32_t lines = op.channels * op.height;
  launch(grid_kernel, line_shape(lines, op.width, batch.frames), batch.stream, op.values, batch.places_of(node), lines,
         op.height, op.width, Rescales{op.multiplier, op.shift}, nq_low(op.map_width), nq_high(op.map_width), node.out);
}

void run_frequency(const MapNode& node, const int32_t* sine, const Batch& batch) {
  const NqOp& op = node.op;
  launch(frequency_kernel, value_shape(op.channels, batch.frames), batch.stream, op.increments, op.phases,
         batch.places_of(node), int64_t{op.channels}, op.frac, nq_low(op.map_width), nq_high(op.map_width), sine,
         node.out);
}

void run_planes(const MapNode& node, const NqProgram& program, const Batch& batch) {
  const NqOp& op = node.op;
  DeviceMap in = node.inputs[0].map;
  uint8_t* out = batch.pictures;
  for (int32_t k = 0; k < program.plane_count; ++k) {
    const NqPlane& plane = program.planes[k];
    const PlaneLayout layout = {
        op.ratio / plane.sub_y, op.ratio / plane.sub_x, op.height, op.width, plane.height, plane.width, op.frac,
        program.depth,          picture_bytes(program)};
    const LaunchShape shape = line_shape(plane.height, plane.width, batch.frames);
    if (program.depth == 8) {
      launch(plane_kernel<uint8_t>, shape, batch.stream, in, layout, out);
    } else {
      launch(plane_kernel<uint16_t>, shape, batch.stream, in, layout, out);
    }
    in.data += layout.rows * layout.columns * map_area(op);
    out += plane_bytes(program, k);
  }
}

}  // namespace nq
