#include "joined_times.h"

#include <algorithm>

#include "failure.h"

namespace nqdec {
namespace {

// A tick in lowest terms.
struct Tick {
  Wide num, den;
};

Wide common_divisor(Wide a, Wide b) {
  while (b) {
    const Wide rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

Wide product(Wide a, Wide b) {
  if (b && a > ~Wide{0} / b) fail("the segments' frame times have no common tick that can be shown");
  return a * b;
}

Tick tick_of(const nq::Container& file, const nq::Segment& segment) {
  const Wide num = segment.times ? segment.times->tick_num : file.video().fps_den;
  const Wide den = segment.times ? segment.times->tick_den : file.video().fps_num;
  const Wide common = common_divisor(num, den);
  return {num / common, den / common};
}

// The largest tick of which every segment's is a multiple.
Tick common_tick(const nq::Container& file) {
  Tick joined = {0, 1};
  for (const auto& segment : file.segments()) {
    const Wide den = tick_of(file, *segment).den;
    joined.den = product(joined.den / common_divisor(joined.den, den), den);
  }
  for (const auto& segment : file.segments()) {
    const Tick tick = tick_of(file, *segment);
    joined.num = common_divisor(joined.num, product(tick.num, joined.den / tick.den));
  }
  return joined;
}

void add_run(JoinedTimes& joined, Wide ticks, uint64_t frames) {
  if (!joined.runs.empty() && joined.runs.back().first == ticks) {
    joined.runs.back().second += frames;
  } else {
    joined.runs.emplace_back(ticks, frames);
  }
}

}  // namespace

std::string wide_text(Wide number) {
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(number % 10)));
    number /= 10;
  } while (number);
  return digits;
}

std::optional<JoinedTimes> joined_times(const nq::Container& file) {
  const auto& segments = file.segments();
  const auto has_times = [](const auto& segment) { return segment->times.has_value(); };
  if (std::none_of(segments.begin(), segments.end(), has_times)) return std::nullopt;
  const Tick joined_tick = common_tick(file);
  const Wide common = common_divisor(joined_tick.num, joined_tick.den);
  JoinedTimes joined = {joined_tick.num / common, joined_tick.den / common, 0, {}};
  for (const auto& segment : segments) {
    const Tick tick = tick_of(file, *segment);
    const Wide scale = product(tick.num, joined_tick.den / tick.den) / joined_tick.num;
    if (!segment->times) {
      add_run(joined, scale, segment->frames);
      continue;
    }
    const std::vector<nq::FrameTimes::Run>& runs = segment->times->runs;
    for (size_t k = 0; k < runs.size(); ++k) {
      const uint32_t end = k + 1 < runs.size() ? runs[k + 1].first : segment->frames;
      add_run(joined, product(runs[k].ticks, scale), end - runs[k].first);
    }
    if (segment == segments.front()) joined.start = product(segment->times->start, scale);
  }
  return joined;
}

}  // namespace nqdec
