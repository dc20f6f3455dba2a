"""The decoder of tests/independent, written from formats/nq.md alone, gives what every conformance vector says."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from independent import nqdecode

ROOT = Path(__file__).resolve().parents[2]
DECODER = ROOT / "tests" / "independent" / "nqdecode.py"
VECTORS = ROOT / "formats" / "conformance"
NAMES = sorted(path.stem for path in VECTORS.glob("*.nq"))
ERRORS = {"error": "FormatError", "unsupported": "UnsupportedError", "limit": "LimitError", "hash": "HashError"}
SAMPLE = ROOT / "samples" / "bbb_320x180.nq"


def descriptor(name: str) -> dict[str, Any]:
    """The JSON beside a vector."""
    content: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return content


def outcome(data: bytes) -> dict[str, Any]:
    """What a descriptor says of a file: MD5s, or the class of its error."""
    whole, frames = hashlib.md5(), []
    try:
        for frame in nqdecode.decode(data):
            whole.update(frame)
            frames.append(hashlib.md5(frame).hexdigest())
    except nqdecode.RefusalError as refusal:
        return {"error": ERRORS[refusal.kind]}
    return {"md5": whole.hexdigest(), "frame_md5": frames}


def test_vectors_are_there() -> None:
    assert len(NAMES) >= 40
    assert sorted(path.stem for path in VECTORS.glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_vector(name: str) -> None:
    expected = descriptor(name)
    got = outcome((VECTORS / f"{name}.nq").read_bytes())
    said = {key: expected.get(key) for key in got}
    assert got == said
    assert ("error" in got) == ("error" in expected)


def test_first_frame_of_sample() -> None:
    """A real file: its bytes are legal and its first frame decodes to a picture's size."""
    header, _ = next(nqdecode.read_file(SAMPLE.read_bytes()))
    frame = next(iter(nqdecode.decode(SAMPLE.read_bytes())))
    assert len(frame) == header.width * header.height * 3 // 2


@pytest.mark.slow
def test_sample() -> None:
    assert outcome(SAMPLE.read_bytes())["md5"] == SAMPLE.with_suffix(".nq.md5").read_text().split()[0]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The decoder as a command, away from the project's own packages."""
    command = [sys.executable, "-I", DECODER, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_command(tmp_path: Path) -> None:
    name = next(name for name in NAMES if "md5" in descriptor(name))
    done = run(VECTORS / f"{name}.nq", tmp_path / "out.yuv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert hashlib.md5((tmp_path / "out.yuv").read_bytes()).hexdigest() == descriptor(name)["md5"]


@pytest.mark.parametrize(("error", "code"), [(name, nqdecode.EXIT_CODES[kind]) for kind, name in ERRORS.items()])
def test_command_refuses(tmp_path: Path, error: str, code: int) -> None:
    name = next(name for name in NAMES if descriptor(name).get("error") == error)
    done = run(VECTORS / f"{name}.nq", tmp_path / "out.yuv")
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_missing_file(tmp_path: Path) -> None:
    done = run(tmp_path / "none.nq", tmp_path / "out.yuv")
    assert done.returncode == 1
    assert not list(tmp_path.iterdir())


def test_decoder_stands_alone() -> None:
    """It imports the standard library only, and reads nothing of the project but the specification's tables."""
    tree = ast.parse(DECODER.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names - {"importlib", "ctypes", "runpy"}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"exec", "eval", "__import__", "float"}
    assert not any(isinstance(node, ast.Constant) and isinstance(node.value, float) for node in ast.walk(tree))
