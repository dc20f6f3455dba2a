// The C library from many threads at once: every function against what it gives alone, for a number of rounds.
//
//     stress_threads ROUNDS THREADS
//
// Built by targets.py with ThreadSanitizer, which sees races that change no result, or with AddressSanitizer, which
// sees a loop's work outlive its caller. Ends with a line of counts, or aborts at the first difference.
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <thread>

#include "common/thread_pool.h"
#include "fuzz_input.h"
#include "nq/context_rate.h"
#include "nq/warp_gradient.h"

namespace {

constexpr int kPiece = 700;

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2654435761u + 1) {}

  uint32_t below(uint32_t bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33) % bound;
  }

  // Mostly small, as coded integers are.
  int32_t small(int32_t most) { return static_cast<int32_t>(below(most) * below(most) / most) * (below(2) ? 1 : -1); }

 private:
  uint64_t state_;
};

// Pieces of one tensor, their bytes one after another.
struct Coded {
  std::vector<int32_t> values;
  std::vector<uint8_t> data;
  std::vector<int64_t> sizes;
  uint8_t scale = 14;
  NqCodedPart part = {};

  // The part with `target` for its values.
  NqCodedPart into(std::vector<int32_t>& target) const {
    target.assign(values.size(), -1);
    NqCodedPart copy = part;
    copy.data = data.data(), copy.sizes = sizes.data(), copy.values = target.data();
    copy.scales = {&scale, 1, 1, 0};
    return copy;
  }
};

NqContext some_context(int32_t height) {
  NqContext c = {2, 2, height, 24, kPiece, 8, 300, {}, {}};
  const int32_t mean[] = {26, 24, -12, 4, 26}, scale[] = {16, 16, 4, 8, 16};
  for (int j = 0; j < 5; ++j) c.mean[j] = mean[j], c.scale[j] = scale[j];
  return c;
}

std::unique_ptr<Coded> code(int32_t model, uint32_t seed) {
  auto coded = std::make_unique<Coded>();
  Random random(seed);
  const NqFrequencyTable gaussian = fuzz::gaussian(), logistic = fuzz::logistic();
  NqContext& context = coded->part.context = some_context(5 + static_cast<int32_t>(random.below(40)));
  const int64_t count = model == kNqInContext  ? 4 * context.height * context.width
                        : model == kNqAdaptive ? kPiece + random.below(kPiece) + 1
                                               : 200 + random.below(3000);
  for (int64_t i = 0; i < count; ++i) coded->values.push_back(random.small(40));
  coded->data.resize(static_cast<size_t>(64 + 12 * count));
  const int64_t room = static_cast<int64_t>(coded->data.size());
  coded->part.model = model, coded->part.count = count;
  coded->sizes.assign(static_cast<size_t>(model == kNqGaussian ? 1 : (count + kPiece - 1) / kPiece), 0);
  coded->part.pieces = static_cast<int64_t>(coded->sizes.size());
  const NqScales scales = {&coded->scale, 1, 1, 0};
  if (model == kNqInContext) {
    FUZZ_CHECK(
        !nq_context_encode(&logistic, &context, coded->values.data(), coded->data.data(), room, coded->sizes.data()));
  } else if (model == kNqGaussian) {
    FUZZ_CHECK(!nq_gaussian_encode(&gaussian, coded->values.data(), count, &scales, 0, coded->data.data(), room,
                                   coded->sizes.data()));
  } else {
    const int32_t* const second = coded->values.data() + kPiece;
    uint8_t* const out = coded->data.data();
    FUZZ_CHECK(!nq_adaptive_encode(coded->values.data(), kPiece, 8, out, room, &coded->sizes[0]));
    FUZZ_CHECK(!nq_adaptive_encode(second, count - kPiece, 8, out + coded->sizes[0], room - coded->sizes[0],
                                   &coded->sizes[1]));
  }
  // One in four is damaged: which error it gives, and at which piece, must not depend on threads either.
  if (random.below(4) == 0) coded->data[random.below(static_cast<uint32_t>(coded->sizes[0]))] ^= 1 + random.below(255);
  return coded;
}

struct Outcome {
  std::vector<std::vector<int32_t>> values;
  std::vector<int32_t> status;
  std::vector<int64_t> failed;

  bool operator==(const Outcome& o) const { return status == o.status && failed == o.failed && values == o.values; }
};

Outcome decode(const std::vector<std::unique_ptr<Coded>>& all, int32_t threads) {
  static const NqFrequencyTable gaussian = fuzz::gaussian(), logistic = fuzz::logistic();
  Outcome out;
  out.values.resize(all.size());
  std::vector<NqCodedPart> parts;
  for (size_t i = 0; i < all.size(); ++i) parts.push_back(all[i]->into(out.values[i]));
  const int64_t count = static_cast<int64_t>(parts.size());
  FUZZ_CHECK(nq_decode_parts(&gaussian, &logistic, parts.data(), count, threads) == kNqOk);
  for (size_t i = 0; i < all.size(); ++i) {
    out.status.push_back(parts[i].status);
    out.failed.push_back(parts[i].status ? parts[i].failed : 0);
    if (parts[i].status) out.values[i].clear();
  }
  return out;
}

// A pool of its own with loops in quick succession, whose results live on the caller's stack.
void loops(uint32_t seed, int32_t threads) {
  nq::ThreadPool pool(threads);
  Random random(seed);
  for (int round = 0; round < 40; ++round) {
    int64_t out[64] = {};
    const int64_t count = 1 + random.below(64);
    pool.run(count, [&](int64_t item, int32_t worker) {
      FUZZ_CHECK(worker >= 0 && worker < threads);
      out[item] += item + round;
    });
    for (int64_t i = 0; i < 64; ++i) FUZZ_CHECK(out[i] == (i < count ? i + round : 0));
    if (random.below(8) == 0) std::this_thread::sleep_for(std::chrono::microseconds(random.below(500)));
  }
}

// A grid, a convolution and planes.
struct Network {
  Network() {
    Random random(5);
    for (int i = 0; i < 2 * 4 * 20 * 28; ++i) latent.push_back(static_cast<int16_t>(random.small(100)));
    for (int i = 0; i < 6 * 4 * 9; ++i) weight.push_back(static_cast<int16_t>(random.small(100)));
    NqOp grid = {}, conv = {}, planes = {};
    grid.code = kNqGrid, grid.channels = 4, grid.height = 20, grid.width = 28, grid.map_width = 14, grid.frac = 10;
    grid.times = 2, grid.values = latent.data(), grid.multiplier = multiplier, grid.shift = shift;
    conv.code = kNqConv, conv.input_count = 1, conv.inputs = &places[0], conv.channels = 6, conv.height = 20;
    conv.width = 28, conv.map_width = 14, conv.frac = 10, conv.kernel = 3, conv.activation = kNqGelu;
    conv.values = weight.data(), conv.bias = bias, conv.multiplier = multiplier, conv.shift = conv_shift;
    planes = conv;
    planes.code = kNqPlanes, planes.inputs = &places[1], planes.ratio = 2;
    ops = {grid, conv, planes};
    program = {ops.data(), 3, 4, 8, 3, {{40, 56, 1, 1}, {20, 28, 2, 2}, {20, 28, 2, 2}}, fuzz::activations()};
  }

  std::vector<uint8_t> frames(int32_t threads) const {
    void* handle = nullptr;
    const NqOptions options = {threads, nq_synth_level(), 1, 0};
    FUZZ_CHECK(nq_synth_create(&program, &options, &handle) == kNqOk);
    std::vector<uint8_t> all(4 * 40 * 56 * 3 / 2);
    uint8_t* at = all.data();
    for (int64_t t = 0; t < 4; ++t, at += 40 * 56 * 3 / 2) {
      void* const planes[] = {at, at + 40 * 56, at + 40 * 56 * 5 / 4};
      const int64_t strides[] = {56, 28, 28};
      FUZZ_CHECK(nq_synth_frame(handle, t, planes, strides) == kNqOk);
    }
    nq_synth_destroy(handle);
    return all;
  }

  std::vector<int16_t> latent, weight;
  int32_t places[2] = {0, 1}, bias[6] = {};
  int32_t multiplier[6] = {32768, 32768, 40000, 32768, 32768, 50000};
  int32_t shift[6] = {28, 28, 28, 28, 28, 28}, conv_shift[6] = {20, 21, 20, 20, 20, 21};
  std::vector<NqOp> ops;
  NqProgram program = {};
};

// Bits of a latent and the sum of its gradient.
std::vector<double> rate(uint32_t seed) {
  Random random(seed);
  std::vector<float> values(2 * 3 * 9 * 31), gradient(values.size());
  for (float& v : values) v = static_cast<float>(random.small(900)) / 100;
  const int32_t places[] = {0, 0, 0, -1, 0, 0, -1, 0, -1, 0, 0, 0};
  const float mean[] = {0.4f, 0.3f, 0.2f}, scale[] = {-1.f, -2.f, -1.5f};
  float by_mean[3], by_scale[3];
  NqContextRate r = {values.data(), places, mean,          scale, gradient.data(), by_mean, by_scale, 0, 0,
                     0.1f,          0.01f,  {2, 3, 9, 31}, 3};
  FUZZ_CHECK(nq_context_rate(&r, nq_cpu_level()) == kNqOk);
  double sum = 0;
  for (const float g : gradient) sum += g;
  return {r.bits, sum, r.base_gradient};
}

// A warped map and its gradients, by vectors that lead out of it, too.
std::vector<float> float_warp(int32_t channels) {
  constexpr int32_t kHeight = 11, kWidth = 150, kValues = kHeight * kWidth;
  Random random(7);
  std::vector<float> maps(static_cast<size_t>(kValues * channels)), gradient(maps.size()), vectors(2 * kValues);
  for (std::vector<float>* const values : {&maps, &gradient, &vectors}) {
    for (float& v : *values) v = static_cast<float>(random.small(900)) / 100;
  }
  const NqFloatWarp warp = {maps.data(), vectors.data(), {0, kValues, kWidth, 1}, {1, channels, kHeight, kWidth}, 0.5f};
  std::vector<float> all(2 * maps.size() + vectors.size());
  float* const by_maps = all.data() + maps.size();
  FUZZ_CHECK(nq_float_warp(&warp, all.data(), nq_cpu_level()) == kNqOk);
  FUZZ_CHECK(nq_float_warp_gradients(&warp, gradient.data(), by_maps, by_maps + maps.size(), nq_cpu_level()) == kNqOk);
  return all;
}

}  // namespace

int main(int count, char** words) {
  const int64_t rounds = count > 1 ? std::atoll(words[1]) : 20;
  const int32_t threads = count > 2 ? std::atoi(words[2]) : 4;
  constexpr uint32_t kSets = 6, kParts = 9;
  std::vector<std::vector<std::unique_ptr<Coded>>> sets(kSets);
  std::vector<Outcome> expected;
  for (uint32_t set = 0; set < kSets; ++set) {
    for (uint32_t i = 0; i < kParts; ++i) sets[set].push_back(code(static_cast<int32_t>(i % 3), 100 * set + i));
    expected.push_back(decode(sets[set], 1));
    for (size_t i = 0; i < kParts; ++i) {
      // Damage may go unseen, but what is whole is right.
      if (!expected[set].status[i]) FUZZ_CHECK(expected[set].values[i].size() == sets[set][i]->values.size());
    }
  }
  const Network network;
  const std::vector<uint8_t> picture = network.frames(1);
  const std::vector<double> bits = rate(1);
  const std::vector<float> warped[] = {float_warp(1), float_warp(3)};
  std::atomic<int64_t> done{0};
  const auto work = [&](uint32_t seed) {
    Random random(seed);
    for (int64_t round = 0; round < rounds; ++round, ++done) {
      const uint32_t set = random.below(kSets);
      FUZZ_CHECK(decode(sets[set], 1 + static_cast<int32_t>(random.below(4))) == expected[set]);
      FUZZ_CHECK(network.frames(1 + static_cast<int32_t>(random.below(3))) == picture);
      FUZZ_CHECK(rate(1) == bits);
      FUZZ_CHECK(float_warp(1) == warped[0] && float_warp(3) == warped[1]);
      loops(random.below(1 << 20), 1 + static_cast<int32_t>(random.below(4)));
    }
  };
  std::vector<std::thread> all;
  for (int32_t i = 1; i < threads; ++i) all.emplace_back(work, static_cast<uint32_t>(i));
  work(0);
  for (std::thread& thread : all) thread.join();
  std::printf("%lld rounds\n", static_cast<long long>(done.load()));
  return 0;
}
