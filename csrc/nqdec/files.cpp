#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "failure.h"
#include "signals.h"

namespace nqdec {
namespace {

constexpr size_t kBlock = size_t{1} << 16;

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string reason_of(const std::string& name, int error) {
  switch (error) {
    case ENOENT: return text("folder ", folder_of(name), " does not exist");
    case ENOTDIR: return text(folder_of(name), " is not a folder");
    case ENOSPC: return "the disk is full";
    case EDQUOT: return "the disk quota is used up";
    case EFBIG: return "the file is larger than the system allows";
    case EACCES:
    case EPERM: return "no permission to write there";
    case EROFS: return "the file system is read-only";
    case EISDIR: return "it is a folder";
    case EPIPE: return "closed by its reader before the end";
    default: return std::strerror(error);
  }
}

[[noreturn]] void output_failed(const std::string& name, int error) {
  throw Failure{kFailed, text(name, ": cannot be written: ", reason_of(name, error)), error == EPIPE};
}

// Writes every byte, or throws Failure.
void write_all(int file, const std::string& name, const void* data, size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size) {
    const ssize_t count = ::write(file, next, size);
    if (count < 0 && errno == EINTR) {
      check_signals();
      continue;
    }
    if (count <= 0) output_failed(name, count < 0 ? errno : EAGAIN);
    next += count;
    size -= static_cast<size_t>(count);
  }
}

// The name that a path leads to, links followed; itself where nothing is there yet.
std::string target_of(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved)) return resolved;
  if (::realpath(folder_of(path).c_str(), resolved)) return text(resolved, "/", name_of(path));
  return path;
}

std::string random_name(const std::string& name) {
  std::random_device random;
  const uint32_t number = random();
  uint8_t bytes[4];
  std::copy_n(reinterpret_cast<const uint8_t*>(&number), 4, bytes);
  return text(".", name.substr(0, 32), ".", nq::hex(bytes, 4), ".tmp");
}

// Bytes go to a temporary file in the destination's own folder, which takes its name by one rename. A device or a pipe
// cannot be replaced, so that bytes go straight into it.
class AtomicFile : public ByteOutput {
 public:
  explicit AtomicFile(const std::string& path) : path_(path), target_(target_of(path)) {
    struct stat state;
    in_place_ = ::stat(target_.c_str(), &state) == 0 && !S_ISREG(state.st_mode);
    temporary_ = in_place_ ? target_ : text(folder_of(target_), "/", random_name(name_of(target_)));
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CLOEXEC | (in_place_ ? 0 : O_CREAT | O_EXCL), 0666);
    if (file_ < 0) output_failed(path_, errno);
  }
  ~AtomicFile() override { discard(); }

  void write(const void* data, size_t size) override { write_all(file_, path_, data, size); }

  void commit() override {
    const int file = file_;
    file_ = -1;
    if (::close(file) != 0 || (!in_place_ && ::rename(temporary_.c_str(), target_.c_str()) != 0)) {
      const int error = errno;
      remove_temporary();
      output_failed(path_, error);
    }
  }

 private:
  void discard() {
    if (file_ < 0) return;
    ::close(file_);
    remove_temporary();
  }

  void remove_temporary() {
    if (!in_place_) ::unlink(temporary_.c_str());
  }

  std::string path_, target_, temporary_;
  bool in_place_ = false;
  int file_ = -1;
};

// What is written cannot be taken back.
class StandardOutput : public ByteOutput {
 public:
  StandardOutput() {
    if (::isatty(STDOUT_FILENO)) usage("-: standard output is a terminal; send the video to a pipe or a file");
  }
  void write(const void* data, size_t size) override { write_all(STDOUT_FILENO, "standard output", data, size); }
  void commit() override {}
};

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

}  // namespace

std::string stripped(const std::string& words) {
  const char* const kSpace = " \t\r\n";
  const size_t first = words.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : words.substr(first, words.find_last_not_of(kSpace) - first + 1);
}

std::string suffix(const std::string& path) {
  const std::string name = name_of(path);
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == name.size()) return "";
  std::string found = name.substr(dot);
  std::transform(found.begin(), found.end(), found.begin(), [](unsigned char c) { return std::tolower(c); });
  return found;
}

bool is_folder(const std::string& path) {
  struct stat state;
  return ::stat(path.c_str(), &state) == 0 && S_ISDIR(state.st_mode);
}

bool is_regular_file(const std::string& path) {
  struct stat state;
  return ::stat(path.c_str(), &state) == 0 && S_ISREG(state.st_mode);
}

Source::Source(const std::string& path) : name_(path == "-" ? kStandardInput : path), file_(STDIN_FILENO) {
  if (path == "-") {
    if (::isatty(file_)) usage("- reads a .nq file from standard input, and that is a terminal: pipe one in");
    return;
  }
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) fail(text(path, ": cannot be read: ", std::strerror(errno)));
}

Source::~Source() {
  if (file_ > STDIN_FILENO) ::close(file_);
}

std::vector<uint8_t> Source::read() {
  std::vector<uint8_t> data(kBlock);
  ssize_t count;
  wait_for_input(file_);
  while ((count = ::read(file_, data.data(), data.size())) < 0 && errno == EINTR) check_signals();
  if (count < 0) fail(text(name_, ": cannot be read: ", std::strerror(errno)));
  check_signals();  // one that ends us may end whoever writes to us, too
  data.resize(static_cast<size_t>(count));
  return data;
}

std::string read_text(const std::string& path, const std::string& why) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string words;
  char block[4096];
  ssize_t count = file < 0 ? -1 : 0;
  while (file >= 0 && (count = ::read(file, block, sizeof block)) > 0) words.append(block, static_cast<size_t>(count));
  const int error = errno;
  if (file >= 0) ::close(file);
  if (count < 0) fail(text(path, ": ", why, std::strerror(error)));
  return words;
}

std::unique_ptr<ByteOutput> open_file(const std::string& path) { return std::make_unique<AtomicFile>(path); }

std::unique_ptr<ByteOutput> open_standard_output() { return std::make_unique<StandardOutput>(); }

void refuse_source(const std::string& output, const std::string& source) {
  struct stat written, read;
  if (output == "-" || ::stat(output.c_str(), &written) != 0 || !S_ISREG(written.st_mode)) return;
  const bool is_input = source == "-";
  if ((is_input ? ::fstat(STDIN_FILENO, &read) : ::stat(source.c_str(), &read)) != 0) return;
  if (S_ISREG(read.st_mode) && same_file(written, read)) {
    usage(text(output, ": would overwrite the input ", is_input ? kStandardInput : source, ": name another output"));
  }
}

void may_replace(const std::string& output, bool overwrite, bool no_overwrite) {
  if (overwrite && no_overwrite) usage("-y replaces existing files and -n keeps them: give one of them");
  if (output == "-" || !is_regular_file(output) || overwrite) return;
  if (no_overwrite) fail(text(output, ": there already, and -n keeps it: name another output, or give -y"));
  if (!::isatty(STDIN_FILENO) || !::isatty(STDERR_FILENO)) return;
  std::fprintf(stderr, "%s: there already. Replace? [y/N] ", output.c_str());
  char answer[16] = "";
  wait_for_input(STDIN_FILENO);
  const char* const given = std::fgets(answer, sizeof answer, stdin);
  std::string word = stripped(given ? given : "");
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  if (word != "y" && word != "yes") fail(text(output, ": kept, and nothing was done"));
}

void check_save(const std::optional<std::string>& save, const std::string& source,
                const std::optional<std::string>& output) {
  if (!save) return;
  if (*save == "-") usage("--save -: takes the name of a file; --json prints the same on stdout");
  refuse_source(*save, source);
  if (output && *output != "-" && target_of(*save) == target_of(*output)) {
    usage(text("--save ", *save, ": is ", *output, " itself, which this call writes: name another file"));
  }
  if (is_folder(*save)) fail(text(*save, ": is a folder; name a file for --save"));
  if (!is_folder(folder_of(*save))) fail(text(*save, ": the folder ", folder_of(*save), " does not exist"));
}

}  // namespace nqdec
