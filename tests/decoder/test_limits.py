"""Limits: decided before anything is allocated, each error says which and how to lift it, and each can be lifted."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from nqcodec.bitstream.file import parse_file, read_file
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.decoder.decoder import Decoder
from nqcodec.errors import LimitError, UsageError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import IntegerNetwork, IntTensor, Layer
from nqcodec.network.operations import Add, Conv, Grid, Operation, Planes, Tile
from nqcodec.network.program import LIMITS, Limits, Program
from nqcodec.synthesis.backends import available, open_synthesizer

np = pytest.importorskip("numpy")
needs_libnq = pytest.mark.skipif(bool(available()["native"]), reason="libnq was not built")
GREY = Video(2, 2, 1, chroma=Chroma.C400)


def file_of(operations: list[Operation], video: Video = GREY) -> bytes:
    """A legal file of a program whose integers are all 0."""
    program = Program.of(operations, video)
    layers = []
    for index, op in enumerate(program.operations):
        layer = Layer(14, 8) if op.has_format else Layer()
        for name, shape in program.tensors(index).items():
            layer.tensors[name] = IntTensor(np.zeros(shape, np.int32), 2, np.zeros(1, np.int32))
        layers.append(layer)
    return pack_file(video, [(video.frames, pack_segment(IntegerNetwork(program, layers)))])


def grid_and(*operations: Operation) -> list[Operation]:
    return [Grid((), 1, 1, 2, 2), *operations, Planes((len(operations),), 1)]


def run_nqdec(path: Path, *arguments: str, memory: int | None = None) -> subprocess.CompletedProcess[str]:
    """nqdec, with at most `memory` bytes of address space."""
    code = "import sys; from nqcodec.cli.nqdec import main; sys.exit(main())"
    hold = (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None
    words, env = [sys.executable, "-c", code, str(path), *arguments], {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=env, preexec_fn=hold)


def test_limits_are_read_from_text() -> None:
    assert Limits.parse([]) == Limits()
    asked = Limits.parse(["frames=100, memory=4G", "parameters=2M"])
    assert asked == Limits(frames=100, memory=4 << 30, parameters=2 << 20)
    assert list(LIMITS) == list(Limits.__dataclass_fields__)


@pytest.mark.parametrize(
    "text", ["", "frames", "frames=", "frames=-1", "frames=1.5", "frames=0", "frames=9G", "speed=1", "frames=1Q", "²=1"]
)
def test_bad_limits_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError, match="--limits"):
        Limits.parse([text])


@pytest.mark.parametrize("name", list(LIMITS))
def test_every_limit_has_its_own_error_and_can_be_lifted(name: str, sample: Path) -> None:
    """One below what the sample asks for is refused, and the error's advice lifts it."""
    with pytest.raises(LimitError, match=rf"--limits {name}=\d+") as caught:
        next(Decoder(read_file(sample, Limits(**{name: 1})), limits=Limits(**{name: 1})).frames())
    (advice,) = [word for word in str(caught.value).split() if word.startswith(f"{name}=")]
    limits = Limits.parse([advice])
    if name == "memory":  # the program's own need; the backend adds its
        limits = Limits(memory=4 * limits.memory)
    next(Decoder(read_file(sample, limits), limits=limits).frames())


def test_nqdec_answers_with_the_limit_and_exit_code_4(sample: Path, tmp_path: Path) -> None:
    done = run_nqdec(sample, "--limits", "frames=3", "-o", str(tmp_path / "out.yuv"))
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith(f"error: {sample}: the file asks for ")
    assert "--limits frames=" in done.stderr
    assert list(tmp_path.iterdir()) == []
    for view in ("--info", "--bench"):
        assert run_nqdec(sample, view, "--limits", "parameters=10").returncode == 4
    assert run_nqdec(sample, "--limits", "frames=x", "--info").returncode == 2
    assert run_nqdec(sample, "--limits", "frames=1000,memory=4G", "--info").returncode == 0


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_small_files_that_ask_for_much_are_refused_in_little_memory(backend: str, tmp_path: Path) -> None:
    """Hundreds of bytes that ask for gigabytes, each within the format's other limits: exit code 4 within 1 GiB; or 5
    by libnq, whose strips of rows do without the gigabytes, unless it is allowed less than they take."""
    if available()[backend]:
        pytest.skip("libnq was not built")
    cases = {
        # Maps that each hold a large buffer although few of them live at once.
        "buffers": many_buffers(),
        # Columns of one sample, whose rows are padded to a vector.
        "padding": padded_columns(),
    }
    for name, data in cases.items():
        path = tmp_path / f"{name}.nq"
        path.write_bytes(data)
        assert len(data) < 4096
        done = run_nqdec(path, "--backend", backend, "-q", "--threads", "1", memory=1 << 30)
        if backend == "native":
            assert done.returncode == 5, (name, done.stderr)
            done = run_nqdec(
                path, "--backend", backend, "-q", "--threads", "1", "--limits", "memory=1K", memory=1 << 30
            )
        assert done.returncode == 4, (name, done.stderr)
        assert "memory" in done.stderr


def many_buffers() -> bytes:
    """For each of 40 rounds, a map of 512 MB that dies at once, and a small one that lives to the end."""
    operations: list[Operation] = [Grid((), 1, 1, 2, 2)]
    small = []
    for _ in range(40):
        operations.append(Tile((0,), 1 << 14, 1 << 14))
        operations.append(Tile((0,), 2, 2))
        small.append(len(operations) - 1)
    total = small[0]
    for index in small[1:]:
        operations.append(Add((total, index)))
        total = len(operations) - 1
    return file_of([*operations, Planes((total,), 1)])


def padded_columns() -> bytes:
    """A depthwise convolution of 64 columns of 2^20 samples each."""
    video = Video(1, 1 << 20, 1, chroma=Chroma.C400)
    channels = 256
    return file_of(
        [
            Grid((), 1, channels, 1, 1),
            Tile((0,), 1 << 20, 1),
            Conv((1,), channels, 1, True),
            Conv((2,), 1, 1),
            Planes((3,), 1),
        ],
        video,
    )


@needs_libnq
def test_native_memory_is_what_it_says(tmp_path: Path) -> None:
    """A network decodes with the memory that its error asks for, and is refused below."""
    video = Video(1024, 1024, 1, chroma=Chroma.C400)
    file = parse_file(file_of([Grid((), 1, 4, 512, 512), Conv((0,), 4, 3), Planes((1,), 2)], video), "x.nq")
    network = file.segment(0).network
    with pytest.raises(LimitError, match="bytes of memory") as caught:
        open_synthesizer(network, video, 1, "native", 1, Limits(memory=1))
    needed = int(str(caught.value).split("asks for ")[1].split()[0])
    open_synthesizer(network, video, 1, "native", 1, Limits(memory=needed)).close()
    with pytest.raises(LimitError):
        open_synthesizer(network, video, 1, "native", 1, Limits(memory=needed - 1))


def test_a_device_without_end_is_no_file() -> None:
    done = run_nqdec(Path("/dev/zero"), memory=2 << 30)
    assert done.returncode == 1
    assert "no .nq file" in done.stderr
