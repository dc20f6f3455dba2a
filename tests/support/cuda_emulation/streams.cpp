// Memory, streams, events and graphs (cuda_runtime.h), as late as CUDA allows.
//
// Work put on a stream is done only when something waits for it, and a copy to the host or from pinned memory sees
// memory as it is then: what a program forgets to wait for, it reads too early or overwrites too soon. A copy from
// other memory of the host returns when that is read, and may arrive later.
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <vector>

#include "cuda_runtime.h"

namespace emulation {

struct Stream {
  std::deque<std::function<void()>> queue;
  emulatedGraph* capture = nullptr;
};

namespace {

Stream default_stream;
std::set<Stream*> streams = {&default_stream};

constexpr size_t kDeviceBytes = size_t{1} << 33;

void do_first(Stream& stream) {
  const std::function<void()> work = std::move(stream.queue.front());
  stream.queue.pop_front();
  work();
}

void do_all(Stream& stream) {
  while (!stream.queue.empty()) do_first(stream);
}

void do_everything() {
  for (Stream* stream : streams) do_all(*stream);
}

Stream& actual(Stream* stream) { return stream ? *stream : default_stream; }

}  // namespace
}  // namespace emulation

struct emulatedGraph {
  std::vector<std::function<void()>> nodes;
};

// An event is over when the last mark recorded for it is.
struct emulatedEvent {
  emulation::Stream* stream = nullptr;
  std::shared_ptr<bool> is_over = std::make_shared<bool>(true);

  void finish() const { finish(stream, is_over); }
  static void finish(emulation::Stream* stream, const std::shared_ptr<bool>& is_over) {
    while (!*is_over) emulation::do_first(*stream);
  }
};

namespace emulation {

void put(Stream* stream, std::function<void()> work) {
  Stream& on = actual(stream);
  if (on.capture) {
    on.capture->nodes.push_back(std::move(work));
  } else {
    on.queue.push_back(std::move(work));
  }
}

}  // namespace emulation

using emulation::actual;

const char* cudaGetErrorString(cudaError_t code) { return code == cudaSuccess ? "no error" : "an emulated error"; }
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  emulation::do_everything();
  return cudaSuccess;
}

// For tests, which have no runtime of their own to wait with.
extern "C" __attribute__((visibility("default"))) void nq_emulated_synchronize() { emulation::do_everything(); }

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = *total = emulation::kDeviceBytes;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  if (bytes > emulation::kDeviceBytes || !(*pointer = std::malloc(bytes))) return cudaErrorMemoryAllocation;
  std::memset(*pointer, 0xA5, bytes);
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  emulation::do_everything();
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) { return cudaMalloc(pointer, bytes); }
cudaError_t cudaFreeHost(void* pointer) { return cudaFree(pointer); }

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return cudaSuccess;
  if (kind == cudaMemcpyHostToDevice) {
    const char* const begin = static_cast<const char*>(from);
    const std::vector<char> staged(begin, begin + bytes);
    emulation::put(nullptr, [=] { std::memcpy(to, staged.data(), bytes); });
    return cudaSuccess;
  }
  emulation::do_all(emulation::default_stream);
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  emulation::put(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new emulation::Stream;
  emulation::streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  emulation::do_all(*stream);
  emulation::streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (actual(stream).capture) return cudaErrorStreamCaptureUnsupported;
  emulation::do_all(actual(stream));
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  emulation::Stream* const from = event->stream;
  const std::shared_ptr<bool> is_over = event->is_over;
  emulation::put(stream, [=] { emulatedEvent::finish(from, is_over); });
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (!stream || stream->capture) return cudaErrorStreamCaptureUnsupported;
  stream->capture = new emulatedGraph;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = stream->capture;
  stream->capture = nullptr;
  return *graph ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new emulatedEvent;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->stream = &actual(stream);
  event->is_over = std::make_shared<bool>(false);
  emulation::put(stream, [is_over = event->is_over] { *is_over = true; });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  event->finish();
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (!*begin->is_over || !*end->is_over) return cudaErrorNotReady;
  *milliseconds = 1.0f;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  *made = new emulatedGraph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  for (const std::function<void()>& node : graph->nodes) emulation::put(stream, node);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) { return cudaGraphDestroy(graph); }
