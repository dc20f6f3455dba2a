// A persistent pool that runs the items of one loop on a fixed number of threads.
#ifndef NQ_THREAD_POOL_H
#define NQ_THREAD_POOL_H

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nq {

class ThreadPool {
 public:
  using Task = std::function<void(int64_t item, int32_t worker)>;

  // `threads` counts the caller, who works too. Throws std::system_error if a thread cannot be started.
  explicit ThreadPool(int32_t threads) {
    try {
      for (int32_t worker = 1; worker < threads; ++worker) threads_.emplace_back([this, worker] { serve(worker); });
    } catch (...) {
      stop();
      throw;
    }
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() { stop(); }

  // Calls task(item, worker) once for each item below `count` and returns when all are done. `worker` is the thread
  // that it runs on, below `threads`; the caller is 0. Tasks must not throw.
  void run(int64_t count, const Task& task) {
    if (threads_.empty() || count <= 1) {
      for (int64_t item = 0; item < count; ++item) task(item, 0);
      return;
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      task_ = &task;
      count_ = count;
      next_.store(0, std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    work(task, count, 0);
    {
      // No item is left: a thread that has not come by now, on a busy machine, is not waited for.
      const std::lock_guard<std::mutex> lock(mutex_);
      task_ = nullptr;
    }
    spin_until([this] { return joined_.load(std::memory_order_acquire) == 0; });
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return joined_ == 0; });
  }

 private:
  // Waits a little without sleeping: loops follow one another closely, and to wake a thread takes longer than many of
  // them, above all in virtual machines. It yields, since the thread that it waits for may need this CPU.
  template <typename Condition>
  static void spin_until(const Condition& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(200);
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }

  void work(const Task& task, int64_t count, int32_t worker) {
    for (int64_t item; (item = next_.fetch_add(1, std::memory_order_relaxed)) < count;) task(item, worker);
  }

  void serve(int32_t worker) {
    uint64_t seen = 0;
    for (;;) {
      spin_until([&] { return stopping_ || round_.load(std::memory_order_acquire) != seen; });
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
      if (stopping_) return;
      seen = round_;
      if (!task_) continue;
      const Task* task = task_;
      const int64_t count = count_;
      ++joined_;
      lock.unlock();
      work(*task, count, worker);
      lock.lock();
      if (--joined_ == 0) done_.notify_one();
      lock.unlock();
    }
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::atomic<int64_t> next_{0};
  const Task* task_ = nullptr;  // while a loop has items
  int64_t count_ = 0;
  std::atomic<int32_t> joined_{0};  // threads other than the caller that work on it
  std::atomic<uint64_t> round_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace nq

#endif  // NQ_THREAD_POOL_H
