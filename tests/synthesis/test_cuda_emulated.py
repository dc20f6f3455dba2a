"""libnq_cuda's own code on the CPU (emulated_cuda.py): transforms, memory by sanitizers, and faults that it finds.

Networks run there too: test_parity.py, test_cuda_kernels.py and test_cuda_batches.py.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from emulated_cuda import compiler, emulated, library_path

from nqcodec.network import hadamard as definition
from nqcodec.synthesis import hadamard as native

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")

SANITIZED_SEEDS = range(10)
UNWRITTEN = int(np.int32(np.uint32(0xA5A5A5A5).view(np.int32)))
"""What memory holds that nothing has been written to."""


@pytest.fixture
def library() -> Iterator[ctypes.CDLL]:
    """The emulated library in the place of the real one."""
    with emulated() as loaded:
        yield loaded


@pytest.mark.parametrize("length", [1, 2, 8, 53, 256, 1000, 4096, 9000])
def test_transforms_of_integers_are_the_definition(length: int, library: ctypes.CDLL) -> None:
    values = np.random.default_rng(length).integers(-(1 << 20), 1 << 20, (37, length)).astype(np.int32)
    out, shape = values.copy(), native.Rows(37, length, "int32", orthonormal=False)
    native.transform_device_memory(shape, out.ctypes.data, out.ctypes.data, 0)
    library.nq_emulated_synchronize()
    assert np.array_equal(out, definition.transform(values))


@pytest.mark.skipif(not native.available(), reason="libnq is not built")
@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("length", [4, 53, 1000, 4096])
def test_transforms_of_floats_have_the_bits_of_the_cpu(length: int, name: str, library: ctypes.CDLL) -> None:
    """From any address: vectors are used where rows begin at multiples of 16 bytes."""
    kind = np.uint16 if name == "bfloat16" else np.dtype(name)
    numbers = np.random.default_rng(length).normal(size=(9, length)).astype(np.float32)
    values = (numbers.view(np.uint32) >> 16).astype(kind) if name == "bfloat16" else numbers.astype(kind)
    shape = native.Rows(9, length, name, orthonormal=True)
    expected, whole = values.copy(), np.zeros(values.size + 8, kind)
    native.transform_memory(shape, expected.ctypes.data, expected.ctypes.data)
    for offset in (0, 1):
        out = whole[offset : offset + values.size].reshape(values.shape)
        native.transform_device_memory(shape, values.ctypes.data, out.ctypes.data, 0)
        library.nq_emulated_synchronize()
        assert out.tobytes() == expected.tobytes()


@pytest.mark.slow
@pytest.mark.skipif("clang" in (compiler() or ""), reason="the sanitizers' libraries are found as GCC has them")
def test_kernels_stay_within_memory() -> None:
    """Networks under AddressSanitizer and UndefinedBehaviorSanitizer, shared memory included."""
    done = run_sanitized("emulated_networks.py", str(library_path(sanitized=True)), *map(str, SANITIZED_SEEDS))
    assert done.returncode == 0, done.stderr[-4000:]
    assert "ERROR" not in done.stderr
    assert done.stdout.split() == ["exact"] * len(SANITIZED_SEEDS)


def run_sanitized(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script of this folder with the sanitizers' libraries loaded before Python's own."""
    cxx = compiler()
    assert cxx is not None
    found = (
        subprocess.run([cxx, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    )
    options = "detect_leaks=0:verify_asan_link_order=0"
    env = {**os.environ, "LD_PRELOAD": " ".join(found), "ASAN_OPTIONS": options, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(Path(__file__).parents[1] / "support" / script), *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=200, env=env)


def run_fault(path: Path, which: int, *, waits: bool = True) -> tuple[int, str, list[int]]:
    """(exit code, errors, results) of a kernel with a fault, in a process of its own."""
    code = (
        "import ctypes; out = (ctypes.c_int32 * 64)();"
        f"ctypes.CDLL({str(path)!r}).nq_fault({which}, {int(waits)}, out); print(*out)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr, [int(word) for word in done.stdout.split()]


def test_faults_of_kernels_are_found() -> None:
    path = library_path()
    assert UNWRITTEN in run_fault(path, 2)[2], "a forgotten barrier"
    code, errors, _ = run_fault(path, 3)
    assert code < 0, "lanes that do not do the same"
    assert "the same matrix instructions" in errors
    assert set(run_fault(path, 4)[2]) == {0}, "sums looked at before they are there"
    assert set(run_fault(path, 2, waits=False)[2]) == {UNWRITTEN}, "a copy that is not awaited"


@pytest.mark.slow
@pytest.mark.skipif("clang" in (compiler() or ""), reason="the sanitizers' libraries are found as GCC has them")
@pytest.mark.parametrize("which", [0, 1])
def test_reading_past_memory_is_found(which: int) -> None:
    done = run_sanitized("emulated_networks.py", str(library_path(sanitized=True)), f"fault{which}")
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
