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
from operation_cases import CASES, OperationCase, case_id
from operation_instances import program_around
from random_networks import random_network

from nqcodec.errors import NqError, UnsupportedError
from nqcodec.native.cpu import cpu_levels
from nqcodec.native.loading import load_libnq
from nqcodec.native.status import TEXT, Status, check_status
from nqcodec.network.operations import OPERATIONS
from nqcodec.synthesis import cuda, native
from nqcodec.synthesis.descriptors import FlatProgram

needs_libnq = pytest.mark.skipif(not cpu_levels(), reason="libnq is not built")


def create_status(flat: FlatProgram) -> int:
    """What libnq says to a descriptor; it makes nothing of a bad one."""
    library, handle = load_libnq(), ctypes.c_void_p()
    assert library is not None
    how = native.options("scalar")
    status = int(library.nq_synth_create(ctypes.byref(flat.descriptor), ctypes.byref(how), ctypes.byref(handle)))
    assert (status == Status.OK) == bool(handle.value)
    library.nq_synth_destroy(handle)
    return status


def flat_program(case: OperationCase) -> tuple[FlatProgram, int]:
    """A program around a case's example, ready for the libraries, and the operation's index."""
    program, video, index = program_around(case.example)
    return FlatProgram(random_network(np.random.default_rng(0), video, program), video, video.frames), index


BROKEN = [pytest.param(case, *broken, id=f"{case_id(case)}-{broken}") for case in CASES for broken in case.broken]


@needs_libnq
@pytest.mark.parametrize(("case", "field", "value"), BROKEN)
def test_the_library_refuses_descriptors_that_break_the_format(
    case: OperationCase, field: str, value: int | None
) -> None:
    flat, index = flat_program(case)
    assert create_status(flat) == Status.OK
    setattr(flat.descriptor.ops[index], field, value)
    assert create_status(flat) == Status.BAD_PROGRAM


@needs_libnq
@pytest.mark.parametrize("case", [case for case in CASES if case.example.inputs], ids=case_id)
def test_the_library_refuses_inputs_that_do_not_fit(case: OperationCase) -> None:
    """Itself, later operations, none, and a map of another shape, as the last input."""
    flat, index = flat_program(case)
    op = flat.descriptor.ops[index]
    for source in (index, index + 1, -1, 0):
        ctypes.cast(op.inputs, ctypes.POINTER(ctypes.c_int32))[op.input_count - 1] = source
        assert create_status(flat) == Status.BAD_PROGRAM


@needs_libnq
@pytest.mark.parametrize("name", ["gelu", "silu", "half_tanh", "sine"])
def test_the_library_refuses_absent_tables(name: str) -> None:
    flat, _ = flat_program(CASES[0])
    setattr(flat.descriptor.tables, name, None)
    assert create_status(flat) == Status.BAD_PROGRAM


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
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_no_library_takes_an_unknown_code_for_another(case: OperationCase, code: int) -> None:
    library, handle, options = load_libnq(), ctypes.c_void_p(), ctypes.byref(native.options("scalar"))
    assert library is not None
    flat, index = flat_program(case)
    flat.descriptor.ops[index].code = code
    program, nothing = ctypes.byref(flat.descriptor), ctypes.c_void_p()
    assert create_status(flat) == Status.BAD_PROGRAM
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
    for source in ("synthesis/nodes.cpp", "cuda/maps.cu"):
        command = [str(compiler()), *FLAGS, *includes, "-x", "c++", "-fsyntax-only", str(sources / source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        found |= set(re.findall(r"(\w+\.\w+):\d+:\d+: error: .*kNqForeign", done.stderr))
    assert found == {"plan.h", "nodes.cpp", "maps.cu"}
