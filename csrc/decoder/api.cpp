// The C interface of nq/nq.h: C++ exceptions become results here, and their texts are kept for nq_error_text.
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "decoder/decoder.h"
#include "decoder/error.h"
#include "decoder/limits.h"
#include "nq/nq.h"

struct NqDecoder {
  explicit NqDecoder(const NqSettings& settings) : decoder(settings) {}

  nq::Decoder decoder;
  std::string error;
};

namespace {

// Runs `body`, whose exceptions become results; `keep` is given their texts.
template <class Body, class Keep>
NqResult guarded(const Body& body, const Keep& keep) noexcept {
  try {
    try {
      return body();
    } catch (const nq::Error& error) {
      keep(error.text);
      return error.result;
    } catch (const std::bad_alloc&) {
      keep("out of memory");
      return NQ_ERROR_MEMORY;
    } catch (const std::system_error&) {
      keep("the system has no more threads");
      return NQ_ERROR_MEMORY;
    }
  } catch (const std::exception&) {  // of keeping the text, or what a container cannot hold
    return NQ_ERROR_MEMORY;
  }
}

template <class Body>
NqResult guarded(NqDecoder* decoder, const Body& body) noexcept {
  if (!decoder) return NQ_ERROR_ARGUMENT;
  decoder->error.clear();
  return guarded(body, [decoder](std::string_view words) { decoder->error = words; });
}

}  // namespace

uint32_t nq_api_version(void) { return NQ_API_VERSION_MAJOR << 16 | NQ_API_VERSION_MINOR << 8 | NQ_API_VERSION_PATCH; }

const char* nq_version(void) { return NQ_PACKAGE_VERSION; }

void nq_default_settings(NqSettings* settings) {
  *settings = {};
  settings->cpu = NQ_CPU_BEST;
  settings->limits = nq::kDefaultLimits;
}

NqResult nq_open(NqDecoder** decoder, const NqSettings* settings) {
  if (!decoder) return NQ_ERROR_ARGUMENT;
  *decoder = nullptr;
  NqSettings defaults;
  nq_default_settings(&defaults);
  return guarded(
      [&] {
        *decoder = new NqDecoder(nq::checked_settings(settings ? *settings : defaults));
        return NQ_OK;
      },
      [](std::string_view) {});
}

NqResult nq_send_data(NqDecoder* decoder, const void* data, size_t size) {
  return guarded(decoder, [&] {
    if (size && !data) return NQ_ERROR_ARGUMENT;
    if (size) {
      decoder->decoder.send(static_cast<const uint8_t*>(data), size);
    } else {
      decoder->decoder.end_of_file();
    }
    return NQ_OK;
  });
}

NqResult nq_get_video(const NqDecoder* decoder, NqVideo* video) {
  if (!decoder || !video) return NQ_ERROR_ARGUMENT;
  if (!decoder->decoder.container().has_header()) return NQ_AGAIN;
  *video = decoder->decoder.container().video();
  return NQ_OK;
}

NqResult nq_get_picture(NqDecoder* decoder, NqPicture* picture) {
  if (!picture) return NQ_ERROR_ARGUMENT;
  *picture = {};
  return guarded(decoder, [&] { return decoder->decoder.get_picture(*picture); });
}

void nq_release_picture(NqPicture* picture) {
  if (picture) nq::release_picture(*picture);
}

NqResult nq_seek(NqDecoder* decoder, uint32_t frame, uint32_t count) {
  return guarded(decoder, [&] {
    decoder->decoder.seek(frame, count);
    return NQ_OK;
  });
}

const char* nq_error_text(const NqDecoder* decoder) { return decoder ? decoder->error.c_str() : ""; }

const char* nq_result_text(NqResult result) {
  switch (result) {
    case NQ_OK: return "done";
    case NQ_AGAIN: return "more of the file is needed";
    case NQ_END: return "there are no further pictures";
    case NQ_ERROR_FORMAT: return "the file is damaged or no .nq file";
    case NQ_ERROR_UNSUPPORTED: return "a format version or an instruction set that is not supported";
    case NQ_ERROR_LIMIT: return "the file is over a limit";
    case NQ_ERROR_HASH: return "the decoded planes differ from their hash";
    case NQ_ERROR_MEMORY: return "out of memory or threads";
    case NQ_ERROR_ARGUMENT: return "an argument is not valid";
  }
  return "unknown result";
}

void nq_close(NqDecoder** decoder) {
  if (!decoder) return;
  delete *decoder;
  *decoder = nullptr;
}
