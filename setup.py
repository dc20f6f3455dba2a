"""Builds the native part: csrc/**/*.cpp into libnq.so and nqdec, csrc/cuda/*.cu into libnq_cuda.so.

The libraries have a C ABI and are loaded with ctypes; nqdec is the decoder as a program of its own (csrc/nqdec).

Everything else is in pyproject.toml. Without a compiler the package installs all the same and decodes with the numpy
reference; without nvcc it installs without CUDA. Environment:

    CXX                        the C++ compiler (default: c++, g++ or clang++, the first found)
    NQCODEC_REQUIRE_NATIVE=1   fail instead of going on without libnq
    NQCODEC_CUDA=0             do not build libnq_cuda
    CUDA_HOME                  where bin/nvcc is, if it is not on PATH
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CSRC = ROOT / "csrc"
BUILD = ROOT / "build"
GENERATED = BUILD / "generated"
"""Where the tables of the format are written as C++ (csrc/decoder/embed_tables.py)."""

INCLUDES = [f"-I{CSRC}", f"-I{CSRC / 'include'}"]
DECODER = ("common", "decoder", "entropy", "hadamard", "synthesis")
"""Folders of csrc that decoding needs; nqdec is made of these and its own."""
CXX_FLAGS = [
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-pthread",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-Wall",
    "-Werror=switch",  # a switch over operation codes lists all of them
]
# SASS for Ampere and Hopper, and PTX that later devices compile for themselves.
CUDA_ARCHS = ["arch=compute_80,code=sm_80", "arch=compute_90,code=sm_90", "arch=compute_90,code=compute_90"]


def notice(text: str) -> None:
    print(f"nqcodec: {text}", file=sys.stderr)


def find_cxx() -> str | None:
    named = os.environ.get("CXX")
    return next(
        (path for name in ([named] if named else ["c++", "g++", "clang++"]) if (path := shutil.which(name))), None
    )


def find_nvcc() -> str | None:
    if os.environ.get("NQCODEC_CUDA") == "0":
        return None
    home = os.environ.get("CUDA_HOME")
    return shutil.which("nvcc", path=str(Path(home) / "bin")) if home else shutil.which("nvcc")


def version() -> str:
    """The package's version."""
    found = re.search(r'__version__ = "(.*)"', (ROOT / "nqcodec" / "version.py").read_text("utf-8"))
    assert found is not None
    return found[1]


def is_fresh(made: Path, inputs: Iterable[Path]) -> bool:
    return made.exists() and all(made.stat().st_mtime >= path.stat().st_mtime for path in inputs)


def run_into(command: list[str], made: Path) -> bool:
    """Run a compiler or linker into a temporary name; True on success."""
    made.parent.mkdir(parents=True, exist_ok=True)
    unfinished = made.with_suffix(f".{os.getpid()}.tmp")
    try:
        subprocess.run([*command, "-o", str(unfinished)], check=True)
        unfinished.replace(made)
    except (OSError, subprocess.CalledProcessError) as error:
        notice(f"{made.name} was not built: {error}")
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def build(command: list[str], sources: list[Path], made: Path) -> bool:
    """Make a file of sources, unless it is newer than these and all headers; True on success."""
    if is_fresh(made, [*sources, *CSRC.rglob("*.h"), ROOT / "setup.py"]):
        return True
    return run_into([*command, *map(str, sources)], made)


def write_tables() -> None:
    """GENERATED/table_data.inc, if the tables have changed since."""
    script, folder = CSRC / "decoder" / "embed_tables.py", ROOT / "formats" / "tables"
    made = GENERATED / "table_data.inc"
    if not is_fresh(made, [script, *folder.glob("*.json")]):
        subprocess.run([sys.executable, str(script), str(folder), str(made)], check=True)


def native_sources() -> list[Path]:
    """What libnq and nqdec are made of: csrc/testing has hooks that only tests compile."""
    return sorted(path for path in CSRC.rglob("*.cpp") if path.parent != CSRC / "testing")


def compile_objects(cxx: str, sources: list[Path]) -> dict[Path, Path]:
    """The object of each source that could be compiled; as many at once as there are cores."""
    write_tables()
    flags = [*CXX_FLAGS, *INCLUDES, f"-I{GENERATED}", f'-DNQ_PACKAGE_VERSION="{version()}"']
    objects = {path: BUILD / "objects" / f"{path.parent.name}-{path.stem}.o" for path in sources}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = pool.map(lambda path: build([cxx, *flags, "-c"], [path], objects[path]), sources)
        return {path: objects[path] for path, is_made in zip(sources, done, strict=True) if is_made}


def build_decoder(cxx: str, target: Path) -> bool:
    """libnq and nqdec; True if the library was built."""
    sources = native_sources()
    objects = compile_objects(cxx, sources)
    if len(objects) < len(sources):
        return False
    program = CSRC / "nqdec"
    library = [made for path, made in objects.items() if path.parent != program]
    tool = [made for path, made in objects.items() if path.parent == program or path.parent.name in DECODER]
    build([cxx, "-pthread", "-s"], tool, target / "nqdec")
    return build([cxx, "-shared", "-pthread"], library, target / "libnq.so")


def build_native(target: Path) -> None:
    cxx = find_cxx()
    built = False
    if cxx:
        built = build_decoder(cxx, target)
    else:
        notice("no C++ compiler found: installing without libnq; decoding uses the slow numpy reference")
    if not built and os.environ.get("NQCODEC_REQUIRE_NATIVE") == "1":
        raise SystemExit("nqcodec: NQCODEC_REQUIRE_NATIVE=1, and libnq could not be built")
    nvcc, kernels = find_nvcc(), sorted((CSRC / "cuda").glob("*.cu"))
    if nvcc and kernels:
        archs = [flag for arch in CUDA_ARCHS for flag in ("-gencode", arch)]
        options = [
            "-shared",
            "-O3",
            "-std=c++17",
            "-Xcompiler",
            "-fPIC,-fvisibility=hidden,-Werror=switch",
            "--threads=0",
            "-cudart",
            "static",
            *archs,
            *INCLUDES,
        ]
        build([nvcc, *options], kernels, target / "libnq_cuda.so")


class BuildPy(build_py):
    """Adds the native libraries beside the Python files: in the build folder, or in the source tree when editable."""

    def run(self) -> None:
        super().run()
        build_native((ROOT if self.editable_mode else Path(self.build_lib)) / "nqcodec" / "native" / "lib")


class PlatformDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


class BdistWheel(bdist_wheel):
    """One wheel serves every Python: the libraries know nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


setup(distclass=PlatformDistribution, cmdclass={"build_py": BuildPy, "bdist_wheel": BdistWheel})
