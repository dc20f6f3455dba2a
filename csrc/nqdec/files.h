// Files and names: reading the source, outputs that appear whole or not at all, and what may be replaced.
#ifndef NQDEC_FILES_H
#define NQDEC_FILES_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace nqdec {

// What a message calls standard input.
constexpr const char* kStandardInput = "standard input";

std::string stripped(const std::string& words);  // without white space at its ends
std::string suffix(const std::string& path);     // ".y4m", in small letters; empty if there is none
bool is_folder(const std::string& path);
bool is_regular_file(const std::string& path);

// The bytes of a file, or of standard input for "-", in order. Throws Failure.
class Source {
 public:
  explicit Source(const std::string& path);
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source();

  // Bytes as soon as there are some, none at the end.
  std::vector<uint8_t> read();

 private:
  std::string name_;
  int file_;
};

// The text of a file; throws Failure, with `why` in front of the system's reason.
std::string read_text(const std::string& path, const std::string& why);

// Where the bytes of an output go. Until `commit` a file has not got its name; unless it is committed, nothing is left.
class ByteOutput {
 public:
  virtual ~ByteOutput() = default;
  virtual void write(const void* data, size_t size) = 0;
  virtual void commit() = 0;
};

std::unique_ptr<ByteOutput> open_file(const std::string& path);
std::unique_ptr<ByteOutput> open_standard_output();

// Throws Failure if an output is the source itself, by any name.
void refuse_source(const std::string& output, const std::string& source);

// Goes on if an existing output may be replaced: by -y, by the answer on a terminal, or where nobody can be asked.
void may_replace(const std::string& output, bool overwrite, bool no_overwrite);

// What would make --save fail or overwrite another file of the call, before the long part; throws Failure.
void check_save(const std::optional<std::string>& save, const std::string& source,
                const std::optional<std::string>& output);

}  // namespace nqdec

#endif  // NQDEC_FILES_H
