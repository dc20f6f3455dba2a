// Walsh-Hadamard kernels in plain C++: what every machine runs, and what the vector paths are compared with.
#include <cstdint>

#include "hadamard/rows.h"

#define NQ_TARGET

namespace nq {
namespace {

// A "vector" is one value, and a pass holds eight of them.
constexpr int32_t kLaneStages = 0, kMaxStages = 3;
constexpr bool kPrefetchRows = false;

template <typename T>
WorkOf<T> vec_load(const T* p) {
  return load_value(p);
}

template <typename T>
void vec_store(T* p, WorkOf<T> v) {
  store_value(p, v);
}

template <typename Vec>
Vec vec_add(Vec a, Vec b) {
  return add(a, b);
}

template <typename Vec>
Vec vec_sub(Vec a, Vec b) {
  return subtract(a, b);
}

template <typename Vec>
Vec vec_scale(Vec v, float scale) {
  return scaled(v, scale);
}

template <int kStage, typename Vec>
Vec lane_butterfly(Vec v) = delete;  // one lane has no stages

}  // namespace
}  // namespace nq

#include "hadamard/kernels.h"

const nq::HadamardKernels& nq::scalar_hadamard() { return kHadamardKernels; }
