"""csrc/testing as a library of its own: the scalar functions that C and CUDA share, for tests."""

from __future__ import annotations

import ctypes
from functools import cache

from emulated_cuda import ROOT, build

HOOKS = ROOT / "csrc" / "testing" / "math_hooks.cpp"


@cache
def library() -> ctypes.CDLL:
    """The hooks, built once for each state of their sources; raises CalledProcessError where the compiler refuses."""
    return ctypes.CDLL(str(build([HOOKS], "libnq_testing")))
