#include "warp.h"

#include <cstring>

#include "cuda/mma.h"

namespace emulation {
namespace {

using Row = int16_t[32];

// The signed bytes of a register, the first lowest.
void unpack(uint32_t word, int16_t* out) {
  for (int32_t i = 0; i < 4; ++i) out[i] = static_cast<int8_t>(word >> (8 * i));
}

// Fragments as the PTX ISA lays them out for mma.m16n8k32 with 8-bit integers: groupID = lane / 4, and
// threadID_in_group = lane % 4.
void multiply(const std::vector<Lane*>& lanes, size_t which) {
  alignas(64) Row a[16], b[8];
  for (int32_t lane = 0; lane < 32; ++lane) {
    const Product& p = lanes[lane]->products[which];
    const int32_t group = lane / 4, thread = lane % 4;
    for (int32_t i = 0; i < 4; ++i) unpack(p.a[i], &a[group + 8 * (i % 2)][4 * thread + 16 * (i / 2)]);
    for (int32_t i = 0; i < 2; ++i) unpack(p.b[i], &b[group][4 * thread + 16 * i]);
  }
  uint32_t d[16][8];
  for (int32_t row = 0; row < 16; ++row) {
    for (int32_t column = 0; column < 8; ++column) {
      int32_t sum = 0;
      for (int32_t k = 0; k < 32; ++k) sum += int32_t{a[row][k]} * b[column][k];
      d[row][column] = static_cast<uint32_t>(sum);
    }
  }
  for (int32_t lane = 0; lane < 32; ++lane) {
    int32_t* const out = lanes[lane]->products[which].d;
    for (int32_t i = 0; i < 4; ++i) {
      const uint32_t add = d[lane / 4 + 8 * (i / 2)][lane % 4 * 2 + i % 2];
      out[i] = static_cast<int32_t>(static_cast<uint32_t>(out[i]) + add);
    }
  }
}

const char* multiply_all(const std::vector<Lane*>& lanes) {
  const size_t count = lanes[0]->products.size();
  for (const Lane* lane : lanes) {
    if (lane->products.size() != count) return "lanes of a warp have not done the same matrix instructions";
  }
  for (size_t which = 0; which < count; ++which) multiply(lanes, which);
  for (Lane* lane : lanes) lane->products.clear();
  return nullptr;
}

const char* exchange(const std::vector<Lane*>& lanes) {
  uint32_t values[32];
  for (int32_t k = 0; k < 32; ++k) values[k] = lanes[k]->value;
  for (int32_t k = 0; k < 32; ++k) {
    if (lanes[k]->lane_mask != lanes[0]->lane_mask) return "lanes of a warp exchange over different distances";
    lanes[k]->value = values[(k ^ lanes[k]->lane_mask) & 31];
  }
  return nullptr;
}

}  // namespace

const char* meet(const std::vector<Lane*>& lanes) {
  for (const Lane* lane : lanes) {
    if (lane->meeting != lanes[0]->meeting) return "lanes of a warp have come for different things";
  }
  return lanes[0]->meeting == Meeting::kProducts ? multiply_all(lanes) : exchange(lanes);
}

uint32_t exchange_xor(uint32_t value, int32_t lane_mask) {
  Lane& lane = this_lane();
  lane.meeting = Meeting::kExchange;
  lane.value = value;
  lane.lane_mask = lane_mask;
  meet_warp();
  return lane.value;
}

}  // namespace emulation

namespace nq {

void nq_mma_s8(int32_t (&d)[4], const uint4& a, uint32_t b0, uint32_t b1) {
  emulation::this_lane().products.push_back({d, {a.x, a.y, a.z, a.w}, {b0, b1}});
}

void nq_mma_finish() {
  emulation::Lane& lane = emulation::this_lane();
  lane.meeting = emulation::Meeting::kProducts;
  emulation::meet_warp();
}

void* nq_emulated_shared_memory() { return emulation::shared_memory(); }

}  // namespace nq
