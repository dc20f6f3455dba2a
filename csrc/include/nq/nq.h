/* libnq: decodes .nq files (formats/nq.md). This is the library's whole public interface, in C.
 *
 *     NqSettings settings;
 *     NqDecoder* decoder;
 *     NqPicture picture;
 *     nq_default_settings(&settings);
 *     if (nq_open(&decoder, &settings) != NQ_OK) ...
 *     while ((size = read(...)) > 0) nq_send_data(decoder, bytes, size);
 *     nq_send_data(decoder, NULL, 0);
 *     while ((result = nq_get_picture(decoder, &picture)) == NQ_OK) {
 *       ... picture.data, picture.stride ...
 *       nq_release_picture(&picture);
 *     }
 *     if (result != NQ_END) puts(nq_error_text(decoder));
 *     nq_close(&decoder);
 *
 * Data may come in pieces of any size, and pictures may be asked for before the last piece: NQ_AGAIN then says that
 * the next picture needs more of the file. What is decoded is exact: the same file gives the same samples everywhere.
 *
 * Decoders share nothing, so that each may be used on a thread of its own. Calls for one decoder must not overlap,
 * except that pictures may be released at any time, on any thread, and also after their decoder has been closed. The
 * library never prints, and no exception leaves it. It checks a file's limits before it allocates anything for it.
 */
#ifndef NQ_NQ_H
#define NQ_NQ_H

#include <stddef.h>
#include <stdint.h>

/* The version of this interface. A program that was built with one runs with every library of the same major version
 * whose minor version is not less. */
#define NQ_API_VERSION_MAJOR 1
#define NQ_API_VERSION_MINOR 0
#define NQ_API_VERSION_PATCH 0

#if defined(__GNUC__)
#define NQ_PUBLIC __attribute__((visibility("default")))
#else
#define NQ_PUBLIC
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return: NQ_OK, what to do next, or an error, which is negative. */
typedef enum NqResult {
  NQ_OK = 0,
  NQ_AGAIN = 1, /* more of the file is needed */
  NQ_END = 2,   /* there are no further pictures: nq_send_data has been told of the file's end */

  NQ_ERROR_FORMAT = -1,      /* a damaged or foreign file */
  NQ_ERROR_UNSUPPORTED = -2, /* a newer format version, or an instruction set that this CPU does not have */
  NQ_ERROR_LIMIT = -3,       /* the file asks for more than NqSettings.limits allow */
  NQ_ERROR_HASH = -4,        /* decoded planes differ from their hash in the file */
  NQ_ERROR_MEMORY = -5,      /* the system refuses memory or threads */
  NQ_ERROR_ARGUMENT = -6     /* an argument that breaks the rules given here */
} NqResult;

/* Instruction sets with kernels of their own. All give the same samples. */
typedef enum NqCpu {
  NQ_CPU_BEST = -1, /* the best that this CPU has */
  NQ_CPU_SCALAR = 0,
  NQ_CPU_AVX2 = 1,
  NQ_CPU_AVX512 = 2,
  NQ_CPU_AVX512_VNNI = 3
} NqCpu;

/* What a file may ask for (formats/nq.md, 8). nq_default_settings gives the format's defaults. */
typedef struct NqLimits {
  uint64_t parameters;     /* integers in all tensors of a segment */
  uint64_t macs_per_pixel; /* multiply-accumulates of a frame, divided by its pixels */
  uint64_t map_bytes;      /* of feature maps that live at once */
  uint64_t picture_pixels; /* luma samples of a picture */
  uint64_t frames;
  uint64_t memory; /* bytes for tensors, maps and working space of a segment together */
} NqLimits;

/* A decoded picture: planes Y, U, V, or Y alone, or G, B, R where NqVideo.matrix is 0 in 4:4:4. */
typedef struct NqPicture {
  void* data[3];       /* samples of one byte at depth 8, of two bytes in the CPU's order above it; NULL if none */
  ptrdiff_t stride[3]; /* bytes from a row to the next */
  uint32_t width[3];   /* samples of a row, by plane */
  uint32_t height[3];
  int32_t planes;    /* 1 or 3 */
  int32_t depth;     /* bits a sample, 8 to 12 */
  int32_t chroma;    /* 0 4:0:0, 1 4:2:0, 2 4:2:2, 3 4:4:4 */
  uint32_t frame;    /* number in the file, counted from 0 */
  uint64_t time;     /* when it is shown, in nanoseconds from the file's first frame on, rounded down */
  uint64_t duration; /* how long it is shown, in nanoseconds */
  void* owner;       /* what NqSettings.allocate has put there */
  void* internal;    /* the library's */
} NqPicture;

/* How to decode. Fill it by nq_default_settings and change what is to differ. */
typedef struct NqSettings {
  int32_t threads;    /* CPU threads, the caller's counted; 0: as many as there are cores. At most 1024 */
  int32_t cpu;        /* NqCpu */
  int32_t low_memory; /* not 0: cut frames into bands of rows, for a fraction of the memory and more work */
  int32_t no_verify;  /* not 0: do not compare with the hashes in the file */
  int32_t forget;   /* not 0: keep nothing of segments whose pictures have been given, for streams that go on for ever;
                       pictures of these cannot be had again */
  const char* name; /* what messages call the file; copied by nq_open. NULL: they do not name it */
  NqLimits limits;
  /* Where pictures are kept; both NULL: in memory of the library's. `allocate` is given a picture whose fields, but
   * data, stride and owner, say what is needed; it sets these and returns 0, or another number if it has no memory.
   * Rows must be aligned as their samples are. Both are called from any thread, and at the same time. */
  int (*allocate)(NqPicture* picture, void* cookie);
  void (*release)(NqPicture* picture, void* cookie);
  void* cookie;
} NqSettings;

/* What a file says of the video. Colour code points are those of ITU-T H.273, 2 is unspecified. */
typedef struct NqVideo {
  uint32_t format_major, format_minor; /* version of the file's format */
  uint32_t width, height;              /* in luma samples */
  uint32_t frames;                     /* that have arrived: all of the file once its end has */
  int32_t is_complete;                 /* whether the file's end has arrived */
  uint32_t fps_num, fps_den;           /* nominal frame rate */
  int32_t chroma, depth;               /* as in NqPicture */
  int32_t primaries, transfer, matrix, full_range, chroma_location;
  uint32_t sar_num, sar_den;                    /* sample aspect ratio */
  int32_t has_mastering, has_light, has_matrix; /* which of the following are known */
  uint16_t mastering_xy[4][2];                  /* of red, green, blue and white, in 1/50000 (SMPTE ST 2086) */
  uint32_t max_luminance, min_luminance;        /* in 1/10000 cd/m2 */
  uint16_t max_cll, max_fall;                   /* in cd/m2 (CTA-861.3) */
  int64_t display_matrix[9];                    /* as in a track header of the ISO base media file format */
} NqVideo;

typedef struct NqDecoder NqDecoder;

/* The version of the library's interface: major << 16 | minor << 8 | patch. */
NQ_PUBLIC uint32_t nq_api_version(void);

/* The version of the package that the library belongs to, such as "0.1.0". */
NQ_PUBLIC const char* nq_version(void);

NQ_PUBLIC void nq_default_settings(NqSettings* settings);

/* Opens a decoder; NULL settings are the defaults. *decoder is NULL after an error, of which there are
 * NQ_ERROR_ARGUMENT, NQ_ERROR_UNSUPPORTED (the instruction set) and NQ_ERROR_MEMORY. */
NQ_PUBLIC NqResult nq_open(NqDecoder** decoder, const NqSettings* settings);

/* Gives the decoder the next bytes of the file, which it copies. A size of 0 says that the file has ended. Errors are
 * those of the file's chunks, as soon as they can be known. After one nothing more is taken, but the pictures of the
 * segments before it are still to be had; nq_get_picture then gives the error, too. */
NQ_PUBLIC NqResult nq_send_data(NqDecoder* decoder, const void* data, size_t size);

/* Describes the video; NQ_AGAIN until its header has arrived. What follows the header is known once the first segment
 * has arrived, and so before the first picture. */
NQ_PUBLIC NqResult nq_get_video(const NqDecoder* decoder, NqVideo* video);

/* The next picture, which belongs to the caller until it is released. A picture that differs from its hash in the file
 * is not given; where only the hash of a whole segment shows it, the error follows the segment's last picture. An error
 * comes again until nq_seek, after which other segments can be decoded. */
NQ_PUBLIC NqResult nq_get_picture(NqDecoder* decoder, NqPicture* picture);

NQ_PUBLIC void nq_release_picture(NqPicture* picture);

/* Makes `frame` the next picture, and that and the following ones, `count` in all, those that will be given before
 * NQ_END; 0: all to the end. Any frame decodes without those before it. A frame that has not arrived yet may be named.
 * NQ_ERROR_ARGUMENT: there is no such frame. */
NQ_PUBLIC NqResult nq_seek(NqDecoder* decoder, uint32_t frame, uint32_t count);

/* The text of the last error: one line that says what was wrong, in which chunk and at which byte of the file. It lives
 * until the next call for the decoder, and is empty where there was no error. */
NQ_PUBLIC const char* nq_error_text(const NqDecoder* decoder);

/* A few words for any result. */
NQ_PUBLIC const char* nq_result_text(NqResult result);

/* Frees the decoder, if *decoder is not NULL, and makes it NULL. Pictures stay valid. */
NQ_PUBLIC void nq_close(NqDecoder** decoder);

#ifdef __cplusplus
}
#endif

#endif /* NQ_NQ_H */
