// SIGINT, SIGTERM and SIGHUP end nqdec with nothing half-written left behind.
#ifndef NQDEC_SIGNALS_H
#define NQDEC_SIGNALS_H

namespace nqdec {

// From here on these signals are noted, and a reader that goes away is an error of writing.
void catch_signals();

// Throws Failure if one has come.
void check_signals();

}  // namespace nqdec

#endif  // NQDEC_SIGNALS_H
