"""Finds and loads libnq and libnq_cuda, the C ABI libraries of csrc/. The only module that touches the files.

A library that is absent, cannot be loaded or speaks another interface version is reported by `why_absent`; nothing
is built at import, and callers fall back to the reference or raise their own clear error.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

ABI_VERSION = 12
"""Must equal kNqAbiVersion of csrc/include/nq/abi.h."""

LIBRARIES = {"libnq": "nq_abi_version", "libnq_cuda": "nq_cuda_abi_version"}


@cache
def _load(name: str) -> tuple[ctypes.CDLL | None, str]:
    path = Path(__file__).parent / "lib" / f"{name}.so"
    if not path.exists():
        return None, f"{name} was not built when nqcodec was installed"
    try:
        library = ctypes.CDLL(str(path))
        version = getattr(library, LIBRARIES[name])()
    except (OSError, AttributeError) as error:
        return None, f"{path} cannot be loaded: {error}"
    if version != ABI_VERSION:
        return None, f"{path} is of interface {version}, not {ABI_VERSION}: reinstall nqcodec"
    return library, ""


def load_libnq() -> ctypes.CDLL | None:
    """The CPU library, or None."""
    return _load("libnq")[0]


def load_libnq_cuda() -> ctypes.CDLL | None:
    """The CUDA library, or None. Loading it does not need a device; its functions do."""
    return _load("libnq_cuda")[0]


def why_absent(name: str) -> str:
    """Why `libnq` or `libnq_cuda` is not there; empty if it is."""
    return _load(name)[1]
