"""`make fuzz`: builds what can be built, runs every target and the damage test for a time each, and prints the counts.

    python tests/fuzz/run.py [--seconds N] [--only NAME ...] [--out DIR]

The corpora grow in DIR/corpus from run to run. A finding is kept in DIR/found, named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import seeds
import targets

HERE = Path(__file__).resolve().parent
OPTIONS = ("-max_len=4000", "-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1")
DAMAGE, FAULTS = "mutation", "faults"
"""The other two parts: damaged files (tests/support/hostile.py) and an encoder under faults
(tests/support/faults.py).
"""


@dataclass(frozen=True)
class Row:
    """What a target came to: inputs run, seconds taken, and what was found."""

    name: str
    inputs: int
    seconds: float
    found: str


def commands(out: Path, seconds: int, seed: int, vectors: Path) -> tuple[dict[str, list[str]], list[str]]:
    """(the command of each part that can run here, one line for each that cannot)."""
    found: dict[str, list[str]] = {}
    missing = []
    shared = [f"-max_total_time={seconds}", f"-seed={seed}", *OPTIONS, f"-artifact_prefix={out / 'found'}/"]
    compiler = targets.find_clang()
    try:
        built = targets.fuzzers(compiler, out) if compiler else {}
    except (OSError, subprocess.CalledProcessError) as error:
        built = {}
        missing.append(f"the C targets: {compiler} cannot build them (is compiler-rt installed?): {error}")
    if compiler is None:
        missing.append("the C targets: no clang++ found; install clang and its compiler-rt")
    for name, binary in built.items():
        found[name] = [str(binary), *shared, str(out / "corpus" / name)]
    for name in ("parser", "decoder"):
        if importlib.util.find_spec("atheris") is None:
            missing.append(f"{name}: atheris is not installed (pip install atheris)")
        else:
            found[name] = [sys.executable, str(HERE / f"fuzz_{name}.py"), *shared, str(out / "corpus" / name)]
    damage = ["--seed", str(seed), "--seconds", str(seconds), "--vectors", str(vectors)]
    last = ["--last", str(out / "found" / "mutation.nq")]
    found[DAMAGE] = [sys.executable, str(HERE.parent / "support" / "hostile.py"), *damage, *last]
    found[FAULTS] = [sys.executable, str(HERE.parent / "support" / "faults.py"), "--seconds", str(seconds)]
    return found, missing


def run(name: str, command: list[str], out: Path) -> Row:
    """Run one part; its output is kept in DIR/<name>.log."""
    begin = time.monotonic()
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    log = out / f"{name}.log"
    with log.open("wb") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False, env=env).returncode
    text = log.read_text("utf-8", "replace")
    number = re.search(r"number_of_executed_units: (\d+)", text)
    counts = re.search(r"^\{.*\}$", text, re.MULTILINE)
    inputs = int(number[1]) if number else int(json.loads(counts[0])["inputs"]) if counts else 0
    return Row(name, inputs, time.monotonic() - begin, f"exit {code}, see {log}" if code else "nothing")


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each part")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--seed", type=int, default=int(time.time()) & 0x7FFFFFFF)
    parser.add_argument("--vectors", type=Path, default=seeds.VECTORS)
    parser.add_argument("--out", type=Path, default=targets.ROOT / "build" / "fuzz")
    options = parser.parse_args()
    (options.out / "found").mkdir(parents=True, exist_ok=True)
    seeds.write(options.out / "corpus", seeds.TARGETS, options.vectors)
    parts, missing = commands(options.out.resolve(), options.seconds, options.seed, options.vectors)
    rows = []
    print(f"seed {options.seed}\n{'target':12}{'inputs':>12}{'seconds':>10}  found", flush=True)
    for name, command in parts.items():
        if options.only and name not in options.only:
            continue
        rows.append(run(name, command, options.out))
        row = rows[-1]
        print(f"{row.name:12}{row.inputs:12}{row.seconds:10.0f}  {row.found}", flush=True)
    for line in missing:
        print(f"not run: {line}")
    return int(any(row.found != "nothing" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
