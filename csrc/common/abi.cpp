#include "nq/abi.h"

NQ_API int nq_abi_version() { return kNqAbiVersion; }
