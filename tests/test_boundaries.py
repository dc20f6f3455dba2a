"""What is imported from outside: the decode side knows nothing of torch, and decodes where it is not installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "torchac", "av", "imageio", "safetensors", "tqdm"}
ROOMS = ("media", "network", "native", "entropy", "bitstream", "synthesis", "decoder", "backbones")
ENCODER = ("api", "option", "option_text", "options", "progress", "rate", "report", "work_folder")
"""Modules of the encoder that are imported before anything is known to be encoded."""

LIGHT = sorted(
    [
        *(ROOT / "nqcodec").glob("*.py"),
        *(path for room in ROOMS for path in (ROOT / "nqcodec" / room).glob("*.py")),
        *(ROOT / "nqcodec" / "encoder" / f"{name}.py" for name in ENCODER),
        ROOT / "nqcodec" / "training" / "motion.py",
    ]
)


def imported(path: Path, top_level: bool) -> set[str]:
    """Dotted names that a module imports, at its top level or anywhere."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: str(path.relative_to(ROOT)))
def test_decode_side_imports_nothing_heavy(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path, top_level=True)} & HEAVY


BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Blocker())
from nqcodec.cli.nqdec import main
main({arguments!r})
"""


def run_without(blocked: set[str], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """nqdec in a process where some packages cannot be imported."""
    code = BLOCKER.format(blocked=blocked, arguments=arguments)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)


def test_nqdec_works_where_only_numpy_and_click_are_installed(sample: Path, sample_md5: str, tmp_path: Path) -> None:
    output = tmp_path / "out.y4m"
    done = run_without(HEAVY, [str(sample), "-o", str(output), "--md5", "-q"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == sample_md5
    assert output.read_bytes().startswith(b"YUV4MPEG2")


def test_encoding_without_torch_says_what_is_missing(tmp_path: Path) -> None:
    clip = tmp_path / "a.y4m"
    clip.write_bytes(b"YUV4MPEG2 W16 H16 F25:1 C420jpeg\nFRAME\n" + bytes(384))
    code = BLOCKER.format(blocked={"torch"}, arguments=[str(clip), "--bpp", "9", "-o", str(tmp_path / "a.nq")])
    code = code.replace("nqdec", "nqenc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1] == "error: this needs torch, which is not installed: pip install torch"
    assert [path.name for path in tmp_path.iterdir()] == ["a.y4m"]
