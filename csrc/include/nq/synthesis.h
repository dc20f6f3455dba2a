// The flat form of an integer network that both synthesis libraries take, and their interfaces.
// nqcodec/synthesis/descriptors.py declares the same structures; a change here is a change of kNqAbiVersion.
#ifndef NQ_SYNTHESIS_H
#define NQ_SYNTHESIS_H

#include <cstdint>

#include "nq/abi.h"
#include "nq/tables.h"

// Operation codes of formats/nq.md 5.
enum NqCode : int32_t {
  kNqGrid = 1,
  kNqConv = 2,
  kNqShuffle = 3,
  kNqPlanes = 4,
  kNqUpsample = 5,
  kNqConcat = 6,
  kNqAdd = 7,
  kNqMul = 8,
  kNqNorm = 9,
  kNqFrequency = 10,
  kNqFold = 11,
  kNqTile = 12,
  kNqWindow = 13,
  kNqWarp = 14,
};

// A corner of a window's path: a frame, and the part's top left corner there in 2^-bits of a cell (6.13).
struct NqKnot {
  int64_t time, row, column;
};

// One operation. Fields that its code has no use for are 0.
struct NqOp {
  int32_t code;
  int32_t input_count;
  const int32_t* inputs;            // indices of the operations that it reads
  int32_t channels, height, width;  // of its output map; planes: of its input map
  int32_t map_width, frac;          // format of its output map, inherited where it has none of its own
  int32_t ratio;                    // upsample, planes, window
  int32_t rows, columns;            // fold; shuffle: both its ratio
  int32_t times;                    // grid
  int32_t kernel, depthwise, activation;
  const int16_t* values;  // grid: latent [times, C, H, W]; conv: weight [out, fan_in, k, k]
  const int32_t* bias;    // [C], in accumulator units
  const int32_t* multiplier;
  const int32_t* shift;
  const uint32_t* increments;  // frequency: [C / 2]
  const uint32_t* phases;
  int32_t bits;        // window, warp
  int32_t knot_count;  // window
  int32_t taps;        // warp
  const NqKnot* knots;
};

struct NqPlane {
  int32_t height, width;  // after the crop
  int32_t sub_x, sub_y;
};

struct NqProgram {
  const NqOp* ops;
  int32_t op_count;
  int32_t frames;  // T of 6.2
  int32_t depth;   // bits a sample
  int32_t plane_count;
  NqPlane planes[3];
  NqTables tables;
};

// How a program is run on the CPU.
struct NqOptions {
  int32_t threads;  // the caller counted
  int32_t level;    // NqCpuLevel, at most nq_synth_level()
  int32_t bands;    // of rows that a frame is cut into: less memory, more work; at least 1
  int32_t flags;    // NqOptionFlag
};

enum NqOptionFlag : int32_t {
  kNqUnfused = 1,  // every map whole, instead of strips that go through several operations
  kNqGuarded = 2,  // memory of maps and scratch between pages that no access survives
};

// Bytes that nq_synth_create would allocate for maps, scratch and tensors, 0 for what it refuses. Allocates next to
// nothing itself, so that a caller can decide before a program gets anything.
NQ_API int64_t nq_program_bytes(const NqProgram* program, const NqOptions* options);

// Copies everything it needs of `program`.
NQ_API int32_t nq_synth_create(const NqProgram* program, const NqOptions* options, void** handle);

// Synthesizes frame t into planes of 8-bit (depth 8) or 16-bit samples; strides are in bytes. One call at a time.
NQ_API int32_t nq_synth_frame(void* handle, int64_t t, void* const* planes, const int64_t* strides);

// Seconds that threads have spent in each operation, all frames so far and all threads together.
NQ_API void nq_synth_seconds(void* handle, double* by_operation);

// Bytes of maps, scratch and tensors that it holds.
NQ_API int64_t nq_synth_bytes(void* handle);

// Runs `rounds` rounds of dot products on registers alone on each thread; returns the multiply-accumulates of all.
NQ_API int64_t nq_synth_peak(void* handle, int64_t rounds);

// One operation of a program alone, for tests: from its inputs' maps [C, H, W] to its own, or for planes to `planes`.
NQ_API int32_t nq_run_operation(const NqProgram* program, const NqOptions* options, int32_t index, int64_t t,
                                const int16_t* const* inputs, int16_t* out, void* const* planes,
                                const int64_t* strides);

NQ_API void nq_synth_destroy(void* handle);

// The same on the current CUDA device, in libnq_cuda. Frames are made in batches, of which some may be in flight: while
// one is computed, the one before is copied to the host.

struct NqCudaOptions {
  int64_t most_bytes;  // of device memory, which bounds the batch; 0: most of what is free
  int32_t batch;       // frames at once; 0: as many as are good and fit
};

// What an operation costs for a frame. One that runs with the convolution before it, or once for all frames, has zeros.
struct NqCudaWork {
  int64_t macs;      // multiply-accumulates that the format asks for, of convolutions
  int64_t products;  // of bytes, that matrix instructions do for them: those of all parts, idle ones among them
  int64_t bytes;     // of maps, tensors and planes, each read or written once
};

NQ_API int32_t nq_cuda_device_count();
NQ_API const char* nq_cuda_error();

// Bytes of device memory that a program takes with batches of so many frames, 0 for one that is not valid.
NQ_API int64_t nq_cuda_program_bytes(const NqProgram* program, int32_t batch);

NQ_API int32_t nq_cuda_synth_create(const NqProgram* program, const NqCudaOptions* options, void** handle);

// Frames at once, and bytes of device memory that it holds.
NQ_API int32_t nq_cuda_synth_batch(void* handle);
NQ_API int64_t nq_cuda_synth_bytes(void* handle);

// Begins frames first .. first + count - 1, count at most the batch, and returns at once; at most two batches may have
// begun without being finished. Finishing waits for the one that began first, which must be of `count` frames, and
// copies its planes, those of its first frame first: `planes` and `strides` have count times plane_count entries.
NQ_API int32_t nq_cuda_synth_begin(void* handle, int64_t first, int32_t count);
NQ_API int32_t nq_cuda_synth_finish(void* handle, int32_t count, void* const* planes, const int64_t* strides);

// One frame alone, whatever batches are in flight.
NQ_API int32_t nq_cuda_synth_frame(void* handle, int64_t t, void* const* planes, const int64_t* strides);

// For benchmarks, without batches in flight: makes `batches` batches one after the other, from frame 0 on again and
// again, and leaves them in device memory; seconds from the first launch to the last result.
NQ_API int32_t nq_cuda_synth_repeat(void* handle, int32_t batches, double* seconds);

// The same once, node by node: seconds of each operation for the batch.
NQ_API int32_t nq_cuda_synth_seconds(void* handle, double* by_operation);

NQ_API void nq_cuda_synth_work(void* handle, NqCudaWork* by_operation);

// What the device does at best: products of bytes by `rounds` rounds of matrix instructions on registers alone, bytes
// read and written by a copy of `size` bytes within its memory; both a second.
NQ_API int32_t nq_cuda_ceilings(int32_t rounds, int64_t size, double* products, double* bytes);

NQ_API void nq_cuda_synth_destroy(void* handle);

#endif  // NQ_SYNTHESIS_H
