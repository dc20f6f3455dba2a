// What a CUDA device does at best, for benchmarks to compare with.
#include "common/tiles.h"
#include "cuda/device_memory.h"
#include "cuda/mma.h"
#include "nq/synthesis.h"

namespace nq {
namespace {

constexpr int32_t kThreads = 256, kChains = 8, kBlocksEach = 4;

// Matrix instructions on registers alone, kChains of them independent of one another.
__global__ void __launch_bounds__(kThreads) products_kernel(int32_t rounds, int32_t* out) {
  const uint32_t seed = threadIdx.x;
  const uint4 a = make_uint4(seed, seed + 1, seed + 2, seed + 3);
  int32_t sums[kChains][4] = {};
  for (int32_t round = 0; round < rounds; ++round) {
#pragma unroll
    for (int32_t k = 0; k < kChains; ++k) nq_mma_s8(sums[k], a, seed + k, seed + round);
  }
  nq_mma_finish();
  int32_t total = 0;
#pragma unroll
  for (int32_t k = 0; k < kChains; ++k) total ^= sums[k][0] ^ sums[k][1] ^ sums[k][2] ^ sums[k][3];
  out[blockIdx.x * kThreads + threadIdx.x] = total;
}

// Least seconds of a few runs of what `body` puts on a stream, after one that warms up.
template <typename Body>
double least_seconds(const Stream& stream, const Body& body) {
  double least = 1e9;
  for (int32_t run = 0; run < 4; ++run) {
    const Event begin(true), end(true);
    begin.record(stream);
    body();
    end.record(stream);
    end.wait();
    if (run > 0) least = std::min(least, seconds_between(begin, end));
  }
  return least;
}

double products_a_second(const Stream& stream, int32_t rounds) {
  int device = 0, processors = 0;
  check(cudaGetDevice(&device));
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
  const int32_t blocks = processors * kBlocksEach;
  const DeviceArray<int32_t> out(int64_t{blocks} * kThreads);
  const LaunchShape shape = {dim3(blocks), dim3(kThreads)};
  const double seconds = least_seconds(stream, [&] { launch(products_kernel, shape, stream, rounds, out.data()); });
  const double each = double{kNqTileRows} * kNqTileColumns * kNqStepOctets * kNqOctet;
  return each * kChains * rounds * blocks * (kThreads / 32) / seconds;
}

double copied_bytes_a_second(const Stream& stream, int64_t size) {
  const DeviceArray<uint8_t> from(size), to(size);
  const double seconds = least_seconds(
      stream, [&] { check(cudaMemcpyAsync(to.data(), from.data(), size, cudaMemcpyDeviceToDevice, stream)); });
  return 2.0 * size / seconds;
}

}  // namespace
}  // namespace nq

int32_t nq_cuda_ceilings(int32_t rounds, int64_t size, double* products, double* bytes) {
  if (rounds < 1 || size < 1) return kNqBadArgument;
  return nq::guarded([&]() -> int32_t {
    const nq::Stream stream;
    *products = nq::products_a_second(stream, rounds);
    *bytes = nq::copied_bytes_a_second(stream, size);
    return kNqOk;
  });
}
