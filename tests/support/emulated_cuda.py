"""libnq_cuda compiled for the CPU: csrc/cuda/*.cu by the C++ compiler, with tests/support/cuda_emulation in CUDA's
place.

The library is built once for each state of its sources, into build/cuda_emulation, and loaded like the real one.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from nqcodec.synthesis import cuda, hadamard

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
EMULATION = ROOT / "tests" / "support" / "cuda_emulation"
FLAGS = (
    *("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wno-unknown-pragmas"),
    "-Werror=switch",  # as setup.py has it: a switch over operation codes lists all of them
    "-U_FORTIFY_SOURCE",  # which takes a jump from one thread's stack to another's for a fault
)
SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compiler() -> str | None:
    """The C++ compiler, found as setup.py finds it."""
    named = os.environ.get("CXX")
    return next(
        (path for name in ([named] if named else ["c++", "g++", "clang++"]) if (path := shutil.which(name))), None
    )


def kernel_sources() -> list[Path]:
    """What libnq_cuda is made of, what takes CUDA's place, and kernels with faults to find."""
    return [*sorted((CSRC / "cuda").glob("*.cu")), *sorted(EMULATION.glob("*.cpp")), EMULATION / "faults.cu"]


def _key(sources: Sequence[Path], flags: Sequence[str]) -> str:
    headers = [*sorted(CSRC.rglob("*.h")), *sorted(EMULATION.glob("*.h"))]
    digest = hashlib.sha256(" ".join([compiler() or "", *flags]).encode())
    for path in (*sources, *headers):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def build(sources: Sequence[Path], name: str, extra: Sequence[str] = ()) -> Path:
    """A shared library of `sources`; raises CalledProcessError where the compiler refuses."""
    cxx, flags = compiler(), [*FLAGS, *extra]
    assert cxx is not None
    folder = ROOT / "build" / "cuda_emulation" / _key(sources, flags)
    library = folder / f"{name}.so"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)

    def compile_one(source: Path) -> str:
        target = folder / f"{source.name}.{os.getpid()}.o"
        includes = [f"-I{folder}" for folder in (EMULATION, CSRC, CSRC / "include")]
        command = [cxx, *flags, *includes, "-x", "c++", "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return str(target)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    unfinished = folder / f"{name}.{os.getpid()}.tmp"
    subprocess.run([cxx, "-shared", *extra, *objects, "-o", str(unfinished)], check=True, capture_output=True)
    unfinished.replace(library)
    for path in objects:
        Path(path).unlink()
    return library


def library_path(*, sanitized: bool = False) -> Path:
    """libnq_cuda for the CPU, with AddressSanitizer and UndefinedBehaviorSanitizer if asked for."""
    return build(kernel_sources(), "libnq_cuda", SANITIZE if sanitized else ())


@cache
def _loaded(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path))


@contextmanager
def emulated(path: Path | None = None) -> Iterator[ctypes.CDLL]:
    """Meanwhile the library that the backend `cuda` and the transforms load is the emulated one (or that at `path`)."""
    library = _loaded(path or library_path())
    before = cuda.load_libnq_cuda, hadamard.load_libnq_cuda
    cuda.load_libnq_cuda = hadamard.load_libnq_cuda = lambda: library
    cuda.why_no_device.cache_clear()
    try:
        yield library
    finally:
        cuda.load_libnq_cuda, hadamard.load_libnq_cuda = before
        cuda.why_no_device.cache_clear()
