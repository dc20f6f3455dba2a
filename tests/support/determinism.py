"""The same file gives the same MD5 everywhere: backends, threads, instruction sets, Pythons, numpys, valgrind.

    python tests/support/determinism.py here            every backend, CPU level and number of threads of this machine
    python tests/support/determinism.py environments    a venv for each Python found and each numpy that it takes
    python tests/support/determinism.py valgrind        memcheck over the C library, by the vectors and the kept fuzzing
    inputs

Each prints what it compared, and exits with 1 where a file comes out otherwise. Files are the conformance vectors and
seeded random ones, damaged ones among them: an error must be the same everywhere too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
NUMPYS = ("1.26.0", "1.26.4", "2.0.2", "2.1.3", "2.2.6", "2.3.5", "2.4.0")
"""One of each minor version that pyproject.toml allows; a Python takes those that have a wheel for it."""

VALGRIND = ("valgrind", "--quiet", "--error-exitcode=99", "--leak-check=no", "--num-callers=12")
VALGRIND_PYTHON = ("valgrind", "--quiet", "--leak-check=no", "--num-callers=25", "--xml=yes")
"""The interpreter has findings of its own, so only those with a frame in libnq count."""

DIGESTS = "sys.path.insert(0, sys.argv[1]); sys.path.insert(1, sys.argv[2]); import determinism; determinism.report()"


def digest(path: Path, backend: str, threads: int) -> str:
    """MD5 of a file's planes, or the name of the error that it is refused with."""
    from nqcodec.bitstream.file import read_file
    from nqcodec.decoder.decoder import Decoder
    from nqcodec.errors import NqError
    from nqcodec.media.video import frame_bytes

    whole = hashlib.md5(usedforsecurity=False)
    try:
        for frame in Decoder(read_file(path), backend=backend, threads=threads).frames():
            whole.update(frame_bytes(frame))
    except NqError as error:
        return type(error).__name__
    return whole.hexdigest()


def report() -> None:
    """Print {file: digest} for the folder, backend and threads in the arguments: what a child process runs."""
    folder, backend, threads = Path(sys.argv[3]), sys.argv[4], int(sys.argv[5])
    print(json.dumps({path.name: digest(path, backend, threads) for path in sorted(folder.glob("*.nq"))}))


def write_files(folder: Path, vectors: Path, damaged: int = 1) -> int:
    """The files that all are to agree on; returns how many."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from mutations import base_files, mutant

    files = base_files(8, vectors)
    everything = [data for _, data in files]
    for number, (name, data) in enumerate(files):
        (folder / f"{name}.nq").write_bytes(data)
        for more in range(damaged):
            (folder / f"{name}-damaged{more}.nq").write_bytes(mutant(data, everything, 3, number + 1000 * more))
    return len(list(folder.iterdir()))


def package_at(folder: Path) -> Path:
    """A copy of the package as an install lays it out, for a Python into which nothing is installed."""
    shutil.copytree(ROOT / "nqcodec", folder / "nqcodec", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "formats", folder / "nqcodec" / "formats", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def child(
    python: str | Path, package: Path, files: Path, backend: str, threads: int = 1, cpu: str = "", *prefix: str
) -> dict[str, str]:
    """Digests by another process; raises RuntimeError with its words if it fails."""
    words = ["-c", f"import sys; {DIGESTS}", package, Path(__file__).resolve().parent, files, backend, threads]
    env = {**os.environ, "NQCODEC_CPU": cpu, "PYTHONMALLOC": "malloc" if prefix else "", "OMP_NUM_THREADS": "1"}
    command = [*prefix, *map(str, (python, *words))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise RuntimeError(f"{python} with {backend} {cpu}: exit {done.returncode}\n{done.stderr[-3000:]}")
    result: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(name: str, expected: dict[str, str], found: dict[str, str]) -> bool:
    """Print whether they are the same, and the files that are not."""
    different = [file for file, value in expected.items() if found.get(file) != value]
    pictures = sum(bool(re.fullmatch("[0-9a-f]{32}", value)) for value in found.values())
    print(f"{name:44} {pictures:4} pictures {len(found) - pictures:4} errors  {'DIFFERS' if different else 'same'}")
    for file in different:
        print(f"  {file}: {found.get(file)} instead of {expected[file]}")
    return not different


def here(package: Path, files: Path) -> bool:
    """All that this machine has, against the reference."""
    from nqcodec.native.cpu import cpu_levels
    from nqcodec.synthesis.backends import available

    expected, same = child(sys.executable, package, files, "reference"), True
    compare("reference", expected, expected)
    for level in cpu_levels():
        for threads in (1, 2, 5):
            found = child(sys.executable, package, files, "native", threads, level)
            same &= compare(f"native, {level}, {threads} threads", expected, found)
    if not available()["cuda"]:
        same &= compare("cuda", expected, child(sys.executable, package, files, "cuda"))
    return same


def pythons() -> list[str]:
    """The interpreters of `PYTHONS` that are here, by path, those of pyenv among them."""
    places = [os.environ.get("PATH", ""), *map(str, (Path.home() / ".pyenv" / "versions").glob("*/bin"))]
    path = os.pathsep.join([*places[1:], places[0]])
    found = [shutil.which(f"python{version}", path=path) for version in PYTHONS]
    return [python for python in found if python]


def environments(package: Path, files: Path, folder: Path) -> bool:
    """A venv for each Python and numpy, which hold nothing else but click."""
    same, expected = True, child(sys.executable, package, files, "reference")
    for python in pythons():
        for numpy in NUMPYS:
            name = f"{Path(python).name}-numpy{numpy}"
            venv = folder / name
            subprocess.run([python, "-m", "venv", str(venv)], check=True)
            wheels = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:", f"numpy=={numpy}", "click"]
            installed = subprocess.run([venv / "bin" / "pip", "install", *wheels], capture_output=True, check=False)
            if installed.returncode:
                print(f"{name:44} no wheel")
                continue
            for backend in ("reference", "native"):
                found = child(venv / "bin" / "python", package, files, backend)
                same &= compare(f"{name}, {backend}", expected, found)
            shutil.rmtree(venv)
    return same


def valgrind(package: Path, files: Path, folder: Path) -> bool:
    """Memcheck: the kept inputs of each C target, and whole files by the instruction sets that valgrind knows."""
    sys.path.insert(0, str(ROOT / "tests" / "fuzz"))
    import targets

    compiler, library = shutil.which("c++"), ROOT / "nqcodec" / "native" / "lib" / "libnq.so"
    same = True
    for name in targets.TARGETS if compiler else ():
        assert compiler is not None
        binary = targets.replay(compiler, name, folder, library)
        inputs = sorted((ROOT / "tests" / "fuzz" / "corpus" / name).iterdir())
        done = subprocess.run([*VALGRIND, binary, *inputs], capture_output=True, text=True, check=False)
        print(f"{f'memcheck, {name}':44} {len(inputs):4} inputs  {'clean' if done.returncode == 0 else 'ERRORS'}")
        if done.returncode:
            print(done.stderr[-3000:])
            same = False
    expected = child(sys.executable, package, files, "reference")
    for level in ("scalar", "avx2"):
        findings = folder / f"{level}.xml"
        command = (*VALGRIND_PYTHON, f"--xml-file={findings}")
        found = child(sys.executable, package, files, "native", 2, level, *command)
        same &= compare(f"memcheck, native, {level}, 2 threads", expected, found)
        same &= not in_library(findings)
    return same


def in_library(findings: Path) -> int:
    """How many of valgrind's findings have a frame in libnq; prints the first."""
    errors = [
        error
        for error in ElementTree.parse(findings).getroot().iter("error")
        if any(place.text and place.text.endswith("libnq.so") for place in error.iter("obj"))
    ]
    print(f"  {len(errors)} findings in libnq")
    for error in errors[:1]:
        print(ElementTree.tostring(error, "unicode"))
    return len(errors)


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["here", "environments", "valgrind"])
    parser.add_argument("--vectors", type=Path, default=ROOT / "formats" / "conformance")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, files = Path(name), Path(name) / "files"
        files.mkdir()
        write_files(files, options.vectors)
        package = package_at(folder / "package")
        if options.what == "here":
            return int(not here(package, files))
        run = environments if options.what == "environments" else valgrind
        return int(not run(package, files, folder))


if __name__ == "__main__":
    sys.exit(main())
