"""Programs as the C libraries take them: what they refuse, and what they answer."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from emulated_cuda import CSRC, EMULATION, FLAGS, compiler, emulated
from random_networks import random_network

from nqcodec.errors import NqError, UnsupportedError
from nqcodec.media.video import Video
from nqcodec.native.cpu import cpu_levels
from nqcodec.native.loading import load_libnq
from nqcodec.native.status import TEXT, Status, check_status
from nqcodec.network.operations import (
    OPERATIONS,
    Add,
    Concat,
    Conv,
    Fold,
    Frequency,
    Grid,
    Mul,
    Norm,
    Operation,
    Planes,
    Shuffle,
    Tile,
    Upsample,
    Warp,
    Window,
)
from nqcodec.network.program import Program
from nqcodec.synthesis import cuda, native
from nqcodec.synthesis.descriptors import FlatProgram

VIDEO = Video(9, 5, 3)
needs_libnq = pytest.mark.skipif(not cpu_levels(), reason="libnq is not built")


EVERY_OPERATION: tuple[Operation, ...] = (
    Grid((), 2, 4, 2, 3),
    Conv((0,), 24, 3),
    Shuffle((1,), 2),
    Upsample((0,), 2, 4, 6),
    Frequency((), (1, 2), (3, 4)),
    Tile((4,), 4, 6),
    Concat((2, 3, 5)),
    Fold((6,), 1, 2),
    Conv((5,), 4, 1),
    Add((3, 8)),
    Mul((9, 3)),
    Norm((10,)),
    Concat((11, 2, 9)),
    Conv((12,), 6, 1),
    Window((13,), 3, 5, 1, 3, ((0, 8, 0), (2, 3, 8))),
    Conv((14,), 2, 3),
    Warp((14, 15), 4),
    Planes((16,), 2),
)


def create_status(flat: FlatProgram) -> int:
    """What libnq says to a descriptor; it makes nothing of a bad one."""
    library, handle = load_libnq(), ctypes.c_void_p()
    assert library is not None
    how = native.options("scalar")
    status = int(library.nq_synth_create(ctypes.byref(flat.descriptor), ctypes.byref(how), ctypes.byref(handle)))
    assert (status == Status.OK) == bool(handle.value)
    library.nq_synth_destroy(handle)
    return status


@pytest.fixture
def every_operation() -> FlatProgram:
    """A program with each operation, ready for the libraries."""
    program = Program.of(list(EVERY_OPERATION), VIDEO)
    return FlatProgram(random_network(np.random.default_rng(0), VIDEO, program), VIDEO, 3)


@needs_libnq
@pytest.mark.parametrize(
    ("index", "field", "value"),
    [
        (0, "input_count", 1),
        (0, "times", 0),
        (0, "values", None),
        (1, "input_count", 0),
        (1, "input_count", 2),
        (1, "inputs", None),
        (1, "code", 15),
        (1, "channels", 0),
        (1, "height", 1 << 30),
        (1, "map_width", 15),
        (1, "frac", 21),
        (1, "kernel", 4),
        (1, "activation", 5),
        (1, "bias", None),
        (2, "rows", 4),
        (2, "columns", 0),
        (2, "width", 7),
        (3, "ratio", 17),
        (3, "ratio", 1),
        (3, "width", 7),
        (3, "channels", 3),
        (4, "channels", 5),
        (4, "width", 2),
        (4, "steps", None),
        (4, "phases", None),
        (5, "channels", 3),
        (6, "input_count", 2),
        (6, "channels", 13),
        (7, "rows", 1 << 30),
        (9, "input_count", 1),
        (9, "channels", 3),
        (10, "height", 3),
        (11, "channels", 3),
        (12, "input_count", 0),
        (14, "knots", None),
        (14, "knot_count", 0),
        (14, "bits", 9),
        (14, "height", 5),
        (16, "bits", -1),
        (16, "bits", 9),
        (16, "input_count", 1),
        (16, "channels", 5),
        (16, "width", 4),
        (17, "ratio", 1),
    ],
)
def test_the_library_refuses_descriptors_that_break_the_format(
    every_operation: FlatProgram, index: int, field: str, value: int | None
) -> None:
    assert create_status(every_operation) == Status.OK
    setattr(every_operation.descriptor.ops[index], field, value)
    assert create_status(every_operation) == Status.BAD_PROGRAM


@needs_libnq
@pytest.mark.parametrize(("index", "source"), [(1, 1), (1, -1), (9, 14), (12, 12), (10, 1), (6, 0), (16, 14), (16, 16)])
def test_the_library_refuses_inputs_that_do_not_fit(every_operation: FlatProgram, index: int, source: int) -> None:
    """Later operations, and maps of another shape, as the last input."""
    op = every_operation.descriptor.ops[index]
    ctypes.cast(op.inputs, ctypes.POINTER(ctypes.c_int32))[op.input_count - 1] = source
    assert create_status(every_operation) == Status.BAD_PROGRAM


@needs_libnq
@pytest.mark.parametrize("name", ["gelu", "silu", "half_tanh", "sine"])
def test_the_library_refuses_absent_tables(every_operation: FlatProgram, name: str) -> None:
    setattr(every_operation.descriptor.tables, name, None)
    assert create_status(every_operation) == Status.BAD_PROGRAM


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.BAD_PROGRAM, ValueError),
        (Status.NO_RESOURCES, MemoryError),
        (Status.BAD_LEVEL, UnsupportedError),
        (Status.DEVICE_ERROR, NqError),
    ],
)
def test_each_status_has_its_error(status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="backend x"):
        check_status(status, "backend x", "detail")


def test_statuses_are_those_of_the_header() -> None:
    listed = re.search(r"enum NqStatus .*?\};", (CSRC / "include" / "nq" / "abi.h").read_text(), re.DOTALL)
    assert listed
    names = {name.upper(): int(value) for name, value in re.findall(r"kNq(\w+) = (\d+),", listed[0])}
    assert names == {status.name.replace("_", ""): status for status in Status}
    assert set(TEXT) == set(Status) - {Status.OK}


@needs_libnq
@pytest.mark.parametrize("code", [-1, 0, len(OPERATIONS) + 1, 1 << 30])
@pytest.mark.parametrize("index", range(len(EVERY_OPERATION)))
def test_no_library_takes_an_unknown_code_for_another(every_operation: FlatProgram, index: int, code: int) -> None:
    library, handle, options = load_libnq(), ctypes.c_void_p(), ctypes.byref(native.options("scalar"))
    assert library is not None
    every_operation.descriptor.ops[index].code = code
    program, nothing = ctypes.byref(every_operation.descriptor), ctypes.c_void_p()
    assert create_status(every_operation) == Status.BAD_PROGRAM
    assert library.nq_program_bytes(program, options) == 0
    run = library.nq_run_operation
    assert run(program, options, index, ctypes.c_int64(0), *[nothing] * 4) == Status.BAD_PROGRAM
    with emulated() as device:
        limits = ctypes.byref(cuda.CudaOptions(0, 1))
        assert device.nq_cuda_synth_create(program, limits, ctypes.byref(handle)) == Status.BAD_PROGRAM
        assert device.nq_cuda_program_bytes(program, 1) == 0


def test_a_switch_that_lacks_an_operation_does_not_compile(tmp_path: Path) -> None:
    """Nothing falls into another's case: a copy of the sources with one more code is refused, place by place."""
    if compiler() is None:
        pytest.skip("no C++ compiler")
    sources, found = tmp_path / "csrc", set[str]()
    shutil.copytree(CSRC, sources)
    header = sources / "include" / "nq" / "synthesis.h"
    header.write_text(re.sub(r"(enum NqCode .*?)\};", r"\1  kNqForeign = 99,\n};", header.read_text(), flags=re.DOTALL))
    includes = [f"-I{folder}" for folder in (EMULATION, sources, sources / "include")]
    for source in ("synthesis/steps.cpp", "cuda/maps.cu"):
        command = [str(compiler()), *FLAGS, *includes, "-x", "c++", "-fsyntax-only", str(sources / source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        found |= set(re.findall(r"(\w+\.\w+):\d+:\d+: error: .*kNqForeign", done.stderr))
    assert found == {"plan.h", "steps.cpp", "maps.cu"}
