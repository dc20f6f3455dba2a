// The threads of a block, one after the other on the CPU (cuda_runtime.h).
//
// A block's threads run on fibers. One fiber takes thread after thread; a thread that waits keeps its fiber, and
// another goes on with the next thread. When none can go on, whole warps and then the whole block that wait together
// do what they wait for. Anything else is a deadlock on a device as well, or undefined there: it stops the process.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <ucontext.h>

#include "cuda_runtime.h"
#include "warp.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {
namespace {

constexpr size_t kStackBytes = 128 * 1024;
constexpr int32_t kWarp = 32;

enum class State { kReady, kAtBlock, kAtWarp, kDone };

struct Fiber {
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  ucontext_t context = {};
  jmp_buf at = {};
  State state = State::kReady;
  dim3 thread;
  Lane lane;
};

std::vector<std::unique_ptr<Fiber>> fibers;
Fiber* running = nullptr;

const std::function<void()>* body = nullptr;
uint32_t next_thread = 0, thread_count = 0;
std::unique_ptr<char[]> shared;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "emulated CUDA: %s\n", what);
  std::abort();
}

// Sanitizers know ucontext; the others switch by the jumps of C, which make no system calls.
#if defined(__SANITIZE_ADDRESS__)
ucontext_t main_context;

void leave(Fiber& fiber) { swapcontext(&fiber.context, &main_context); }
void enter(Fiber& fiber, bool) { swapcontext(&main_context, &fiber.context); }
#else
jmp_buf main_at;

__attribute__((noinline)) void leave(Fiber& fiber) {
  if (_setjmp(fiber.at) == 0) _longjmp(main_at, 1);
}
__attribute__((noinline)) void enter(Fiber& fiber, bool is_new) {
  if (_setjmp(main_at)) return;
  if (is_new) setcontext(&fiber.context);
  _longjmp(fiber.at, 1);
}
#endif

void fiber_main() {
  Fiber& self = *running;
  for (;;) {
    while (next_thread < thread_count) {
      const uint32_t index = next_thread++;
      threadIdx = {index % blockDim.x, index / blockDim.x % blockDim.y, index / blockDim.x / blockDim.y};
      self.lane.index = static_cast<int32_t>(index % kWarp);
      self.lane.warp = static_cast<int32_t>(index / kWarp);
      (*body)();
      if (!self.lane.products.empty()) fail("a thread ends with matrix instructions that nq_mma_finish has not seen");
    }
    self.state = State::kDone;
    leave(self);
  }
}

void resume(Fiber& fiber, bool is_new) {
  running = &fiber;
  threadIdx = fiber.thread;
  fiber.state = State::kReady;
  enter(fiber, is_new);
  fiber.thread = threadIdx;
}

void wait_as(State state) {
  Fiber& self = *running;
  self.state = state;
  leave(self);
}

// Does what whole warps wait for; true if any did.
bool meet_warps() {
  bool any = false;
  for (size_t first = 0; first < fibers.size(); ++first) {
    if (fibers[first]->state != State::kAtWarp) continue;
    std::vector<Lane*> lanes(kWarp);
    std::vector<Fiber*> members;
    for (const auto& fiber : fibers) {
      if (fiber->state != State::kAtWarp || fiber->lane.warp != fibers[first]->lane.warp) continue;
      lanes[fiber->lane.index] = &fiber->lane;
      members.push_back(fiber.get());
    }
    if (members.size() != kWarp) continue;
    if (const char* wrong = meet(lanes)) fail(wrong);
    for (Fiber* fiber : members) fiber->state = State::kReady;
    any = true;
  }
  return any;
}

// Lets a block go on whose threads have all come to the barrier or ended.
bool meet_all() {
  bool any = false;
  for (const auto& fiber : fibers) {
    if (fiber->state == State::kAtWarp) return false;
    any = any || fiber->state == State::kAtBlock;
  }
  for (const auto& fiber : fibers) {
    if (fiber->state == State::kAtBlock) fiber->state = State::kReady;
  }
  return any;
}

void start_threads() {
  for (size_t k = 0; next_thread < thread_count; ++k) {
    const bool is_new = k == fibers.size();
    if (is_new) {
      fibers.push_back(std::make_unique<Fiber>());
      Fiber& fiber = *fibers.back();
      getcontext(&fiber.context);
      fiber.context.uc_stack.ss_sp = fiber.stack.get();
      fiber.context.uc_stack.ss_size = kStackBytes;
      fiber.context.uc_link = nullptr;
      makecontext(&fiber.context, fiber_main, 0);
    }
    resume(*fibers[k], is_new);
  }
}

void run_block() {
  next_thread = 0;
  start_threads();
  for (;;) {
    bool is_over = true;
    for (const auto& fiber : fibers) is_over = is_over && fiber->state == State::kDone;
    if (is_over) return;
    if (!meet_warps() && !meet_all()) fail("threads wait for others that do not come");
    for (const auto& fiber : fibers) {
      if (fiber->state == State::kReady) resume(*fiber, false);
    }
  }
}

}  // namespace

Lane& this_lane() { return running->lane; }
void* shared_memory() { return shared.get(); }
void meet_block() { wait_as(State::kAtBlock); }
void meet_warp() { wait_as(State::kAtWarp); }

void run_kernel(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread) {
  body = &thread;
  blockDim = block;
  gridDim = grid;
  thread_count = block.x * block.y * block.z;
  for (uint32_t z = 0; z < grid.z; ++z) {
    for (uint32_t y = 0; y < grid.y; ++y) {
      for (uint32_t x = 0; x < grid.x; ++x) {
        shared.reset(new char[shared_bytes]);  // of exactly this size, so that a sanitizer sees what goes beyond
        std::memset(shared.get(), 0xA5, shared_bytes);
        blockIdx = {x, y, z};
        run_block();
      }
    }
  }
  shared.reset();
}

bool is_launchable(dim3 grid, dim3 block, size_t shared_bytes) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  return threads >= 1 && threads <= 1024 && block.z <= 64 && grid.x >= 1 && grid.x <= INT32_MAX && grid.y >= 1 &&
         grid.y <= 65535 && grid.z >= 1 && grid.z <= 65535 && shared_bytes <= 48 * 1024;
}

}  // namespace emulation
