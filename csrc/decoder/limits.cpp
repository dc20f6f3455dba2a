#include "decoder/limits.h"

#include <algorithm>
#include <iterator>

#include "decoder/error.h"

namespace nq {

void check_limit(const NqLimits& limits, uint64_t NqLimits::* limit, Count asked, std::string_view file) {
  if (asked <= limits.*limit) return;
  const LimitKind& kind = *std::find_if(std::begin(kLimitKinds), std::end(kLimitKinds),
                                        [&](const LimitKind& each) { return each.member == limit; });
  std::string way = text("nqdec --limits ", kind.name, "=", asked, " lifts it, for a file that you trust");
  if (asked > kind.most) way = text(kind.most, " is the most that can be decoded at all");
  const std::string number = text(asked == kMostCount ? "at least " : "", asked);
  throw Error{NQ_ERROR_LIMIT, about(file, text("the file asks for ", number, " ", kind.what, ", and the limit is ",
                                               limits.*limit, ": ", way))};
}

}  // namespace nq
