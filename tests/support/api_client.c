/* A program in C99 that uses libnq as any other would: through nq/nq.h alone.
 *
 *     api_client decode FILE OUT STEP THREADS    planes of all pictures to OUT, the file given in pieces of STEP bytes
 *     api_client check FILE                      the rules of the interface; FILE has at least 3 frames
 */
#include <nq/nq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

static void write_planes(const NqPicture* picture, FILE* out) {
  for (int k = 0; k < picture->planes; ++k) {
    for (uint32_t y = 0; y < picture->height[k]; ++y) {
      const char* row = (const char*)picture->data[k] + (ptrdiff_t)y * picture->stride[k];
      fwrite(row, picture->depth > 8 ? 2 : 1, picture->width[k], out);
    }
  }
}

static void* read_file(const char* name, size_t* size) {
  FILE* file = fopen(name, "rb");
  CHECK(file);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  void* data = malloc(*size);
  CHECK(fread(data, 1, *size, file) == *size);
  fclose(file);
  return data;
}

/* Pictures are taken as soon as they can be had; a line tells of each. */
static int decode(const char* name, const char* to, size_t step, int threads) {
  NqSettings settings;
  NqDecoder* decoder;
  NqPicture picture;
  NqResult result = NQ_OK;
  size_t size, start = 0;
  char* const data = read_file(name, &size);
  FILE* const out = fopen(to, "wb");
  CHECK(out);
  nq_default_settings(&settings);
  settings.threads = threads;
  settings.name = name;
  CHECK(nq_open(&decoder, &settings) == NQ_OK);
  for (;;) {
    result = nq_get_picture(decoder, &picture);
    if (result == NQ_OK) {
      write_planes(&picture, out);
      printf("frame %u at %llu for %llu, %llu bytes in\n", picture.frame, (unsigned long long)picture.time,
             (unsigned long long)picture.duration, (unsigned long long)start);
      nq_release_picture(&picture);
    } else if (result == NQ_AGAIN) {
      const size_t count = size - start < step ? size - start : step;
      nq_send_data(decoder, data + start, count); /* whose errors nq_get_picture gives, too */
      start += count;
    } else {
      break;
    }
  }
  printf("%s%s%s\n", nq_result_text(result), result < 0 ? ": " : "", result < 0 ? nq_error_text(decoder) : "");
  nq_close(&decoder);
  CHECK(!decoder);
  fclose(out);
  free(data);
  return result < 0 ? -result : 0;
}

static int pictures_out;

static int allocate(NqPicture* picture, void* cookie) {
  size_t size = 0;
  if (*(int*)cookie) return -1;
  for (int k = 0; k < picture->planes; ++k) {
    picture->stride[k] = -(ptrdiff_t)picture->width[k] * (picture->depth > 8 ? 2 : 1); /* upside down */
    size += (size_t)-picture->stride[k] * picture->height[k];
  }
  char* next = picture->owner = malloc(size);
  for (int k = 0; k < picture->planes; ++k) {
    next += (size_t)-picture->stride[k] * picture->height[k];
    picture->data[k] = next + picture->stride[k];
  }
  __atomic_add_fetch(&pictures_out, 1, __ATOMIC_RELAXED);
  return 0;
}

static void release(NqPicture* picture, void* cookie) {
  (void)cookie;
  free(picture->owner);
  __atomic_sub_fetch(&pictures_out, 1, __ATOMIC_RELAXED);
}

static int same_samples(const NqPicture* a, const NqPicture* b) {
  for (int k = 0; k < a->planes; ++k) {
    for (uint32_t y = 0; y < a->height[k]; ++y) {
      const char* const row = (const char*)a->data[k] + (ptrdiff_t)y * a->stride[k];
      const char* const other = (const char*)b->data[k] + (ptrdiff_t)y * b->stride[k];
      if (memcmp(row, other, a->width[k] * (a->depth > 8 ? 2u : 1u))) return 0;
    }
  }
  return 1;
}

static void check_arguments(void) {
  NqSettings settings;
  NqDecoder* decoder = (NqDecoder*)&settings;
  NqPicture picture;
  NqVideo video;
  nq_default_settings(&settings);
  settings.threads = -1;
  CHECK(nq_open(&decoder, &settings) == NQ_ERROR_ARGUMENT && !decoder);
  nq_default_settings(&settings);
  settings.cpu = 99;
  CHECK(nq_open(&decoder, &settings) == NQ_ERROR_UNSUPPORTED && !decoder);
  nq_default_settings(&settings);
  settings.limits.frames = 0;
  CHECK(nq_open(&decoder, &settings) == NQ_ERROR_ARGUMENT && !decoder);
  nq_default_settings(&settings);
  settings.allocate = allocate;
  CHECK(nq_open(&decoder, &settings) == NQ_ERROR_ARGUMENT && !decoder);
  CHECK(nq_open(NULL, NULL) == NQ_ERROR_ARGUMENT);
  CHECK(nq_open(&decoder, NULL) == NQ_OK && decoder);
  CHECK(nq_get_video(decoder, &video) == NQ_AGAIN);
  CHECK(nq_get_picture(decoder, &picture) == NQ_AGAIN);
  CHECK(nq_get_picture(decoder, NULL) == NQ_ERROR_ARGUMENT);
  CHECK(nq_send_data(decoder, NULL, 1) == NQ_ERROR_ARGUMENT);
  CHECK(nq_send_data(NULL, "x", 1) == NQ_ERROR_ARGUMENT);
  CHECK(nq_send_data(decoder, NULL, 0) == NQ_ERROR_FORMAT);
  CHECK(!strcmp(nq_error_text(decoder), "the file is empty"));
  CHECK(nq_send_data(decoder, "x", 1) == NQ_ERROR_FORMAT); /* the file is lost */
  CHECK(nq_get_picture(decoder, &picture) == NQ_ERROR_FORMAT);
  nq_close(&decoder);
  nq_close(&decoder);
  nq_close(NULL);
  nq_release_picture(NULL);
}

static void check_seeking(const void* data, size_t size) {
  NqDecoder* decoder;
  NqPicture first, again;
  NqVideo video;
  CHECK(nq_open(&decoder, NULL) == NQ_OK);
  CHECK(nq_seek(decoder, 1, 1) == NQ_OK); /* before it has arrived */
  CHECK(nq_send_data(decoder, data, size) == NQ_OK && nq_send_data(decoder, NULL, 0) == NQ_OK);
  CHECK(nq_get_video(decoder, &video) == NQ_OK && video.is_complete && video.frames >= 3);
  CHECK(nq_get_picture(decoder, &first) == NQ_OK && first.frame == 1 && first.time > 0);
  CHECK(nq_get_picture(decoder, &again) == NQ_END && !again.data[0]);
  CHECK(nq_seek(decoder, video.frames, 0) == NQ_ERROR_ARGUMENT && *nq_error_text(decoder));
  CHECK(nq_seek(decoder, 1, video.frames) == NQ_ERROR_ARGUMENT);
  CHECK(nq_seek(decoder, video.frames - 1, 0) == NQ_OK && !*nq_error_text(decoder));
  CHECK(nq_get_picture(decoder, &again) == NQ_OK && again.frame == video.frames - 1);
  nq_release_picture(&again);
  CHECK(nq_get_picture(decoder, &again) == NQ_END);
  CHECK(nq_seek(decoder, 1, 0) == NQ_OK && nq_get_picture(decoder, &again) == NQ_OK);
  nq_close(&decoder);
  CHECK(again.frame == 1 && same_samples(&first, &again)); /* pictures outlive their decoder */
  nq_release_picture(&first);
  nq_release_picture(&again);
}

static void check_allocation(const void* data, size_t size) {
  NqSettings settings;
  NqDecoder *decoder, *plain;
  NqPicture mine, own;
  int is_full = 0;
  nq_default_settings(&settings);
  settings.allocate = allocate;
  settings.release = release;
  settings.cookie = &is_full;
  settings.threads = 3;
  CHECK(nq_open(&decoder, &settings) == NQ_OK && nq_open(&plain, NULL) == NQ_OK);
  CHECK(nq_send_data(decoder, data, size) == NQ_OK && nq_send_data(plain, data, size) == NQ_OK);
  for (int k = 0; k < 3; ++k) {
    CHECK(nq_get_picture(decoder, &mine) == NQ_OK && nq_get_picture(plain, &own) == NQ_OK);
    CHECK(mine.stride[0] < 0 && own.stride[0] > 0 && same_samples(&mine, &own));
    nq_release_picture(&mine);
    nq_release_picture(&own);
  }
  is_full = 1;
  CHECK(nq_seek(decoder, 0, 0) == NQ_OK && nq_get_picture(decoder, &mine) == NQ_ERROR_MEMORY);
  is_full = 0;
  CHECK(nq_get_picture(decoder, &mine) == NQ_OK && mine.frame == 0);
  nq_close(&decoder);
  nq_close(&plain);
  nq_release_picture(&mine);
  CHECK(pictures_out == 0);
}

/* What has been given is forgotten, if that is asked for. */
static void check_forgetting(const void* data, size_t size) {
  NqSettings settings;
  NqDecoder* decoder;
  NqPicture picture;
  NqResult result;
  nq_default_settings(&settings);
  settings.forget = 1;
  CHECK(nq_open(&decoder, &settings) == NQ_OK);
  CHECK(nq_send_data(decoder, data, size) == NQ_OK && nq_send_data(decoder, NULL, 0) == NQ_OK);
  CHECK(nq_get_picture(decoder, &picture) == NQ_OK);
  nq_release_picture(&picture);
  CHECK(nq_seek(decoder, 0, 0) == NQ_OK); /* its segment has not been given to its end */
  while ((result = nq_get_picture(decoder, &picture)) == NQ_OK) nq_release_picture(&picture);
  CHECK(result == NQ_END);
  CHECK(nq_seek(decoder, 0, 0) == NQ_OK);
  CHECK(nq_get_picture(decoder, &picture) == NQ_ERROR_ARGUMENT);
  CHECK(strstr(nq_error_text(decoder), "have been forgotten"));
  nq_close(&decoder);
}

static int check(const char* name) {
  size_t size;
  void* const data = read_file(name, &size);
  CHECK(nq_api_version() >> 16 == NQ_API_VERSION_MAJOR);
  check_arguments();
  check_seeking(data, size);
  check_allocation(data, size);
  check_forgetting(data, size);
  free(data);
  puts(nq_version());
  return 0;
}

int main(int count, char** words) {
  if (count == 6 && !strcmp(words[1], "decode")) {
    return decode(words[2], words[3], (size_t)atol(words[4]), atoi(words[5]));
  }
  if (count == 3 && !strcmp(words[1], "check")) return check(words[2]);
  return 2;
}
