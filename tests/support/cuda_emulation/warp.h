// What the lanes of a warp do together (threads.cpp, warp.cpp).
#ifndef NQ_EMULATED_WARP_H
#define NQ_EMULATED_WARP_H

#include <cstdint>
#include <vector>

namespace emulation {

// A lane's part of mma.sync.m16n8k32, done when the warp meets.
struct Product {
  int32_t* d;
  uint32_t a[4], b[2];
};

enum class Meeting { kExchange, kProducts };

struct Lane {
  int32_t index = 0, warp = 0;
  Meeting meeting = Meeting::kExchange;
  uint32_t value = 0;  // of an exchange: this lane's, then the other's
  int32_t lane_mask = 0;
  std::vector<Product> products;
};

Lane& this_lane();
void* shared_memory();
void meet_warp();  // until all lanes of the warp have come, and `meet` is done

// Does what 32 lanes have come for; what is wrong with it, or null.
const char* meet(const std::vector<Lane*>& lanes);

}  // namespace emulation

#endif  // NQ_EMULATED_WARP_H
