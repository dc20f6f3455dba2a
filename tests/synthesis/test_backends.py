"""Choosing a backend, the environment, and what happens to those that are absent or misused."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import numpy as np
import pytest
from random_networks import random_network

from nqcodec.errors import NqError, UnsupportedError
from nqcodec.media.video import Video
from nqcodec.native.loading import load_libnq
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import (
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
from nqcodec.synthesis import backends, cuda, native
from nqcodec.synthesis.descriptors import (
    BAD_LEVEL,
    BAD_PROGRAM,
    DEVICE_ERROR,
    NO_RESOURCES,
    OK,
    FlatProgram,
    check_status,
)
from nqcodec.synthesis.native import NativeSynthesizer, cpu_levels
from nqcodec.synthesis.reference import ReferenceSynthesizer

VIDEO = Video(9, 5, 3)
needs_libnq = pytest.mark.skipif(not cpu_levels(), reason="libnq is not built")


@pytest.fixture
def network() -> IntegerNetwork:
    """A legal network for `VIDEO`."""
    return random_network(np.random.default_rng(0), VIDEO)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NQCODEC_BACKEND", "NQCODEC_CPU"):
        monkeypatch.delenv(name, raising=False)


def absent(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Pretend that backends are absent."""
    real = backends._why_absent
    monkeypatch.setattr(backends, "_why_absent", lambda name: "not here" if name in names else real(name))


def test_the_reference_is_always_there_and_every_absence_has_a_reason() -> None:
    present = backends.available()
    assert tuple(present) == backends.BACKENDS
    assert present["reference"] == ""
    assert present["native"] == "" or "libnq" in present["native"]


def test_the_best_present_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "cuda", "native")
    assert backends.choose() == "reference"
    monkeypatch.setattr(backends, "_why_absent", lambda _: "")
    assert backends.choose() == "cuda"


def test_a_name_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NQCODEC_BACKEND", "reference")
    assert backends.choose() == "reference"
    monkeypatch.setenv("NQCODEC_BACKEND", "nonsense")
    assert backends.choose("reference") == "reference"
    with pytest.raises(UnsupportedError, match="'nonsense' does not exist; there are cuda, native, reference"):
        backends.choose()


def test_an_absent_backend_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "native")
    with pytest.raises(UnsupportedError, match="backend native: not here"):
        backends.choose("native")


def test_without_libraries_only_the_reference_opens(monkeypatch: pytest.MonkeyPatch, network: IntegerNetwork) -> None:
    monkeypatch.setattr(native, "load_libnq", lambda: None)
    monkeypatch.setattr(native, "why_absent", lambda _: "libnq was not built")
    monkeypatch.setattr(cuda, "load_libnq_cuda", lambda: None)
    assert cpu_levels() == ()
    with pytest.raises(UnsupportedError, match="backend native: libnq was not built"):
        NativeSynthesizer(network, VIDEO, 3)
    with pytest.raises(UnsupportedError, match="backend cuda"):
        cuda.CudaSynthesizer(network, VIDEO, 3)
    with backends.open_synthesizer(network, VIDEO, 3, "reference") as synthesizer:
        assert [plane.shape for plane in synthesizer.frame(2)] == [(5, 9), (3, 5), (3, 5)]


@needs_libnq
def test_the_environment_names_the_cpu_level(monkeypatch: pytest.MonkeyPatch, network: IntegerNetwork) -> None:
    asked: list[str | None] = []
    real = NativeSynthesizer.__init__

    def record(self: NativeSynthesizer, *args: object, cpu: str | None = None, bands: int = 1) -> None:
        asked.append(cpu)
        real(self, *args, cpu=cpu)  # type: ignore[arg-type]

    monkeypatch.setattr(NativeSynthesizer, "__init__", record)
    monkeypatch.setenv("NQCODEC_CPU", "scalar")
    backends.open_synthesizer(network, VIDEO, 3, "native", 1).close()
    monkeypatch.setenv("NQCODEC_CPU", "")
    backends.open_synthesizer(network, VIDEO, 3, "native", 1).close()
    monkeypatch.setenv("NQCODEC_CPU", "mmx")
    with pytest.raises(UnsupportedError, match=r"'mmx' is not one of this machine's: scalar"):
        backends.open_synthesizer(network, VIDEO, 3, "native", 1)
    assert asked == ["scalar", None, "mmx"]


@needs_libnq
def test_frames_planes_and_handles_are_checked(network: IntegerNetwork) -> None:
    synthesizer = NativeSynthesizer(network, VIDEO, 3)
    for t in (-1, 3, 1 << 40):
        with pytest.raises(ValueError, match=f"frame {t}"):
            synthesizer.frame(t)
    planes = [np.zeros(shape, np.uint8) for shape in VIDEO.plane_shapes]
    with pytest.raises(ValueError, match="instead of"):
        synthesizer.frame_into(0, planes[:1])
    with pytest.raises(ValueError, match="contiguous rows"):
        synthesizer.frame_into(0, [plane.astype(np.uint16) for plane in planes])
    with pytest.raises(ValueError, match="contiguous rows"):
        synthesizer.frame_into(0, [np.zeros(shape[::-1], np.uint8).T for shape in VIDEO.plane_shapes])
    synthesizer.close()
    synthesizer.close()
    with pytest.raises(ValueError, match="closed"):
        synthesizer.frame(0)


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
    assert (status == OK) == bool(handle.value)
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
    assert create_status(every_operation) == OK
    setattr(every_operation.descriptor.ops[index], field, value)
    assert create_status(every_operation) == BAD_PROGRAM


@needs_libnq
@pytest.mark.parametrize(("index", "source"), [(1, 1), (1, -1), (9, 14), (12, 12), (10, 1), (6, 0), (16, 14), (16, 16)])
def test_the_library_refuses_inputs_that_do_not_fit(every_operation: FlatProgram, index: int, source: int) -> None:
    """Later operations, and maps of another shape, as the last input."""
    op = every_operation.descriptor.ops[index]
    ctypes.cast(op.inputs, ctypes.POINTER(ctypes.c_int32))[op.input_count - 1] = source
    assert create_status(every_operation) == BAD_PROGRAM


@needs_libnq
@pytest.mark.parametrize("name", ["gelu", "silu", "half_tanh", "sine"])
def test_the_library_refuses_absent_tables(every_operation: FlatProgram, name: str) -> None:
    setattr(every_operation.descriptor.tables, name, None)
    assert create_status(every_operation) == BAD_PROGRAM


@pytest.mark.parametrize(
    ("status", "error"),
    [(BAD_PROGRAM, ValueError), (NO_RESOURCES, MemoryError), (BAD_LEVEL, UnsupportedError), (DEVICE_ERROR, NqError)],
)
def test_each_status_has_its_error(status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="backend x"):
        check_status(status, "backend x", "detail")


def test_synthesis_imports_nothing_heavy() -> None:
    code = (
        "import sys; import nqcodec.synthesis.backends;"
        "sys.exit(' '.join({'torch', 'torchac', 'av', 'imageio'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_reference_and_protocol_agree(network: IntegerNetwork) -> None:
    synthesizer: backends.Synthesizer = ReferenceSynthesizer(network, VIDEO, 3)
    with synthesizer as opened:
        assert opened is synthesizer
