"""Hostile input, in short: damaged files, and the kept inputs of every fuzzing target. `make fuzz` is the long form."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from formats_clips import write
from mutations import MUTATIONS, mutant, put_together, random_file, take_apart

from nqcodec.bitstream.file import parse_file
from nqcodec.bitstream.header import VIDEO_FIELDS
from nqcodec.bitstream.reader import Reader, write_integer
from nqcodec.decoder.decoder import Decoder
from nqcodec.errors import NqError
from nqcodec.native.loading import why_absent

TESTS = Path(__file__).resolve().parents[1]
FUZZ = TESTS / "fuzz"
LIBRARY = TESTS.parent / "nqcodec" / "native" / "lib" / "libnq.so"
CXX = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
C_TARGETS = ("api", "coder", "context", "hadamard", "program")
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
needs_libnq = pytest.mark.skipif(bool(why_absent("libnq")), reason="libnq was not built")
needs_compiler = pytest.mark.skipif(CXX is None, reason="needs a C++ compiler")


def python(*words: object, timeout: float = 250) -> str:
    """What a script prints; its output is the message where it fails."""
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False, timeout=timeout, env=ENV
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def inputs(target: str) -> list[Path]:
    """The kept inputs of a target; there are some of each."""
    found = sorted((FUZZ / "corpus" / target).iterdir())
    assert found
    return found


def test_files_come_apart_and_together() -> None:
    for seed in range(4):
        data = random_file(seed)
        assert put_together(take_apart(data) or []) == data


def test_damage_is_seeded_and_of_every_kind() -> None:
    files = [random_file(seed) for seed in range(3)]
    once, again = ([mutant(files[0], files, 5, number) for number in range(60)] for _ in range(2))
    assert once == again
    assert len(set(once)) > 50
    assert sum(take_apart(data) is not None for data in once) > 20, "damage must get past the CRCs"
    assert len(MUTATIONS) == 8


@needs_libnq
def test_damaged_files_give_a_named_error_or_a_right_picture(tmp_path: Path) -> None:
    last = tmp_path / "last.nq"
    counts = json.loads(python(TESTS / "support" / "hostile.py", "--seed", 0, "--count", 1500, "--last", last))
    assert counts["inputs"] == 1500
    assert counts["FormatError"] > 500
    assert counts["picture"] > 10
    assert counts["HashError"] > 10
    assert not last.exists()


def extreme_header(seed: int) -> bytes:
    """A legal file whose description is unusual: rates, aspects and colours that the format allows and few expect."""
    rng, parts = np.random.default_rng(seed), take_apart(random_file(seed)) or []
    reader = Reader(parts[0][1])
    header = bytearray([reader.fixed("u8", "major"), reader.fixed("u8", "minor")])
    for field in VIDEO_FIELDS:
        value = reader.integer(field.kind, field.name)
        if field.name not in ("width", "height", "chroma", "depth", "matrix"):
            value = int(rng.choice([1, 2, 9, 14, field.high])) % (field.high + 1) or field.low
        header += write_integer(field.kind, value)
    return put_together([("VHDR", bytes(header)), *parts[1:]])


@pytest.mark.parametrize("name", ["out.yuv", "out.y4m", "%03d.png", "out.mkv", "out.mp4"])
def test_unusual_headers_are_written_or_refused_by_name(name: str, tmp_path: Path) -> None:
    written = 0
    for seed in range(8):
        file = parse_file(extreme_header(seed), "extreme.nq")
        try:
            write(tmp_path / name, file.video, Decoder(file, backend="reference").frames())
            written += 1
        except NqError:
            assert not any(path.name.startswith(".") for path in tmp_path.iterdir())
    assert written >= 1
    assert written == 8 or name not in ("out.yuv", "out.y4m")


@pytest.mark.parametrize("target", ["parser", "decoder"])
def test_kept_inputs_of_the_python_targets(target: str) -> None:
    """In this way atheris is not needed."""
    sys.path.insert(0, str(FUZZ))
    words = "import sys; sys.modules['atheris'] = None; sys.argv[:] = sys.argv[1:]; import runpy; "
    words += "sys.path.insert(0, sys.argv[0].rpartition('/')[0]); runpy.run_path(sys.argv[0], run_name='__main__')"
    python("-c", words, FUZZ / f"fuzz_{target}.py", *inputs(target))


@needs_libnq
@needs_compiler
@pytest.mark.parametrize("target", C_TARGETS)
def test_kept_inputs_of_the_c_targets(target: str, tmp_path: Path) -> None:
    """Against the library as it is installed."""
    sys.path.insert(0, str(FUZZ))
    import targets

    assert CXX is not None
    binary = targets.replay(CXX, target, tmp_path, LIBRARY)
    done = subprocess.run([binary, *inputs(target)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@needs_compiler
def test_kept_inputs_of_the_c_targets_under_sanitizers(tmp_path: Path) -> None:
    """ASan and UBSan over the library's sources; any finding ends the program."""
    sys.path.insert(0, str(FUZZ))
    import targets

    assert CXX is not None
    for target in C_TARGETS:
        binary = targets.replay(CXX, target, tmp_path)
        done = subprocess.run([binary, *inputs(target)], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
