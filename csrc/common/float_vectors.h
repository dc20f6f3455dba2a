// Vectors of floats, and what gives the same bits on every instruction set. Included by one file for each of them,
// after it has defined
//   NQ_TARGET   attribute that allows the instruction set in a function
//   kLanes      in namespace nq and an unnamed namespace within: floats of a vector
// Vectors are the compiler's own (GCC and Clang): operators work by lane, and nothing is fused or reordered.
#include <cstdint>
#include <cstring>

namespace nq {
namespace {

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t IntVec __attribute__((vector_size(kLanes * sizeof(float))));
typedef uint32_t BitVec __attribute__((vector_size(kLanes * sizeof(float))));

constexpr uint32_t kSignBit = 0x80000000;

// A vector from memory, of any type; its boundaries do not matter.
template <typename V = Vec, typename T>
NQ_TARGET inline V load(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <typename T, typename V>
NQ_TARGET inline void store(T* p, V v) {
  std::memcpy(p, &v, sizeof v);
}

NQ_TARGET inline Vec all(float x) { return x - Vec{}; }
NQ_TARGET inline IntVec all(int32_t x) { return x - IntVec{}; }
NQ_TARGET inline Vec magnitude(Vec v) { return (Vec)((BitVec)v & ~kSignBit); }

}  // namespace
}  // namespace nq
