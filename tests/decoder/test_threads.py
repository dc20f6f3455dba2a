"""libnq from many Python threads at once, and under ThreadSanitizer: every result is what one thread gives."""

from __future__ import annotations

import gc
import os
import platform
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mutations import random_file

from nqcodec.benchmarks.entropy import CONTEXT
from nqcodec.bitstream.file import NqFile, parse_file
from nqcodec.bitstream.layers import CommonPieces, TensorEntry, TensorRecord, decode_tensors
from nqcodec.bitstream.reader import Reader
from nqcodec.decoder.decoder import Decoder
from nqcodec.entropy import lists, native, tensors
from nqcodec.entropy.tensors import CodedValues, TensorModel
from nqcodec.errors import FormatError
from nqcodec.media.video import frame_bytes
from nqcodec.network import tables
from nqcodec.synthesis import hadamard

HERE = Path(__file__).resolve().parent
FUZZ = HERE.parent / "fuzz"
CXX = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(not native.available(), reason="libnq was not built")


def at_once(tasks: list[Callable[[], None]]) -> None:
    """Run tasks on a thread each, all let go at one moment; raises what any of them raises."""
    start, failed = threading.Barrier(len(tasks)), []

    def run(task: Callable[[], None]) -> None:
        try:
            start.wait()
            task()
        except BaseException as error:  # an assertion is reported too
            failed.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def some_tensors() -> list[tuple[np.ndarray, TensorModel, int]]:
    """(values, model, channel axis): of each model, several pieces long where pieces are of 500 values."""
    rng = np.random.default_rng(3)
    latents = [np.rint(rng.laplace(0, 2, (2, 2, height, 30))).astype(np.int32) for height in (3, 20)]
    weights = [np.rint(rng.normal(0, 4, (24, 4, 3, size))).clip(-128, 127).astype(np.int32) for size in (2, 7)]
    scales = TensorModel(False, 0, 20, np.arange(8, 32, dtype=np.int32))
    return [
        *((each, TensorModel(False, context=CONTEXT), 1) for each in latents),
        *((each, model, 0) for each in weights for model in (TensorModel(True), TensorModel(False, 0, 20), scales)),
    ]


def code_all() -> tuple[list[np.ndarray], list[CodedValues]]:
    values, found = [], []
    for each, model, axis in some_tensors():
        pieces = tensors.encode_values(each, 8, model, axis)
        values.append(each)
        found.append(CodedValues.of(pieces, each.shape, 8, model, axis))
    return values, found


@pytest.fixture
def coded(monkeypatch: pytest.MonkeyPatch) -> tuple[list[np.ndarray], list[CodedValues]]:
    monkeypatch.setattr(tensors, "PIECE_SYMBOLS", 500)
    return code_all()


def meet_empty_caches(rounds: int) -> None:
    """Threads that decode as if each were the first to need the tables, at moments that differ a little."""
    values, found = code_all()
    rng = random.Random(1)
    for _ in range(rounds):
        native._build.cache_clear()
        tables.gaussian.cache_clear()
        tables.logistic.cache_clear()

        def task(delay: float) -> None:
            time.sleep(delay)
            for _ in range(3):
                for expected, each in zip(values, tensors.decode_all(found), strict=True):
                    assert np.array_equal(each, expected)

        at_once([partial(task, delay) for delay in (0, rng.random() * 0.02, rng.random() * 0.02)])


def test_tables_built_by_whom_ever_outlive_their_use() -> None:
    """What one thread alone has of a table must not go while C reads it. Memory that is freed is written over here."""
    words = "import test_threads as t; t.tensors.PIECE_SYMBOLS = 500; t.meet_empty_caches(40)"
    env = {
        **os.environ,
        "MALLOC_PERTURB_": "165",
        "PYTHONPATH": os.pathsep.join(map(str, (HERE, FUZZ.parent / "support"))),
    }
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_table_has_what_it_points_to() -> None:
    """Of a structure whose cache has forgotten it, the arrays are still there."""
    struct = native._logistic_table()
    native._build.cache_clear()
    tables.logistic.cache_clear()
    gc.collect()
    assert struct is not native._logistic_table()
    table, first = struct.held
    assert (struct.half_width, struct.cumulative, struct.first) == (
        table.half_width.ctypes.data,
        table.cumulative.ctypes.data,
        first.ctypes.data,
    )


def test_a_transform_has_what_it_points_to() -> None:
    rows = hadamard.Rows(3, 53, "float32", orthonormal=True)
    struct = hadamard._describe(rows)
    hadamard._block_arrays.cache_clear()
    gc.collect()
    sizes, scales = struct.held
    assert (struct.blocks, struct.scales) == (sizes.ctypes.data, scales.ctypes.data)
    assert sizes.tolist() == [32, 16, 4, 1]


def test_tensors_decode_alike_on_any_number_of_threads(coded: tuple[list[np.ndarray], list[CodedValues]]) -> None:
    values, found = coded
    for threads in (1, 2, 3, 8):
        for expected, each in zip(values, tensors.decode_all(found, "native", threads), strict=True):
            assert np.array_equal(each, expected)


def test_the_first_damaged_tensor_is_reported_whatever_the_threads(
    coded: tuple[list[np.ndarray], list[CodedValues]],
) -> None:
    _, found = coded
    rng = np.random.default_rng(8)
    for _ in range(40):
        for each in found:
            each.pieces[:] = tensors.encode_values(*_again(each))
        for place in rng.choice(len(found), 3, replace=False):
            piece = int(rng.integers(len(found[place].pieces)))
            data = bytearray(found[place].pieces[piece])
            data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
            found[place].pieces[piece] = bytes(data) + b"\0" * int(rng.integers(2))
        expected = _outcome(tensors.decode_all(found, "native", 1))
        assert all(_outcome(tensors.decode_all(found, "native", threads)) == expected for threads in (2, 5))
        assert _outcome(tensors.decode_all(found, "python")) == expected


def _again(each: CodedValues) -> tuple[np.ndarray, int, TensorModel, int]:
    """Arguments that code the tensor anew."""
    for values, model, axis in some_tensors():
        if values.shape == each.shape and repr(model) == repr(each.model):
            return values, each.bits, each.model, axis
    raise AssertionError("not one of some_tensors")


def _outcome(found: list[np.ndarray | ValueError]) -> list[str]:
    """Values' bytes, and the last one's error without the wording, which the Python coder has more of."""
    words = [str(each).split(":")[0] if isinstance(each, ValueError) else each.tobytes().hex() for each in found]
    return words


def test_files_decode_alike_by_several_decoders_at_once() -> None:
    files = [parse_file(random_file(seed), f"random{seed}.nq") for seed in range(4)]
    expected = [_bytes(file, 1) for file in files]

    def task() -> None:
        for _ in range(6):
            assert [_bytes(file, 2) for file in files] == expected

    at_once([task] * 3)


def _bytes(file: NqFile, threads: int) -> bytes:
    return b"".join(frame_bytes(frame) for frame in Decoder(file, backend="native", threads=threads).frames())


def test_a_damaged_list_hides_behind_a_tensor_that_is_damaged_before_it() -> None:
    """Side lists are read before any tensor's values; the error is all the same the file's first."""
    values = np.arange(-8, 8, dtype=np.int32).reshape(4, 4, 1, 1)
    data = tensors.encode_values(values, 8, TensorModel(True), 0)[0]
    record = TensorRecord(8, True, 0, -1, 0, 0, -1, None)
    listed = TensorRecord(8, True, 0, 40, 0, 0, -1, None)
    pieces = lists.code_sequence(np.full(4, 400, np.int32), np.full(4, 40, np.uint8))
    far, none = CommonPieces(tuple(pieces), 0, 0), CommonPieces((), 0, 0)
    good = TensorEntry(1, "weight", values.shape, record, (data,), 0, 0)
    damaged = TensorEntry(2, "weight", values.shape, record, (data + b"\0",), 0, 0)
    bad_list = TensorEntry(3, "weight", values.shape, listed, (data,), 0, 0)
    reader = Reader(b"", path="some.nq")
    for threads in (1, 2):
        assert len(decode_tensors(reader, [good, good], none, threads)) == 2
        with pytest.raises(FormatError, match="operation 2 weight: piece 0 of 1"):
            decode_tensors(reader, [good, damaged, bad_list], far, threads)
        with pytest.raises(FormatError, match="operation 3 weight: the step list leaves"):
            decode_tensors(reader, [good, bad_list, damaged], far, threads)


@pytest.mark.slow
@pytest.mark.skipif(CXX is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("sanitizer", ["thread", "address"])
def test_the_library_from_many_threads_under_a_sanitizer(sanitizer: str, tmp_path: Path) -> None:
    """The coder, tables' use, the thread pool, synthesis and the context rate, all at once; any finding ends it."""
    sys.path.insert(0, str(FUZZ))
    import targets

    assert CXX is not None
    binary = targets.stress(CXX, tmp_path, sanitizer)
    # ThreadSanitizer needs its addresses where it expects them, which some kernels' randomisation denies.
    prefix = ["setarch", platform.machine(), "-R"] if shutil.which("setarch") else []
    env = {**os.environ, "ASAN_OPTIONS": "detect_stack_use_after_return=1", "TSAN_OPTIONS": "halt_on_error=1"}
    done = subprocess.run(
        [*prefix, str(binary), "400", "4"], capture_output=True, text=True, check=False, timeout=300, env=env
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "1600 rounds\n"
