"""What an install built: native libraries where there are compilers, of the interface that Python expects."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from nqcodec.native.loading import ABI_VERSION, load_libnq, why_absent

ROOT = Path(__file__).resolve().parent.parent


def test_interface_version_is_one_number() -> None:
    text = (ROOT / "csrc" / "include" / "nq" / "abi.h").read_text("ascii")
    found = re.search(r"kNqAbiVersion = (\d+)", text)
    assert found is not None
    assert int(found.group(1)) == ABI_VERSION


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler")
def test_libnq_is_built_and_loads() -> None:
    assert why_absent("libnq") == ""
    library = load_libnq()
    assert library is not None
    assert library.nq_abi_version() == ABI_VERSION


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_libnq_cuda_compiles_and_loads_without_a_device() -> None:
    assert why_absent("libnq_cuda") == ""


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "nqcodec").rglob("__init__.py")}
    assert there | {"nqcodec.formats"} == set(listed)


def build_wheel(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A wheel of this tree, without fetching anything."""
    source = folder / "source"
    ignore = shutil.ignore_patterns(".venv", ".git", "build", "lib", "*.egg-info", ".demo", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignore)
    words = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    env = {**os.environ, "NQCODEC_CUDA": "0", **environment}
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=250, env=env)


def wheel_names(folder: Path) -> list[str]:
    (wheel,) = folder.glob("*.whl")
    assert "py3-none-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_without_a_compiler_holds_all_but_the_library(tmp_path: Path) -> None:
    done = build_wheel(tmp_path, CXX="no-such-compiler")
    assert done.returncode == 0, done.stderr
    names = wheel_names(tmp_path)
    assert {"nqcodec/formats/nq.md", "nqcodec/formats/tables/gaussian.json", "nqcodec/cli/nqdec.py"} <= set(names)
    vectors = {f"nqcodec/formats/conformance/{path.name}" for path in (ROOT / "formats" / "conformance").iterdir()}
    assert vectors <= set(names)
    pages = {name.rpartition("/share/man/man1/")[2] for name in names if ".data/data/share/man/man1/" in name}
    assert pages == {path.name for path in (ROOT / "docs" / "man").glob("*.1")} == {"nqenc.1", "nqdec.1", "nqtool.1"}
    assert not [name for name in names if name.endswith(".so")]
    assert not [name for name in names if name.startswith(("tests", "csrc", "samples"))]


def test_missing_compiler_is_fatal_where_native_is_required(tmp_path: Path) -> None:
    done = build_wheel(tmp_path, CXX="no-such-compiler", NQCODEC_REQUIRE_NATIVE="1")
    assert done.returncode != 0
    assert "NQCODEC_REQUIRE_NATIVE" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler")
def test_wheel_with_a_compiler_holds_the_library_and_the_program(tmp_path: Path) -> None:
    done = build_wheel(tmp_path, NQCODEC_REQUIRE_NATIVE="1")
    assert done.returncode == 0, done.stderr
    assert {"nqcodec/native/lib/libnq.so", "nqcodec/native/lib/nqdec"} <= set(wheel_names(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        mode = archive.getinfo("nqcodec/native/lib/nqdec").external_attr >> 16
    assert mode & 0o111, "the program can be run"
