"""Whole files give one MD5 whatever decodes them; `tests/support/determinism.py` compares Pythons, numpys and valgrind
too.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import determinism
import pytest
from mutations import random_file

from nqcodec.native.cpu import cpu_levels
from nqcodec.native.loading import why_absent

needs_libnq = pytest.mark.skipif(bool(why_absent("libnq")), reason="libnq was not built")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / f"random{seed}.nq" for seed in range(6)]
    for seed, path in enumerate(paths):
        path.write_bytes(random_file(seed))
    return paths


@needs_libnq
def test_backends_threads_and_cpu_levels_agree(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [determinism.digest(path, "reference", 1) for path in files]
    assert all(len(value) == 32 for value in expected)
    for level in cpu_levels():
        monkeypatch.setenv("NQCODEC_CPU", level)
        for threads in (1, 2):
            assert [determinism.digest(path, "native", threads) for path in files] == expected


def test_a_package_that_is_not_installed_decodes(files: list[Path], tmp_path: Path) -> None:
    """As the other Pythons run it: a copy of the package, in a process of its own."""
    package = determinism.package_at(tmp_path / "package")
    found = determinism.child(sys.executable, package, files[0].parent, "reference")
    assert found == {path.name: determinism.digest(path, "reference", 1) for path in files}


@pytest.mark.slow
@needs_libnq
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_memcheck_is_clean(files: list[Path], tmp_path: Path) -> None:
    package = determinism.package_at(tmp_path / "package")
    assert determinism.valgrind(package, files[0].parent, tmp_path)
