// What a CUDA device holds for us, freed with its owner: memory, pinned host memory, streams, events, graphs.
#ifndef NQ_DEVICE_MEMORY_H
#define NQ_DEVICE_MEMORY_H

#include <memory>

#include "cuda/device.h"

namespace nq {

// An array in device memory.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(int64_t size) : size_(size) {
    check(cudaMalloc(reinterpret_cast<void**>(&data_), std::max<int64_t>(size, 1) * sizeof(T)));
  }
  DeviceArray(const T* source, int64_t size) : DeviceArray(size) {
    check(cudaMemcpy(data_, source, size * sizeof(T), cudaMemcpyHostToDevice));
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }
  T* data() const { return data_; }
  int64_t bytes() const { return size_ * static_cast<int64_t>(sizeof(T)); }

 private:
  T* data_ = nullptr;
  int64_t size_;
};

template <typename T>
using DevicePointer = std::unique_ptr<DeviceArray<T>>;

template <typename T>
DevicePointer<T> to_device(const T* source, int64_t size) {
  return std::make_unique<DeviceArray<T>>(source, size);
}

// An array of the host that copies to and from the device need not wait for.
template <typename T>
class PinnedArray {
 public:
  explicit PinnedArray(int64_t size) {
    check(cudaMallocHost(reinterpret_cast<void**>(&data_), std::max<int64_t>(size, 1) * sizeof(T)));
  }
  PinnedArray(const PinnedArray&) = delete;
  PinnedArray& operator=(const PinnedArray&) = delete;
  ~PinnedArray() { cudaFreeHost(data_); }
  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  explicit Event(bool timed = false) {
    check(cudaEventCreateWithFlags(&event_, timed ? cudaEventDefault : cudaEventDisableTiming));
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }
  operator cudaEvent_t() const { return event_; }
  void record(cudaStream_t stream) const { check(cudaEventRecord(event_, stream)); }
  void wait() const { check(cudaEventSynchronize(event_)); }

 private:
  cudaEvent_t event_ = nullptr;
};

inline double seconds_between(const Event& begin, const Event& end) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin, end));
  return milliseconds / 1000.0;
}

// What `body` puts on a stream, ready to be started as a whole.
class Graph {
 public:
  template <typename Body>
  Graph(cudaStream_t stream, const Body& body) {
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    try {
      body();
    } catch (...) {
      // The capture is over after this call, whatever it returns; the first error is the one to report.
      if (cudaStreamEndCapture(stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph));
    const cudaError_t made = cudaGraphInstantiate(&graph_, graph, 0);
    cudaGraphDestroy(graph);
    check(made);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() { cudaGraphExecDestroy(graph_); }
  void start(cudaStream_t stream) const { check(cudaGraphLaunch(graph_, stream)); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace nq

#endif  // NQ_DEVICE_MEMORY_H
