// Pictures as bytes: raw planes (.yuv), or y4m, which has no R'G'B' and gets limited-range 4:4:4 instead.
#ifndef NQDEC_PICTURE_WRITER_H
#define NQDEC_PICTURE_WRITER_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "files.h"
#include "nq/nq.h"

namespace nqdec {

class PictureWriter {
 public:
  // Throws Failure for an output of another kind, or one that cannot be opened.
  PictureWriter(const std::string& output, bool raw, const NqVideo& video);

  void write(const NqPicture& picture);
  void commit() { output_->commit(); }

 private:
  NqVideo video_;
  bool is_y4m_;
  std::unique_ptr<ByteOutput> output_;
  std::vector<uint8_t> bytes_;  // of a picture
};

// Whether an output's name asks for raw planes or y4m: "-", .yuv, .raw or .y4m.
bool is_plain_output(const std::string& output);

// Appends the samples of a picture's planes, rows in order.
void append_planes(const NqPicture& picture, std::vector<uint8_t>& bytes);

}  // namespace nqdec

#endif  // NQDEC_PICTURE_WRITER_H
