"""Builds the C targets: `python tests/fuzz/targets.py [--out DIR]`. Needs clang with libFuzzer, ASan and UBSan.

`replay` builds a target to run on files, with any compiler, with sanitizers or against an installed libnq; `stress` the
program that calls the library from many threads.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from nqcodec.network import tables

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CSRC = ROOT / "csrc"
TARGETS = ("api", "coder", "context", "hadamard", "program")
"""The C targets: fuzz_<name>.cpp."""

CLANGS = ("clang++", *(f"clang++-{version}" for version in range(22, 11, -1)))
GENERATED = ROOT / "build" / "generated"
FLAGS = (
    *("-std=c++17", "-O1", "-g", "-pthread", "-ffp-contract=off", "-fno-omit-frame-pointer"),
    *(f"-I{CSRC}", f"-I{CSRC / 'include'}", f"-I{GENERATED}", '-DNQ_PACKAGE_VERSION="fuzzed"'),
)
SANITIZE = ("-fno-sanitize-recover=all",)


def find_clang() -> str | None:
    """The newest clang++ on the path, None if there is none."""
    return next((path for name in CLANGS if (path := shutil.which(name))), None)


def write_tables(folder: Path) -> None:
    """`fuzz_tables.h`: the normative tables as arrays, in the layout of csrc/include/nq/coder.h and
    common/integer_math.h.
    """
    parts = ["// Made by tests/fuzz/targets.py.", "#include <cstdint>"]
    for name, table in (("Gaussian", tables.gaussian()), ("Logistic", tables.logistic())):
        starts = np.arange(0, tables.TOTAL, 256)
        first = np.stack([np.searchsorted(row, starts, side="right") - 1 for row in table.cumulative])
        parts += [
            _array("int32_t", f"k{name}HalfWidth", table.half_width),
            _array("int32_t", f"k{name}Cumulative", table.cumulative),
            _array("uint8_t", f"k{name}First", first),
        ]
    activation = tables.activations()
    named = (("Gelu", activation.gelu), ("Silu", activation.silu), ("HalfTanh", activation.half_tanh))
    parts += [_array("int32_t", f"k{name}", values) for name, values in (*named, ("Sine", tables.sine()))]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fuzz_tables.h").write_text("\n".join(parts) + "\n", "ascii")


def _array(kind: str, name: str, values: np.ndarray) -> str:
    return f"static const {kind} {name}[] = {{{','.join(map(str, values.ravel().tolist()))}}};"


def compile_objects(compiler: str, flags: list[str], out: Path) -> list[Path]:
    """The library's own sources, compiled with `flags`."""
    out.mkdir(parents=True, exist_ok=True)
    embed = [str(CSRC / "decoder" / "embed_tables.py"), str(ROOT / "formats" / "tables")]
    subprocess.run([sys.executable, *embed, str(GENERATED / "table_data.inc")], check=True)
    objects = []
    for source in sorted(path for path in CSRC.rglob("*.cpp") if path.parent.name not in ("testing", "nqdec")):
        objects.append(out / f"{source.parent.name}-{source.stem}.o")
        subprocess.run([compiler, *FLAGS, *flags, "-c", "-o", str(objects[-1]), str(source)], check=True)
    return objects


def fuzzers(compiler: str, out: Path) -> dict[str, Path]:
    """Every target with libFuzzer, ASan and UBSan; raises CalledProcessError where the compiler cannot."""
    flags = ["-fsanitize=fuzzer-no-link,address,undefined", *SANITIZE]
    write_tables(out)
    objects = compile_objects(compiler, flags, out / "objects")
    built = {}
    for name in TARGETS:
        built[name] = out / f"fuzz_{name}"
        source = HERE / f"fuzz_{name}.cpp"
        link = [f"-I{out}", "-fsanitize=fuzzer,address,undefined", *SANITIZE, str(source), *map(str, objects)]
        subprocess.run([compiler, *FLAGS, *link, "-o", str(built[name])], check=True)
    return built


def replay(compiler: str, name: str, out: Path, library: Path | None = None) -> Path:
    """A program that runs target `name` on files: against `library`, or with the sources and their sanitizers."""
    write_tables(out)
    binary, sources = out / f"replay_{name}", [str(HERE / f"fuzz_{name}.cpp"), str(HERE / "replay.cpp")]
    if library:
        link = [str(library), f"-Wl,-rpath,{library.parent}"]
    else:
        flags = ["-fsanitize=address,undefined", *SANITIZE]
        objects = out / "objects"
        existing = sorted(objects.glob("*.o"))
        link = [*flags, *map(str, existing or compile_objects(compiler, flags, objects))]
    subprocess.run([compiler, *FLAGS, f"-I{out}", *sources, *link, "-o", str(binary)], check=True)
    return binary


def stress(compiler: str, out: Path, sanitizer: str) -> Path:
    """The program that calls the library from many threads, under the sanitizer `thread` or `address`."""
    write_tables(out)
    flags = [f"-fsanitize={sanitizer}", *SANITIZE]
    objects = compile_objects(compiler, flags, out / f"objects-{sanitizer}")
    binary, source = out / f"stress_{sanitizer}", HERE / "stress_threads.cpp"
    command = [compiler, *FLAGS, *flags, f"-I{out}", str(source), *map(str, objects), "-o", str(binary)]
    subprocess.run(command, check=True)
    return binary


def main() -> int:
    """Build what can be built; 1 where there is no clang."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "fuzz")
    out = parser.parse_args().out
    compiler = find_clang()
    if compiler is None:
        print("no clang++ found: install clang and its compiler-rt for the C targets", file=sys.stderr)
        return 1
    for name, path in fuzzers(compiler, out).items():
        print(f"{name}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
