// Memory for maps and packed rows: aligned, uninitialised, and on request with pages around it that cannot be touched.
#ifndef NQ_BUFFER_H
#define NQ_BUFFER_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__unix__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace nq {

// `count` values of int16. A guarded buffer ends where a page begins that no access survives, so that a read or write
// past its end stops the process; another such page lies before it.
class Buffer {
 public:
  Buffer() = default;
  Buffer(int64_t count, bool guarded) {
    const size_t bytes = sizeof(int16_t) * static_cast<size_t>(count);
    if (guarded && map_guarded(bytes)) return;
    // Rounded up, as aligned_alloc asks for.
    data_ = static_cast<int16_t*>(std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment));
    if (!data_) throw std::bad_alloc();
  }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(mapping_, other.mapping_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  ~Buffer() {
#if defined(__unix__)
    if (mapping_) {
      munmap(mapping_, mapped_);
      return;
    }
#endif
    std::free(data_);
  }

  int16_t* get() const { return data_; }

 private:
  static constexpr size_t kAlignment = 64;

#if defined(__unix__)
  bool map_guarded(size_t bytes) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), inner = (bytes + page - 1) / page * page;
    void* const mapping = mmap(nullptr, inner + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    mapping_ = mapping;
    mapped_ = inner + 2 * page;
    char* const first = static_cast<char*>(mapping);
    mprotect(first, page, PROT_NONE);
    mprotect(first + page + inner, page, PROT_NONE);
    data_ = reinterpret_cast<int16_t*>(first + page + inner - bytes);
    return true;
  }
#else
  bool map_guarded(size_t) { return false; }
#endif

  int16_t* data_ = nullptr;
  void* mapping_ = nullptr;
  size_t mapped_ = 0;
};

}  // namespace nq

#endif  // NQ_BUFFER_H
