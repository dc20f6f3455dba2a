// Makes frames on a CUDA device (formats/nq.md, 6): batches in flight, and the C interface of nq/synthesis.h. Compiled
// wherever nvcc is and run on the CPU by tests (tests/support/cuda_emulation), not yet on a device.
//
// What a batch launches is captured into a graph once; only the places of its frames are new each time, and the graph
// begins by fetching them. Computing has one stream, copying planes to the host another, so that both go on at once.
#include <algorithm>
#include <cstring>
#include <deque>

#include "cuda/device_program.h"

namespace nq {
namespace {

constexpr int32_t kGoodBatch = 16, kMostBatch = 1024;

// A batch in flight: where its frames are, and the graph that makes them.
class Slot {
 public:
  Slot(const DeviceProgram& program, int32_t frames)
      : program_(program),
        frames_(frames),
        picture_bytes_(picture_bytes(program.program())),
        places_on_host_(program.place_count() * frames),
        places_(program.place_count() * frames),
        pictures_(picture_bytes_ * frames),
        pictures_on_host_(picture_bytes_ * frames) {}

  int32_t frames() const { return frames_; }
  int32_t count() const { return count_; }

  // The same launches without a graph.
  void run(int64_t first, cudaStream_t compute, const std::function<void(int32_t)>& after = nullptr) {
    program_.find_places(first, frames_, places_on_host_.data());
    fetch_places(compute);
    if (after) after(-1);
    program_.run(batch(compute), after);
  }

  // Makes frames from `first` on, which stay in device memory. Whatever the slot made before must be done with.
  void compute(int64_t first, cudaStream_t compute) {
    if (!graph_) capture(compute);
    program_.find_places(first, frames_, places_on_host_.data());
    graph_->start(compute);
    computed_.record(compute);
  }

  void wait_computed() const { computed_.wait(); }

  // Copies the first `count` frames to the host when they are made.
  void fetch(int32_t count, cudaStream_t copy) {
    check(cudaStreamWaitEvent(copy, computed_, 0));
    check(cudaMemcpyAsync(pictures_on_host_.data(), pictures_.data(), picture_bytes_ * count, cudaMemcpyDeviceToHost,
                          copy));
    copied_.record(copy);
    count_ = count;
  }

  void finish(void* const* planes, const int64_t* strides) const {
    copied_.wait();
    const NqProgram& program = program_.program();
    const uint8_t* from = pictures_on_host_.data();
    for (int32_t k = 0; k < count_ * program.plane_count; ++k) {
      const int32_t plane = k % program.plane_count, height = program.planes[plane].height;
      const int64_t row = plane_bytes(program, plane) / height;
      uint8_t* to = static_cast<uint8_t*>(planes[k]);
      for (int32_t y = 0; y < height; ++y, from += row, to += strides[k]) std::memcpy(to, from, row);
    }
  }

 private:
  Batch batch(cudaStream_t compute) const { return {frames_, compute, places_.data(), pictures_.data()}; }

  void capture(cudaStream_t compute) {
    graph_ = std::make_unique<Graph>(compute, [&] {
      fetch_places(compute);
      program_.run(batch(compute));
    });
  }

  void fetch_places(cudaStream_t compute) const {
    if (places_.bytes() == 0) return;
    check(cudaMemcpyAsync(places_.data(), places_on_host_.data(), places_.bytes(), cudaMemcpyHostToDevice, compute));
  }

  const DeviceProgram& program_;
  const int32_t frames_;
  const int64_t picture_bytes_;
  int32_t count_ = 0;  // frames that are fetched
  PinnedArray<FramePlace> places_on_host_;
  DeviceArray<FramePlace> places_;
  DeviceArray<uint8_t> pictures_;
  PinnedArray<uint8_t> pictures_on_host_;
  Event computed_, copied_;
  std::unique_ptr<Graph> graph_;
};

int64_t free_bytes() {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total));
  return static_cast<int64_t>(free / 10 * 8);
}

// The batch asked for, or else as many frames as are good, no more than fit; 0 if not even one does.
int32_t choose_batch(const NqProgram& program, const DeviceMemory& memory, const NqCudaOptions& options) {
  const int64_t most = options.most_bytes > 0 ? std::min(options.most_bytes, free_bytes()) : free_bytes();
  const int32_t asked = options.batch > 0 ? std::min(options.batch, kMostBatch) : kGoodBatch;
  const int32_t batch = std::min(asked, program.frames);
  return static_cast<int32_t>(std::clamp<int64_t>((most - memory.fixed) / memory.each, 0, batch));
}

class Synthesizer {
 public:
  Synthesizer(const NqProgram& program, int32_t batch, int64_t bytes)
      : bytes_(bytes), program_(program, batch), single_(program_, 1), slots_{{program_, batch}, {program_, batch}} {
    // Kernels are loaded when they are first launched, which a capture may not be.
    single_.run(0, compute_);
    compute_.wait();
  }

  ~Synthesizer() {
    static_cast<void>(cudaStreamSynchronize(compute_));
    static_cast<void>(cudaStreamSynchronize(copy_));
  }

  int32_t batch() const { return slots_[0].frames(); }
  int64_t bytes() const { return bytes_; }
  void work(NqCudaWork* by_operation) const { program_.work(by_operation); }

  int32_t begin(int64_t first, int32_t count) {
    if (!has_frames(first, count) || count > batch()) return kNqBadProgram;
    if (begun_.size() == kSlots) return kNqBadArgument;
    Slot& slot = slots_[next_];
    slot.compute(first, compute_);
    slot.fetch(count, copy_);
    begun_.push_back(&slot);
    next_ = (next_ + 1) % kSlots;
    return kNqOk;
  }

  int32_t finish(int32_t count, void* const* planes, const int64_t* strides) {
    if (begun_.empty() || begun_.front()->count() != count) return kNqBadArgument;
    const Slot& slot = *begun_.front();
    begun_.pop_front();
    slot.finish(planes, strides);
    return kNqOk;
  }

  int32_t frame(int64_t t, void* const* planes, const int64_t* strides) {
    if (!has_frames(t, 1)) return kNqBadProgram;
    single_.compute(t, compute_);
    single_.fetch(1, copy_);
    single_.finish(planes, strides);
    return kNqOk;
  }

  int32_t repeat(int32_t batches, double* seconds) {
    if (!begun_.empty() || batches < 1) return kNqBadArgument;
    const Event begin(true), end(true);
    begin.record(compute_);
    for (int32_t k = 0; k < batches; ++k) {
      Slot& slot = slots_[k % kSlots];
      if (k >= kSlots) slot.wait_computed();  // its places are about to change
      slot.compute(int64_t{k} * batch() % program_.program().frames, compute_);
    }
    end.record(compute_);
    end.wait();
    *seconds = seconds_between(begin, end);
    return kNqOk;
  }

  int32_t seconds(double* by_operation) {
    if (!begun_.empty()) return kNqBadArgument;
    std::fill_n(by_operation, program_.program().op_count, 0.0);
    std::vector<std::pair<int32_t, std::unique_ptr<Event>>> marks;
    slots_[0].run(0, compute_, [&](int32_t op) {
      marks.emplace_back(op, std::make_unique<Event>(true));
      marks.back().second->record(compute_);
    });
    compute_.wait();
    for (size_t k = 1; k < marks.size(); ++k) {
      by_operation[marks[k].first] = seconds_between(*marks[k - 1].second, *marks[k].second);
    }
    return kNqOk;
  }

 private:
  bool has_frames(int64_t first, int32_t count) const {
    return count >= 1 && first >= 0 && first <= program_.program().frames - count;
  }

  const int64_t bytes_;
  const Stream compute_, copy_;
  const DeviceProgram program_;
  Slot single_;
  Slot slots_[kSlots];
  std::deque<Slot*> begun_;  // the first to finish at the front
  int32_t next_ = 0;
};

Synthesizer& at(void* handle) { return *static_cast<Synthesizer*>(handle); }

}  // namespace
}  // namespace nq

NQ_API int nq_cuda_abi_version() { return kNqAbiVersion; }

int32_t nq_cuda_device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

const char* nq_cuda_error() { return nq::last_error().c_str(); }

int64_t nq_cuda_program_bytes(const NqProgram* program, int32_t batch) {
  if (!nq::is_valid_program(*program)) return 0;
  int64_t bytes = INT64_MAX;
  nq::guarded([&] {
    bytes = nq::device_memory(*program, nq::plan_device(*program)).bytes(batch);
    return int32_t{kNqOk};
  });
  return bytes;
}

int32_t nq_cuda_synth_create(const NqProgram* program, const NqCudaOptions* options, void** handle) {
  *handle = nullptr;
  if (!nq::is_valid_program(*program)) return kNqBadProgram;
  return nq::guarded([&]() -> int32_t {
    const nq::DeviceMemory memory = nq::device_memory(*program, nq::plan_device(*program));
    const int32_t batch = nq::choose_batch(*program, memory, *options);
    if (batch < 1) return kNqNoResources;
    *handle = new nq::Synthesizer(*program, batch, memory.bytes(batch));
    return kNqOk;
  });
}

int32_t nq_cuda_synth_batch(void* handle) { return nq::at(handle).batch(); }
int64_t nq_cuda_synth_bytes(void* handle) { return nq::at(handle).bytes(); }

int32_t nq_cuda_synth_begin(void* handle, int64_t first, int32_t count) {
  return nq::guarded([&] { return nq::at(handle).begin(first, count); });
}

int32_t nq_cuda_synth_finish(void* handle, int32_t count, void* const* planes, const int64_t* strides) {
  return nq::guarded([&] { return nq::at(handle).finish(count, planes, strides); });
}

int32_t nq_cuda_synth_frame(void* handle, int64_t t, void* const* planes, const int64_t* strides) {
  return nq::guarded([&] { return nq::at(handle).frame(t, planes, strides); });
}

int32_t nq_cuda_synth_repeat(void* handle, int32_t batches, double* seconds) {
  return nq::guarded([&] { return nq::at(handle).repeat(batches, seconds); });
}

int32_t nq_cuda_synth_seconds(void* handle, double* by_operation) {
  return nq::guarded([&] { return nq::at(handle).seconds(by_operation); });
}

void nq_cuda_synth_work(void* handle, NqCudaWork* by_operation) { nq::at(handle).work(by_operation); }

void nq_cuda_synth_destroy(void* handle) { delete static_cast<nq::Synthesizer*>(handle); }
