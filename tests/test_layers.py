"""The layers of pyproject.toml: the package keeps them, and an import that climbs or closes a circle is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter with the contracts and the package of a folder."""
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package with its contracts."""
    ignore = shutil.ignore_patterns("__pycache__", "lib")
    shutil.copytree(ROOT / "nqcodec", tmp_path / "nqcodec", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_no_import_climbs_and_none_closes_a_circle() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


CLIMBS, METHODS, CIRCLES = "No import climbs", "The methods do not know of one another", "No circles"


@pytest.mark.parametrize(
    ("contract", "path", "statement"),
    [
        (CLIMBS, "media/video.py", "from nqcodec.network import program"),
        (CLIMBS, "bitstream/reader.py", "from nqcodec.synthesis import reference"),
        (CLIMBS, "encoder/report.py", "def late() -> None:\n    from nqcodec.reporting import report"),
        (METHODS, "methods/rate_aware/settings.py", "from nqcodec.methods.post_training import plans"),
        (CIRCLES, "network/camera_path.py", "from nqcodec.network import operations"),
    ],
)
def test_what_breaks_a_contract_is_found(package: Path, contract: str, path: str, statement: str) -> None:
    with (package / "nqcodec" / path).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{statement}\n")
    done = lint(package)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout


def test_every_folder_is_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["type"] == "layers")["layers"]
    named = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    rooms = {path.parent.name for path in (ROOT / "nqcodec").glob("*/__init__.py")}
    flat = {path.stem for path in (ROOT / "nqcodec").glob("*.py")} - {"__init__"}
    assert rooms | flat | {"__main__"} == named
