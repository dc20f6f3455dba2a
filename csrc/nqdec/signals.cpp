#include "signals.h"

#include <sys/select.h>

#include <cerrno>

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

void wait_for_input(int file) {
  {
    const SignalsHeld held;
    fd_set files;
    do {
      FD_ZERO(&files);
      FD_SET(file, &files);
    } while (!received && ::pselect(file + 1, &files, nullptr, nullptr, nullptr, &held.before()) < 0 && errno == EINTR);
  }
  check_signals();
}

SignalsHeld::SignalsHeld() {
  sigset_t noted;
  ::sigemptyset(&noted);
  for (const Noted& each : kNoted) ::sigaddset(&noted, each.number);
  ::pthread_sigmask(SIG_BLOCK, &noted, &before_);
}

SignalsHeld::~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace nqdec
