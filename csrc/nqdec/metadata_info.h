// What --info says of the metadata of a file.
#ifndef NQDEC_METADATA_INFO_H
#define NQDEC_METADATA_INFO_H

#include <string>

#include "decoder/container.h"
#include "json.h"

namespace nqdec {

// Whether the frames' own times, where there are any, are those of the video's rate.
bool has_constant_rate(const nq::Container& file);

Json metadata_json(const nq::Container& file);
// Lines, each with its newline before it.
std::string metadata_text(const nq::Container& file);

}  // namespace nqdec

#endif  // NQDEC_METADATA_INFO_H
