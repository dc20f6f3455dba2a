"""The decoder by CMake, as a program in C finds it: library, header, pkg-config, nqdec; and what it weighs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 700_000
"""Of the stripped library."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cmake") is None, reason="needs CMake"),
    pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler"),
]


def run(*words: object, **more: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, check=False, timeout=900, env={**os.environ, **more}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it has been installed."""
    folder = tmp_path_factory.mktemp("cmake")
    run("cmake", "-S", ROOT, "-B", folder / "build", f"-DCMAKE_INSTALL_PREFIX={folder / 'usr'}")
    run("cmake", "--build", folder / "build", "--parallel", os.cpu_count() or 1)
    run("cmake", "--install", folder / "build")
    return folder / "usr"


def library_folder(prefix: Path) -> Path:
    (library,) = prefix.rglob("libnq.a")
    return library.parent


def test_what_is_installed(prefix: Path, sample: Path, sample_md5: str) -> None:
    names = {path.name for path in prefix.rglob("*") if not path.is_dir()}
    assert names == {"libnq.a", "libnq.so", "libnq.so.1", "libnq.so.1.0.0", "nq.h", "nq.pc", "nqdec"}
    assert run(prefix / "bin" / "nqdec", sample, "--md5", "-q").split()[0] == sample_md5


def test_a_program_finds_it_by_pkg_config(prefix: Path, sample: Path, sample_md5: str, tmp_path: Path) -> None:
    if shutil.which("pkg-config") is None:
        pytest.skip("needs pkg-config")
    folder, source = library_folder(prefix), ROOT / "tests" / "support" / "api_client.c"
    env = {"PKG_CONFIG_PATH": str(folder / "pkgconfig")}
    for static in ([], ["--static"]):
        flags = run("pkg-config", *static, "--cflags", "--libs", "nq", **env).split()
        if static:
            flags = [str(folder / "libnq.a") if flag == "-lnq" else flag for flag in flags]
        run("cc", source, *flags, f"-Wl,-rpath,{folder}", "-o", tmp_path / "client")
        assert run(tmp_path / "client", "check", sample) == "0.1.0\n"
    assert run("pkg-config", "--modversion", "nq", **env) == "1.0.0\n"


def test_the_shared_library_is_small_and_exports_its_interface_alone(prefix: Path, tmp_path: Path) -> None:
    library = library_folder(prefix) / "libnq.so.1.0.0"
    names = set(re.findall(r" [TWBD] (\w+)", run("nm", "-D", "--defined-only", library)))
    declared = set(re.findall(r"nq_\w+", (ROOT / "csrc" / "decoder" / "nq.map").read_text("ascii")))
    assert names == declared
    assert "libnq.so.1" in run("readelf", "-d", library)
    run("strip", "-o", tmp_path / "stripped.so", library)
    assert (tmp_path / "stripped.so").stat().st_size < MOST_BYTES
