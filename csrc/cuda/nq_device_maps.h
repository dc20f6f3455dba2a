// Operations without tensors on a CUDA device.
#ifndef NQ_DEVICE_MAPS_H
#define NQ_DEVICE_MAPS_H

#include "../nq_synthesis_plan.h"

namespace nq {

// Launches any operation without tensors but planes, for frame t; all pointers but those to knots are
// the device's, `sine` too (6.7).
void run_map_on_device(const MapStep& step, int64_t t, const int32_t* sine);

}  // namespace nq

#endif  // NQ_DEVICE_MAPS_H
