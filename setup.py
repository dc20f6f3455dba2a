"""Builds the native part: csrc/**/*.cpp into libnq.so, csrc/cuda/*.cu into libnq_cuda.so (C ABI, loaded with ctypes).

Everything else is in pyproject.toml. Without a compiler the package installs all the same and decodes with the numpy
reference; without nvcc it installs without CUDA. Environment:

    CXX                        the C++ compiler (default: c++, g++ or clang++, the first found)
    NQCODEC_REQUIRE_NATIVE=1   fail instead of going on without libnq
    NQCODEC_CUDA=0             do not build libnq_cuda
    CUDA_HOME                  where bin/nvcc is, if it is not on PATH
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CSRC = ROOT / "csrc"
INCLUDES = [f"-I{CSRC}", f"-I{CSRC / 'include'}"]
CXX_FLAGS = [
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-shared",
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


def is_fresh(library: Path, sources: list[Path]) -> bool:
    inputs = [*sources, *CSRC.rglob("*.h"), ROOT / "setup.py"]
    return library.exists() and all(library.stat().st_mtime >= path.stat().st_mtime for path in inputs)


def compile_library(command: list[str], sources: list[Path], library: Path) -> bool:
    """Run a compiler into a temporary name; True on success."""
    if is_fresh(library, sources):
        return True
    library.parent.mkdir(parents=True, exist_ok=True)
    unfinished = library.with_suffix(f".{os.getpid()}.tmp")
    try:
        subprocess.run([*command, "-o", str(unfinished), *map(str, sources)], check=True)
        unfinished.replace(library)
    except (OSError, subprocess.CalledProcessError) as error:
        notice(f"{library.name} was not built: {error}")
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def library_sources() -> list[Path]:
    """What libnq is made of: csrc/testing has hooks that only tests compile."""
    return sorted(path for path in CSRC.rglob("*.cpp") if path.parent != CSRC / "testing")


def build_native(target: Path) -> None:
    cxx, sources = find_cxx(), library_sources()
    built = False
    if cxx:
        built = compile_library([cxx, *CXX_FLAGS, *INCLUDES], sources, target / "libnq.so")
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
        compile_library([nvcc, *options], kernels, target / "libnq_cuda.so")


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
