// JSON as Python's json module writes it: the same texts for the same values.
#ifndef NQDEC_JSON_H
#define NQDEC_JSON_H

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace nqdec {

// A number as Python's repr has it: the fewest digits that give it again.
std::string number_text(double value);

class Json {
 public:
  Json() : kind_(Kind::kText), text_("null") {}
  template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
  Json(T value) : kind_(Kind::kText), text_(std::to_string(value)) {}
  Json(bool value) : kind_(Kind::kText), text_(value ? "true" : "false") {}
  Json(double value) : kind_(Kind::kText), text_(number_text(value)) {}
  Json(const std::string& value);
  Json(const char* value) : Json(std::string(value)) {}

  // An integer of any size, from its digits.
  static Json number(std::string digits);
  static Json list() { return Json(Kind::kList); }
  static Json object() { return Json(Kind::kObject); }

  // A list with one more entry, an object with one more member, which keep their order.
  Json& add(Json value);
  Json& set(const std::string& name, Json value);

  // On one line, or with each entry on a line of its own, indented by a space a level.
  std::string line() const;
  std::string lines() const;

 private:
  enum class Kind { kText, kList, kObject };

  explicit Json(Kind kind) : kind_(kind) {}
  void write(std::string& out, int depth, bool is_indented) const;

  Kind kind_;
  std::string text_;  // of what is neither list nor object, as it is written
  std::vector<std::pair<std::string, Json>> entries_;
};

}  // namespace nqdec

#endif  // NQDEC_JSON_H
