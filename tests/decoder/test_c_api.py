"""The public C API (csrc/include/nq/nq.h) as a program in C uses it: tests/support/api_client.c."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from segmented import segmented

from nqcodec.bitstream.chunks import read_chunks
from nqcodec.bitstream.file import parse_file
from nqcodec.decoder.conformance import load_vectors, run_command, summary
from nqcodec.decoder.decoder import Decoder
from nqcodec.media.video import frame_bytes
from nqcodec.native.loading import why_absent

TESTS = Path(__file__).resolve().parents[1]
LIBRARY = TESTS.parent / "nqcodec" / "native" / "lib" / "libnq.so"
CC = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.skipif(bool(why_absent("libnq")), reason="libnq was not built"),
    pytest.mark.skipif(CC is None, reason="needs a C compiler"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, linked with the library of this installation. The header is C99 without a warning."""
    binary = tmp_path_factory.mktemp("client") / "api_client"
    flags = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{TESTS.parent / 'csrc' / 'include'}"]
    link = [str(LIBRARY), f"-Wl,-rpath,{LIBRARY.parent}"]
    subprocess.run([str(CC), *flags, str(TESTS / "support" / "api_client.c"), *link, "-o", str(binary)], check=True)
    return binary


def decode(client: Path, data: bytes, folder: Path, step: int, threads: int = 1) -> tuple[list[str], bytes]:
    """(lines, planes) of a file that is given in pieces."""
    (folder / "in.nq").write_bytes(data)
    words = [client, "decode", "in.nq", "out.yuv", str(step), str(threads)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines(), (folder / "out.yuv").read_bytes()


def test_the_rules_of_the_interface(client: Path, sample: Path) -> None:
    done = subprocess.run([client, "check", sample], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("step", "threads"), [(1, 1), (7, 3), (1000, 2), (1 << 20, 4)])
def test_pieces_and_threads_give_the_same_planes(
    step: int, threads: int, client: Path, sample: Path, sample_md5: str, tmp_path: Path
) -> None:
    lines, planes = decode(client, sample.read_bytes(), tmp_path, step, threads)
    assert hashlib.md5(planes).hexdigest() == sample_md5
    assert lines[-1] == "there are no further pictures"
    assert lines[1].startswith("frame 1 at 40000000 for 40000000,")


DATA = segmented([1, 1, 2, 1], clips=["a", None, "b"], hashed=True, timed=True)
ENDS = [chunk.end for chunk in read_chunks(DATA, "") if chunk.kind == "SEGM"]


def test_pictures_come_as_soon_as_their_segment_has_arrived(client: Path, tmp_path: Path) -> None:
    """Byte for byte: a segment's pictures before a byte of the next. Frames are shown at their own times."""
    lines, planes = decode(client, DATA, tmp_path, 1)
    assert planes == b"".join(frame_bytes(frame) for frame in Decoder(parse_file(DATA, "x.nq")).frames())
    found = [tuple(map(int, re.findall(r"\d+", line))) for line in lines[:-1]]
    assert [arrived for _, _, _, arrived in found] == [end for end in ENDS for _ in range(2)]
    times = parse_file(DATA, "x.nq").metadata.times
    assert times is not None
    begins = [int(times.ticks(frame) * times.tick * 10**9) for frame in range(9)]
    assert [(at, at + length) for _, at, length, _ in found] == list(pairwise(begins))


def test_a_file_that_is_cut_gives_what_is_whole_and_then_its_error(client: Path, tmp_path: Path) -> None:
    whole = parse_file(DATA, "x.nq")
    size = whole.video.frame_bytes
    for length in range(0, len(DATA), 29):
        lines, planes = decode(client, DATA[:length], tmp_path, 64)
        frames = 2 * sum(end <= length for end in ENDS)
        assert len(planes) == frames * size
        assert len(lines) == frames + 1
        assert re.search(r"in\.nq.*(truncated|empty|signature)", lines[-1])


def test_every_vector_through_the_c_api(client: Path) -> None:
    """Refusals leave an output here: only the exit code is looked at, which is that of the error."""
    legal = [vector for vector in load_vectors() if not vector.error]
    result = summary(list(run_command(legal, f"{client} decode {{in}} {{out}} 100 2")))
    assert result["failures"] == {}
    codes = {"FormatError": 1, "UnsupportedError": 2, "LimitError": 3, "HashError": 4}
    for vector in load_vectors(only=["refuse-*"]):
        words = [client, "decode", vector.path, "/dev/null", "50", "1"]
        done = subprocess.run(words, capture_output=True, check=False, timeout=60)
        assert done.returncode == codes[vector.error], vector.name


def test_the_interface_prints_nothing_and_exports_its_functions() -> None:
    header = (TESTS.parent / "csrc" / "include" / "nq" / "nq.h").read_text("ascii")
    declared = set(re.findall(r"^NQ_PUBLIC .*?(nq_\w+)\(", header, re.MULTILINE))
    script = (TESTS.parent / "csrc" / "decoder" / "nq.map").read_text("ascii")
    assert declared == set(re.findall(r"nq_\w+", script))
    assert len(declared) == 12
    for path in (TESTS.parent / "csrc" / "decoder").glob("*.cpp"):
        assert not re.search(r"printf|cout|cerr|\bputs\b|\bexit\(", path.read_text("utf-8")), path.name
