"""Builds libnq_cuda with nvcc, in the source tree, and prints what came of it as JSON: the first part of
tests/support/gpu.py.

The installation is an editable one, by the tools that are there: nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INSTALL = ("-m", "pip", "install", "-v", "--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT))
PROBE = "from nqcodec.native.loading import why_absent; print(why_absent('libnq_cuda'))"


def find_nvcc() -> str | None:
    """nvcc, found as setup.py finds it."""
    home = os.environ.get("CUDA_HOME")
    return shutil.which("nvcc", path=str(Path(home) / "bin")) if home else shutil.which("nvcc")


def older_than_its_sources(library: Path) -> bool:
    """Whether a library is not the one that its sources make."""
    built = library.stat().st_mtime
    return any(path.stat().st_mtime > built for path in (ROOT / "csrc").rglob("*") if path.is_file())


def build() -> dict[str, Any]:
    """What was built and with what; ends the program with a line where there is no library that works."""
    nvcc = find_nvcc()
    if nvcc is None:
        sys.exit("error: nvcc was not found: put it on PATH, or set CUDA_HOME to the folder above its bin/")
    environment = {**os.environ, "NQCODEC_CUDA": "1"}
    installed = subprocess.run([sys.executable, *INSTALL], stdout=sys.stderr, check=False, env=environment)
    if installed.returncode:
        sys.exit(f"error: the installation failed with exit code {installed.returncode}")
    absent = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, cwd="/")
    if absent.stdout.strip():
        sys.exit(f"error: {absent.stdout.strip()}")
    library = ROOT / "nqcodec" / "native" / "lib" / "libnq_cuda.so"
    if older_than_its_sources(library):
        sys.exit(f"error: {library} is older than its sources: nvcc did not compile them")
    version = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False)
    release = (version.stdout.strip().splitlines() or [""])[-1]
    return {"nvcc": nvcc, "release": release, "library_bytes": library.stat().st_size}


if __name__ == "__main__":
    print(json.dumps(build()))
