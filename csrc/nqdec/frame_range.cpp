#include "frame_range.h"

#include <cstdio>
#include <numeric>
#include <vector>

#include "decoder/limits.h"
#include "failure.h"

namespace nqdec {
namespace {

constexpr size_t kMostDigits = 9;  // of a number, and of the decimals of a second that are told apart
constexpr uint64_t kBillion = 1000000000;

// A frame number, or a time in seconds and billionths.
struct Position {
  bool is_time;
  uint64_t number, billionths;

  uint64_t frame(const NqVideo& video) const {
    if (!is_time) return number;
    // ceil((number + billionths / 10^9) * num / den): the first that is shown at the time or later.
    const uint64_t num = video.fps_num, den = video.fps_den;
    const uint64_t frames = nq::multiply(number, num) / den, rest = nq::multiply(number, num) % den;
    const uint64_t part = billionths * num;  // below 2^62, in billionths of frames / den
    const uint64_t whole = rest + part / kBillion, fraction = part % kBillion;
    return frames + whole / den + (whole % den > 0 || fraction > 0);
  }
};

bool is_digits(const std::string& words) {
  return !words.empty() && words.find_first_not_of("0123456789") == std::string::npos;
}

// Digits as a number; false for none, or more than kMostDigits.
bool take_number(const std::string& words, uint64_t& number) {
  if (!is_digits(words) || words.size() > kMostDigits) return false;
  number = std::stoull(words);
  return true;
}

// "1.5", ".5" or "2": a number of units of 10^-`scale` seconds.
bool take_decimal(const std::string& words, int scale, Position& position) {
  const size_t dot = words.find('.');
  std::string whole = words.substr(0, dot), decimals = dot == std::string::npos ? "" : words.substr(dot + 1);
  if ((dot != std::string::npos && !is_digits(decimals)) || (whole.empty() && dot == std::string::npos)) return false;
  if (whole.empty()) whole = "0";
  if (!is_digits(whole) || whole.size() > kMostDigits) return false;
  // The point moves to the left by `scale` digits; what is beyond billionths is rounded up, as a frame is.
  std::string digits(static_cast<size_t>(scale), '0');
  digits += whole;
  const std::string seconds = digits.substr(0, digits.size() - static_cast<size_t>(scale));
  std::string parts = digits.substr(digits.size() - static_cast<size_t>(scale)) + decimals;
  const bool has_more = parts.size() > kMostDigits && parts.find_first_not_of('0', kMostDigits) != std::string::npos;
  parts.resize(kMostDigits, '0');
  position = {true, std::stoull(seconds), std::stoull(parts) + has_more};
  return true;
}

bool ends_with(const std::string& words, const std::string& end) {
  return words.size() > end.size() && words.compare(words.size() - end.size(), end.size(), end) == 0;
}

// MM:SS or HH:MM:SS, the seconds with or without decimals.
bool take_clock(const std::string& words, Position& position) {
  std::vector<std::string> parts(1);
  for (const char c : words) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  uint64_t hours = 0, minutes = 0;
  const size_t count = parts.size();
  if (count < 2 || count > 3 || (count == 3 && !take_number(parts[0], hours))) return false;
  const std::string& minute = parts[count - 2];
  const std::string whole = parts[count - 1].substr(0, parts[count - 1].find('.'));
  if (minute.size() > 2 || !take_number(minute, minutes) || minutes >= 60) return false;
  if (whole.empty() || whole.size() > 2 || !take_decimal(parts[count - 1], 0, position) || position.number >= 60) {
    return false;
  }
  position.number += 3600 * hours + 60 * minutes;
  return true;
}

bool take_position(const std::string& words, Position& position) {
  position = {false, 0, 0};
  if (take_number(words, position.number)) return true;
  if (ends_with(words, "us")) return take_decimal(words.substr(0, words.size() - 2), 6, position);
  if (ends_with(words, "ms")) return take_decimal(words.substr(0, words.size() - 2), 3, position);
  if (ends_with(words, "s")) return take_decimal(words.substr(0, words.size() - 1), 0, position);
  return take_clock(words, position);
}

// Both ends of a range, or a single place; false for what is neither.
bool take_ends(const std::string& words, uint32_t frames, Position& first, Position& last, bool& is_single) {
  is_single = false;
  last = {false, frames, 0};
  const size_t dash = words.find('-');
  if (dash != std::string::npos) {
    const std::string end = words.substr(dash + 1);
    if (!take_position(words.substr(0, dash), first) || (!end.empty() && !take_position(end, last))) return false;
    return first.is_time || last.is_time;  // elsewhere N-M often includes M
  }
  const size_t colon = words.find(':');
  if (colon == std::string::npos || words.find(':', colon + 1) != std::string::npos) {
    is_single = true;
    return take_position(words, first);
  }
  const std::string begin = words.substr(0, colon), end = words.substr(colon + 1);
  first = {false, 0, 0};
  return (begin.empty() || take_position(begin, first)) && (end.empty() || take_position(end, last));
}

}  // namespace

std::string rate_text(const NqVideo& video) {
  const uint32_t common = std::gcd(video.fps_num, video.fps_den), den = video.fps_den / common;
  return text(video.fps_num / common, den > 1 ? text("/", den) : "");
}

FrameRange parse_range(const std::string& words, uint32_t frames, const NqVideo& video) {
  Position first, last;
  bool is_single = false;
  if (!take_ends(words, frames, first, last, is_single)) {
    usage(text("--frames ", words,
               ": write A:B with frame numbers or times such as 1.5s, A-B with clock times such as 00:00:02-00:00:04, "
               "or one of them for a single frame"));
  }
  const uint64_t begin = first.frame(video), end = is_single ? begin + 1 : last.frame(video);
  if (begin >= end || end > frames) {
    char seconds[64];
    std::snprintf(seconds, sizeof seconds, "%.2f", static_cast<double>(frames) * video.fps_den / video.fps_num);
    usage(text("--frames ", words, ": not within 0:", frames, " (", seconds, " s at ", rate_text(video),
               " frames a second)"));
  }
  return {static_cast<uint32_t>(begin), static_cast<uint32_t>(end)};
}

}  // namespace nqdec
