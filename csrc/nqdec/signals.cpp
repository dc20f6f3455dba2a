#include "signals.h"

#include <csignal>

#include "failure.h"

namespace nqdec {
namespace {

volatile std::sig_atomic_t received = 0;

struct Noted {
  int number;
  const char* what;
};

constexpr Noted kNoted[] = {{SIGINT, "interrupted"}, {SIGTERM, "terminated"}, {SIGHUP, "hung up"}};

void note(int number) { received = number; }

}  // namespace

void catch_signals() {
  for (const Noted& each : kNoted) {
    struct sigaction before, action = {};
    // One that is ignored stays so (nohup).
    if (::sigaction(each.number, nullptr, &before) != 0 || before.sa_handler == SIG_IGN) continue;
    action.sa_handler = note;  // without SA_RESTART, so that waiting for a pipe ends
    ::sigaction(each.number, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

void check_signals() {
  const int number = received;
  for (const Noted& each : kNoted) {
    if (each.number == number) throw Failure{128 + number, text(each.what, ": nothing was written")};
  }
}

}  // namespace nqdec
