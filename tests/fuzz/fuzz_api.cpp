// Whole files through the public C API (nq/nq.h): as they are, and with the CRCs of their chunks mended and the index
// left out, which a file may lack.
//
// Any bytes give pictures or a named error with a text; given at once or in pieces, they give the same.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz_input.h"
#include "nq/nq.h"

namespace {

constexpr int kMostPictures = 8;
constexpr size_t kHead = 8, kSignature = 8;

NqSettings settings(int32_t threads, bool low_memory) {
  NqSettings s;
  nq_default_settings(&s);
  s.threads = threads;
  s.low_memory = low_memory;
  s.name = "hostile.nq";
  // Seconds and megabytes, not minutes and gigabytes.
  s.limits = {1 << 18, 1 << 9, 1 << 24, 1 << 18, 1 << 10, 1 << 28};
  return s;
}

// What came of a file: digests of its first pictures, the last result and its text.
struct Outcome {
  std::vector<uint64_t> pictures;
  NqResult result = NQ_OK;
  std::string text;

  bool operator==(const Outcome& other) const {
    return pictures == other.pictures && result == other.result && text == other.text;
  }
};

// FNV-1a of a picture's samples.
uint64_t hash(const NqPicture& picture) {
  uint64_t digest = 14695981039346656037u;
  for (int32_t k = 0; k < picture.planes; ++k) {
    const auto* row = static_cast<const uint8_t*>(picture.data[k]);
    for (uint32_t y = 0; y < picture.height[k]; ++y, row += picture.stride[k]) {
      const size_t bytes = size_t{picture.width[k]} * (picture.depth > 8 ? 2 : 1);
      for (size_t x = 0; x < bytes; ++x) digest = (digest ^ row[x]) * 1099511628211u;
    }
  }
  return digest;
}

// Takes pictures as long as there are some, up to kMostPictures in all.
NqResult take_pictures(NqDecoder* decoder, Outcome& outcome) {
  NqResult result = NQ_OK;
  NqPicture picture;
  while (outcome.pictures.size() < kMostPictures && (result = nq_get_picture(decoder, &picture)) == NQ_OK) {
    FUZZ_CHECK(picture.frame == outcome.pictures.size());
    outcome.pictures.push_back(hash(picture));
    nq_release_picture(&picture);
    FUZZ_CHECK(picture.data[0] == nullptr);
  }
  return result;
}

Outcome decode(const std::vector<uint8_t>& file, size_t step, const NqSettings& how) {
  NqDecoder* decoder = nullptr;
  FUZZ_CHECK(nq_open(&decoder, &how) == NQ_OK);
  Outcome outcome;
  NqResult sent = NQ_OK;
  for (size_t start = 0; start < file.size() && sent == NQ_OK; start += step) {
    sent = nq_send_data(decoder, file.data() + start, std::min(step, file.size() - start));
    // Pictures may be asked for at any time; the error of a segment comes again.
    if (step < file.size()) take_pictures(decoder, outcome);
  }
  if (sent == NQ_OK) sent = nq_send_data(decoder, nullptr, 0);
  outcome.result = take_pictures(decoder, outcome);
  FUZZ_CHECK(outcome.result != NQ_AGAIN);
  if (outcome.result < 0) outcome.text = nq_error_text(decoder);
  FUZZ_CHECK((outcome.result < 0) == !outcome.text.empty());
  FUZZ_CHECK(outcome.text.find('\n') == std::string::npos);
  if (!outcome.pictures.empty()) {
    NqPicture again;
    FUZZ_CHECK(nq_seek(decoder, 0, 1) == NQ_OK);
    FUZZ_CHECK(nq_get_picture(decoder, &again) == NQ_OK);
    FUZZ_CHECK(hash(again) == outcome.pictures[0]);
    nq_close(&decoder);
    nq_release_picture(&again);  // which outlives its decoder
  }
  nq_close(&decoder);
  return outcome;
}

uint32_t little_endian(const uint8_t* data) {
  return uint32_t{data[0]} | uint32_t{data[1]} << 8 | uint32_t{data[2]} << 16 | uint32_t{data[3]} << 24;
}

// CRC-32 of a chunk's type and payload, bit by bit.
uint32_t crc_of(const uint8_t* type, const uint8_t* payload, size_t length) {
  uint32_t crc = ~0u;
  const auto add = [&crc](uint8_t byte) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  };
  for (int k = 0; k < 4; ++k) add(type[k]);
  for (size_t k = 0; k < length; ++k) add(payload[k]);
  return ~crc;
}

// The same chunks with right lengths and CRCs, and without the index, as far as they can be told apart.
std::vector<uint8_t> mended(const std::vector<uint8_t>& file) {
  std::vector<uint8_t> out(file.begin(), file.begin() + static_cast<ptrdiff_t>(std::min(file.size(), kSignature)));
  for (size_t at = kSignature; at + kHead + 4 <= file.size();) {
    const size_t length = std::min<size_t>(little_endian(file.data() + at + 4), file.size() - at - kHead - 4);
    const uint8_t* const type = file.data() + at;
    if (std::memcmp(type, "SIDX", 4) != 0) {
      const size_t start = out.size();
      out.insert(out.end(), type, type + kHead + length);
      for (int k = 0; k < 4; ++k) out[start + 4 + static_cast<size_t>(k)] = static_cast<uint8_t>(length >> (8 * k));
      const uint32_t crc = crc_of(type, type + kHead, length);
      for (int k = 0; k < 4; ++k) out.push_back(static_cast<uint8_t>(crc >> (8 * k)));
    }
    at += kHead + length + 4;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> file(data, data + size);
  const uint8_t choice = size ? data[size - 1] : 0;  // of a CRC, mostly: any byte will do
  for (const std::vector<uint8_t>& each : {file, mended(file)}) {
    const Outcome whole = decode(each, each.size() + 1, settings(1, false));
    const size_t step = 1 + choice % 64;
    FUZZ_CHECK(decode(each, step, settings(1 + choice % 3, choice & 4)) == whole);
  }
  return 0;
}
