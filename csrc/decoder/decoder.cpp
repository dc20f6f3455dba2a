#include "decoder/decoder.h"

#include <algorithm>
#include <thread>

#include "decoder/error.h"
#include "decoder/limits.h"

namespace nq {
namespace {

constexpr int32_t kMostThreads = 1024;

[[noreturn]] void refuse_argument(std::string_view what) { throw Error{NQ_ERROR_ARGUMENT, std::string(what)}; }

Machine machine_of(const NqSettings& settings) {
  return {settings.threads, settings.cpu, settings.low_memory != 0, settings.no_verify == 0};
}

}  // namespace

NqSettings checked_settings(const NqSettings& settings) {
  NqSettings checked = settings;
  if (settings.threads < 0 || settings.threads > kMostThreads) {
    refuse_argument(text("settings: ", settings.threads, " threads are outside 0..", kMostThreads));
  }
  if (!settings.threads) {
    const auto cores = static_cast<int32_t>(std::thread::hardware_concurrency());
    checked.threads = std::clamp(cores, 1, kMostThreads);
  }
  if (settings.cpu == NQ_CPU_BEST) checked.cpu = nq_synth_level();
  if (checked.cpu < NQ_CPU_SCALAR || checked.cpu > nq_synth_level()) {
    throw_unsupported("settings", "this CPU does not have the instruction set asked for");
  }
  for (const LimitKind& kind : kLimitKinds) {
    const uint64_t value = settings.limits.*kind.member;
    if (value < 1 || value > kind.most) {
      refuse_argument(text("settings: the limit ", kind.name, " is ", value, ", outside 1..", kind.most));
    }
  }
  if (!settings.allocate != !settings.release) refuse_argument("settings: allocate and release are given together");
  return checked;
}

Decoder::Decoder(const NqSettings& settings)
    : settings_(settings), container_(settings.name ? settings.name : "", settings.limits), allocator_(settings) {
  settings_.name = nullptr;  // the caller's
}

void Decoder::send(const uint8_t* data, size_t size) {
  if (failure_) throw *failure_;
  try {
    container_.feed(data, size);
  } catch (const Error& error) {
    failure_ = error;
    throw;
  }
}

void Decoder::end_of_file() {
  if (failure_) throw *failure_;
  try {
    container_.finish();
    has_ended_ = true;
  } catch (const Error& error) {
    failure_ = error;
    throw;
  }
}

// The frame after the last one that is wanted.
uint32_t Decoder::last_wanted() const { return count_ ? start_ + count_ : UINT32_MAX; }

NqResult Decoder::get_picture(NqPicture& picture) {
  if (stopped_) throw *stopped_;
  try {
    return make_picture(picture);
  } catch (const Error& error) {
    open_.reset();
    stopped_ = error;
    throw;
  }
}

NqResult Decoder::make_picture(NqPicture& picture) {
  if (open_ && next_ == open_->end) close_segment();
  if (next_ >= last_wanted()) return NQ_END;
  const size_t number = container_.segment_of(next_);
  if (number == container_.segments().size()) {
    if (failure_) throw *failure_;
    return has_ended_ ? NQ_END : NQ_AGAIN;
  }
  if (!open_) open(number);
  const Segment& segment = *open_->segment;
  Frame frame;
  try {
    frame = open_->frames->next();
  } catch (...) {
    open_.reset();  // which has lost a frame
    throw;
  }
  check_frame(segment, frame);
  if (open_->is_whole) hash_picture(open_->planes, frame.picture.get());
  describe(segment, frame.picture.get());
  ++next_;
  picture = frame.picture.take();
  return NQ_OK;
}

void Decoder::seek(uint32_t frame, uint32_t count) {
  const uint32_t frames = container_.video().frames;
  const uint64_t end = uint64_t{frame} + std::max(count, uint32_t{1});
  if (end > UINT32_MAX || (container_.is_complete() && end > frames)) {
    refuse_argument(text("frames ", frame, ":", end, " are not within 0:", frames));
  }
  open_.reset();
  stopped_.reset();
  start_ = next_ = frame;
  count_ = count;
}

void Decoder::open(size_t number) {
  const NqVideo& video = container_.video();
  const std::string& file = container_.file();
  Open opened;
  opened.number = number;
  opened.segment = container_.segments()[number];
  const Segment& segment = *opened.segment;
  if (segment.chunk.payload.empty()) {
    refuse_argument(text("the frames ", segment.first, ":", segment.first + segment.frames, " have been forgotten"));
  }
  const SegmentLayout layout = scan_segment(segment, video, settings_.limits, file);
  opened.md5 = layout.md5;
  opened.network = decode_segment(segment, layout, video, tables_, settings_.threads, file);
  const uint32_t first = segment.first;
  opened.end = std::min(first + segment.frames, last_wanted());
  opened.is_whole = !settings_.no_verify && next_ == first && opened.end == first + segment.frames;
  Machine machine = machine_of(settings_);
  machine.hashes = machine.hashes && !segment.frame_md5.empty();
  opened.frames = open_frames(*opened.network, video, settings_.limits, machine, allocator_, next_ - first,
                              opened.end - first, file);
  open_.emplace(std::move(opened));
}

void Decoder::close_segment() {
  const Open done = std::move(*open_);
  open_.reset();
  if (settings_.forget && done.end == done.segment->first + done.segment->frames) container_.forget(done.number);
  if (!done.is_whole) return;
  const Md5Digest digest = done.planes.digest();
  if (digest == done.md5) return;
  throw Error{NQ_ERROR_HASH, about(container_.file(),
                                   text("segment ", done.number, " decodes to MD5 ", hex(digest.data(), digest.size()),
                                        ", and the file says ", hex(done.md5.data(), done.md5.size())))};
}

void Decoder::check_frame(const Segment& segment, const Frame& frame) const {
  if (settings_.no_verify || segment.frame_md5.empty()) return;
  const uint8_t* const expected = segment.frame_md5.data() + frame.md5.size() * (next_ - segment.first);
  if (!std::equal(frame.md5.begin(), frame.md5.end(), expected)) {
    throw Error{NQ_ERROR_HASH, about(container_.file(), text("frame ", next_, " differs from its hash in the file"))};
  }
}

void Decoder::describe(const Segment& segment, NqPicture& picture) const {
  const NqVideo& video = container_.video();
  const uint32_t t = next_ - segment.first;
  const auto time = [&](uint32_t frame) {
    return segment.times ? segment.times->nanoseconds(frame)
                         : to_nanoseconds(uint64_t{frame} * video.fps_den, video.fps_num);
  };
  picture.frame = next_;
  picture.time = add(segment.time, time(t));
  picture.duration = time(t + 1) - time(t);
}

}  // namespace nq
