#include "decoder/frames.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "decoder/error.h"
#include "decoder/limits.h"

namespace nq {
namespace {

constexpr int32_t kLowMemoryBands = 8;                // maps of about an eighth, for a third more work
constexpr Count kMostParallelBytes = Count{1} << 26;  // of all synthesizers beside one another

Count needed_bytes(const Network& network, const NqOptions& options) {
  return static_cast<Count>(nq_program_bytes(&network.flat(), &options));
}

Count tensor_bytes(const Network& network) { return multiply(kParameterBytes, network.program().parameters()); }

Frame make_frame(const Synthesizing& synthesizer, const NqVideo& video, const PictureAllocator& allocator, uint32_t t,
                 bool hashes) {
  Frame frame;
  frame.picture = OwnedPicture(allocator.allocate(video));
  synthesizer.frame(t, frame.picture.get());
  if (hashes) {
    Md5 md5;
    hash_picture(md5, frame.picture.get());
    frame.md5 = md5.digest();
  }
  return frame;
}

class SharedFrames : public FrameSource {
 public:
  SharedFrames(const Network& network, const NqOptions& options, const NqVideo& video,
               const PictureAllocator& allocator, uint32_t begin, bool hashes)
      : synthesizer_(network, options), video_(video), allocator_(allocator), next_(begin), hashes_(hashes) {}

  Frame next() override { return make_frame(synthesizer_, video_, allocator_, next_++, hashes_); }

 private:
  Synthesizing synthesizer_;
  NqVideo video_;
  PictureAllocator allocator_;
  uint32_t next_;
  bool hashes_;
};

// Keeps at most one frame more than there are synthesizers.
class ParallelFrames : public FrameSource {
 public:
  ParallelFrames(const Network& network, const NqOptions& options, int32_t workers, const NqVideo& video,
                 const PictureAllocator& allocator, uint32_t begin, uint32_t end, bool hashes)
      : video_(video), allocator_(allocator), started_(begin), given_(begin), end_(end), hashes_(hashes) {
    for (int32_t k = 0; k < workers; ++k) {
      synthesizers_.push_back(std::make_unique<Synthesizing>(network, options));
    }
    try {
      for (const auto& synthesizer : synthesizers_) {
        threads_.emplace_back([this, &synthesizer] { work(*synthesizer); });
      }
    } catch (...) {
      stop();
      throw;
    }
  }

  ~ParallelFrames() override { stop(); }

  Frame next() override {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return made_.count(given_) > 0; });
    Made made = std::move(made_.at(given_));
    made_.erase(given_++);
    lock.unlock();
    changed_.notify_all();
    if (made.failure) std::rethrow_exception(made.failure);
    return std::move(made.frame);
  }

 private:
  struct Made {
    Frame frame;
    std::exception_ptr failure;
  };

  bool has_room() const { return started_ < end_ && started_ - given_ <= synthesizers_.size(); }

  void work(const Synthesizing& synthesizer) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || has_room(); });
      if (stopping_) return;
      const uint32_t t = started_++;
      lock.unlock();
      Made made;
      try {
        made.frame = make_frame(synthesizer, video_, allocator_, t, hashes_);
      } catch (...) {
        made.failure = std::current_exception();
      }
      lock.lock();
      made_.emplace(t, std::move(made));
      changed_.notify_all();
    }
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  NqVideo video_;
  PictureAllocator allocator_;
  std::vector<std::unique_ptr<Synthesizing>> synthesizers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint32_t, Made> made_;  // frames that wait to be given
  uint32_t started_, given_, end_;
  bool hashes_, stopping_ = false;
  std::vector<std::thread> threads_;
};

// Number of synthesizers for `count` frames: one, or so many that each has two frames or more and all fit.
int32_t workers_for(const Network& network, const Machine& machine, uint32_t count, const NqLimits& limits) {
  const Count tensors = tensor_bytes(network);
  const Count most = std::min(kMostParallelBytes, limits.memory > tensors ? limits.memory - tensors : 0);
  const auto useful = static_cast<int32_t>(std::min<uint32_t>(static_cast<uint32_t>(machine.threads), count / 2));
  for (int32_t workers = useful; workers > 1; --workers) {
    const NqOptions options = {machine.threads / workers, machine.level, 1, 0};
    if (multiply(static_cast<Count>(workers), needed_bytes(network, options)) <= most) return workers;
  }
  return 1;
}

}  // namespace

Synthesizing::Synthesizing(const Network& network, const NqOptions& options) {
  const int32_t status = nq_synth_create(&network.flat(), &options, &handle_);
  if (status == kNqNoResources) throw std::bad_alloc();
  if (status == kNqBadLevel) throw_unsupported("", "this CPU does not have the instruction set asked for");
  if (status != kNqOk) throw Error{NQ_ERROR_FORMAT, "the program is not valid"};
}

void Synthesizing::frame(uint32_t t, const NqPicture& picture) const {
  int64_t strides[3];
  std::copy_n(picture.stride, 3, strides);
  nq_synth_frame(handle_, t, picture.data, strides);  // which fails only outside the segment
}

NqOptions synthesis_options(const Machine& machine) {
  return {machine.threads, machine.level, machine.low_memory ? kLowMemoryBands : 1, 0};
}

void check_memory(const Network& network, const NqOptions& options, const NqLimits& limits, std::string_view file) {
  check_limit(limits, &NqLimits::memory, add(needed_bytes(network, options), tensor_bytes(network)), file);
}

std::unique_ptr<FrameSource> open_frames(const Network& network, const NqVideo& video, const NqLimits& limits,
                                         const Machine& machine, const PictureAllocator& allocator, uint32_t begin,
                                         uint32_t end, std::string_view file) {
  const int32_t workers = machine.low_memory ? 1 : workers_for(network, machine, end - begin, limits);
  if (workers > 1) {
    const NqOptions each = {machine.threads / workers, machine.level, 1, 0};
    return std::make_unique<ParallelFrames>(network, each, workers, video, allocator, begin, end, machine.hashes);
  }
  const NqOptions options = synthesis_options(machine);
  check_memory(network, options, limits, file);
  return std::make_unique<SharedFrames>(network, options, video, allocator, begin, machine.hashes);
}

}  // namespace nq
