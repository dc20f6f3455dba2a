#include "json.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace nqdec {
namespace {

// The code point of the UTF-8 character at `at`, which is moved behind it.
uint32_t take_character(const std::string& words, size_t& at) {
  const auto byte = [&](size_t k) { return static_cast<uint8_t>(words[k]); };
  const uint8_t lead = byte(at);
  const size_t more = lead < 0xC0 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  uint32_t code = more == 0 ? lead : lead & (0x3F >> more);
  ++at;
  for (size_t k = 0; k < more && at < words.size(); ++k) code = code << 6 | (byte(at++) & 0x3F);
  return code;
}

void escape_unit(std::string& out, uint32_t unit) {
  char escaped[8];
  std::snprintf(escaped, sizeof escaped, "\\u%04x", unit);
  out += escaped;
}

std::string quoted(const std::string& words) {
  std::string out = "\"";
  for (size_t at = 0; at < words.size();) {
    const uint32_t code = take_character(words, at);
    switch (code) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (code >= 32 && code < 127) {
          out += static_cast<char>(code);
        } else if (code < 0x10000) {
          escape_unit(out, code);
        } else {
          escape_unit(out, 0xD800 + ((code - 0x10000) >> 10));
          escape_unit(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
        }
    }
  }
  return out + '"';
}

}  // namespace

std::string number_text(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  char scientific[40];
  for (int digits = 0; digits <= 16; ++digits) {
    std::snprintf(scientific, sizeof scientific, "%.*e", digits, value);
    if (std::strtod(scientific, nullptr) == value) break;
  }
  const std::string words = scientific;
  const size_t e = words.find('e');
  const int exponent = std::atoi(words.c_str() + e + 1);
  const std::string sign = words[0] == '-' ? "-" : "";
  std::string digits;
  for (const char c : words.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  if (exponent < -4 || exponent >= 16) {
    const std::string power = std::string(exponent < 0 ? "-" : "+") + (std::abs(exponent) < 10 ? "0" : "");
    const std::string rest = digits.size() > 1 ? "." + digits.substr(1) : "";
    return sign + digits[0] + rest + "e" + power + std::to_string(std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

Json::Json(const std::string& value) : kind_(Kind::kText), text_(quoted(value)) {}

Json Json::number(std::string digits) {
  Json json;
  json.text_ = std::move(digits);
  return json;
}

Json& Json::add(Json value) {
  entries_.emplace_back("", std::move(value));
  return *this;
}

Json& Json::set(const std::string& name, Json value) {
  entries_.emplace_back(name, std::move(value));
  return *this;
}

std::string Json::line() const {
  std::string out;
  write(out, 0, false);
  return out;
}

std::string Json::lines() const {
  std::string out;
  write(out, 0, true);
  return out;
}

void Json::write(std::string& out, int depth, bool is_indented) const {
  if (kind_ == Kind::kText) {
    out += text_;
    return;
  }
  const bool is_list = kind_ == Kind::kList;
  const auto new_line = [&](int at) {
    if (is_indented) out += "\n" + std::string(static_cast<size_t>(at), ' ');
  };
  out += is_list ? '[' : '{';
  for (size_t k = 0; k < entries_.size(); ++k) {
    if (k) out += is_indented ? "," : ", ";
    new_line(depth + 1);
    if (!is_list) out += quoted(entries_[k].first) + ": ";
    entries_[k].second.write(out, depth + 1, is_indented);
  }
  if (!entries_.empty()) new_line(depth);
  out += is_list ? ']' : '}';
}

}  // namespace nqdec
