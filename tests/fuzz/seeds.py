"""Seed corpora of all targets, made anew from seeded random files, the conformance vectors and the kept findings.

`python tests/fuzz/seeds.py [--out DIR]` writes DIR/<target>/*. What was found and mended is in tests/fuzz/corpus.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

from mutations import VECTORS, base_files  # noqa: E402

ROOT = HERE.parent.parent
CORPUS = HERE / "corpus"
"""Inputs that are kept: <target>/<what it is>."""

LARGEST = 4000
"""Bytes of a file that is worth changing by chance."""

BYTE_SEEDS = 24


def file_seeds(vectors: Path) -> dict[str, bytes]:
    """Whole .nq files by name, for the Python targets."""
    return {name: data for name, data in base_files(24, vectors) if len(data) <= LARGEST}


def byte_seeds() -> dict[str, bytes]:
    """Bytes of several lengths and densities, for the targets that make their choices from them."""
    seeds = {}
    for number in range(BYTE_SEEDS):
        rng = np.random.default_rng(number)
        values = rng.integers(0, 256, int(rng.choice([20, 100, 400, 1500])), np.uint8)
        values[rng.random(values.size) < 0.3 * (number % 3)] = 0
        seeds[f"bytes{number}"] = values.tobytes()
    return seeds


def write(out: Path, targets: dict[str, str], vectors: Path) -> None:
    """Seeds of every target; `targets` says for each whether it takes "files" or "bytes"."""
    kinds = {"files": file_seeds(vectors), "bytes": byte_seeds()}
    for target, kind in targets.items():
        folder = out / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in kinds[kind].items():
            (folder / name).write_bytes(data)
        for kept in sorted((CORPUS / target).glob("*")):
            shutil.copy(kept, folder / kept.name)


TARGETS = {"coder": "bytes", "context": "bytes", "hadamard": "bytes", "program": "bytes"}
TARGETS |= {"api": "files", "parser": "files", "decoder": "files"}
"""Every libFuzzer and atheris target, and what its inputs are."""


def main() -> None:
    """Write all seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "fuzz" / "corpus")
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    options = parser.parse_args()
    write(options.out, TARGETS, options.vectors)


if __name__ == "__main__":
    main()
