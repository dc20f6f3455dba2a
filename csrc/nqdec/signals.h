// SIGINT, SIGTERM and SIGHUP end nqdec with nothing half-written left behind.
#ifndef NQDEC_SIGNALS_H
#define NQDEC_SIGNALS_H

#include <csignal>

namespace nqdec {

// From here on these signals are noted, and a reader that goes away is an error of writing.
void catch_signals();

// Throws Failure if one has come.
void check_signals();

// Waits until there is something to read, or a signal, whenever it comes: then it throws Failure.
void wait_for_input(int file);

// As long as it lives, signals wait. Threads that are started meanwhile never take them from the one that checks.
class SignalsHeld {
 public:
  SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld();

  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_;
};

}  // namespace nqdec

#endif  // NQDEC_SIGNALS_H
