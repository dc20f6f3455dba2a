// One frame of a float network: its errors, and the gradients of its distortion with respect to all tensors. This is
// the interface that nqcodec/training/native_frames.py declares to ctypes; `FloatNetwork` of
// nqcodec/training/network.py and `plane_errors` and `LOSSES` of nqcodec/training/losses.py define what is computed.
#ifndef NQ_FRAME_GRADIENT_H
#define NQ_FRAME_GRADIENT_H

#include <cstdint>

#include "nq/abi.h"

// One operation, by its code of formats/nq.md 5: grid, conv (not depthwise, kernel 1 or 3, without activation or with
// ReLU or GELU), upsample (ratio 2), concat, add, window, warp (4 taps), or planes at the end. Fields that its code has
// no use for are 0.
struct NqFrameOp {
  int32_t code;
  int32_t input_count;
  const int32_t* inputs;            // indices of the operations that it reads
  int32_t channels, height, width;  // of its output map; planes: of its input map
  int32_t kernel, activation;       // conv
  int32_t times;                    // grid
  int32_t ratio, bits;              // window
  const int32_t* positions;         // grid: [T], the map before each frame; window: [T, 2], row and column in 2^-bits
  const float* fractions;           // grid: [T], how far a frame is from that map to the next one
  float unit;                       // warp: of vectors, in cells
  float precision;                  // warp: what vectors are rounded to, in their own unit
};

// A program and how its output is compared with frames of `samples` packed as `planes` reads them (6.6), channels last.
struct NqFrameProgram {
  const NqFrameOp* ops;
  int32_t op_count;
  int32_t frames;              // T
  int32_t plane_count;         // at most 4
  int32_t sample_bytes;        // 1 or 2
  int32_t depth;               // bits a sample
  int32_t is_logarithmic;      // the distortion is that of ln(MSE), else of MSE
  float floor;                 // added to a mean squared error before its logarithm
  const int32_t* plane;        // [C] of each channel
  const float* average;        // [C]: 1 / samples of its plane
  const float* plane_weights;  // [plane_count]
  const float* mask;           // [C, H, W], 1 inside of the picture and 0 outside; null if all are inside
};

struct NqFrameNetwork;

enum NqFrameFlag : int32_t {
  kNqRoundVectors = 1,  // as the decoder rounds them; their gradients pass straight through
  kNqRoundSamples = 2,  // errors are those of samples as `planes` rounds and clips them; only without gradients
  kNqBfloat16 = 4,  // factors of convolutions are rounded to bfloat16 where the CPU multiplies it faster: AVX-512 BF16
};

// Copies what `program` points to and allocates all memory that a frame takes. Returns kNqOk, kNqBadProgram for
// operations other than those above, kNqBadLevel or kNqNoResources.
NQ_API int32_t nq_frame_open(const NqFrameProgram* program, int32_t level, NqFrameNetwork** network);
NQ_API void nq_frame_close(NqFrameNetwork* network);

// One thread, which is the caller's; a network serves one call at a time. The result depends on the input and the level
// alone.
//
//   tensors    [op_count, 2]: a grid's latent [times, C, H, W]; a conv's weight [out, in, k, k] and bias [out]
//   t          the frame, 0..T - 1
//   samples    its target
//   share      factor on the distortion: 1 / frames of a mean
//   errors     [plane_count]: mean squared error of each plane, of samples / 2^depth
//   gradients  as `tensors`, added to; null for none
NQ_API int32_t nq_frame_gradients(NqFrameNetwork* network, const float* const* tensors, int32_t t, const void* samples,
                                  int32_t flags, float share, float* errors, float* const* gradients);

#endif  // NQ_FRAME_GRADIENT_H
