"""Conformance: the vectors of formats/conformance against a backend of ours or any decoder that is a command.

A vector is a .nq file and a JSON descriptor beside it (formats/conformance/README.md): a legal file with the hashes of
its frames, or one that must be refused, with the error that names why.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypedDict

from nqcodec import errors
from nqcodec.bitstream.file import read_file
from nqcodec.decoder.decoder import Decoder
from nqcodec.errors import InputError, NqError, UsageError
from nqcodec.media.text import counted
from nqcodec.media.video import Video, frame_bytes
from nqcodec.network import tables

FOLDER = tables.FORMATS / "conformance"
"""The folder of the vectors, in an installed package or the source tree."""

TIMEOUT = 60.0
"""Seconds that a command may take for a vector."""


@dataclass(frozen=True)
class Vector:
    """One vector.

    Attributes:
        path: the .nq file.
        descriptor: the fields of its JSON file.
    """

    path: Path
    descriptor: dict[str, Any]

    @property
    def name(self) -> str:
        """The files' name without suffix."""
        return self.path.stem

    @property
    def features(self) -> list[str]:
        """The features of the format that it exercises, "kind:value" each."""
        features: list[str] = self.descriptor["features"]
        return features

    @property
    def error(self) -> str:
        """Class of `nqcodec.errors` that refuses it; empty for a legal file."""
        error: str = self.descriptor.get("error", "")
        return error

    def matches(self, patterns: Sequence[str]) -> bool:
        """Whether its name or a feature matches one of the shell patterns; True for no patterns."""
        words = (self.name, *self.features)
        return not patterns or any(fnmatchcase(word, pattern) for pattern in patterns for word in words)


@dataclass(frozen=True)
class Outcome:
    """The result of a decoder on a vector: `reason` says what was wrong, and is empty if nothing was.

    `seconds` is wall time.
    """

    vector: Vector
    reason: str
    seconds: float


def load_vectors(folder: Path = FOLDER, only: Sequence[str] = ()) -> list[Vector]:
    """The vectors of a folder by name, those that match a pattern of `only` if there are any.

    Raises:
        InputError: a folder without vectors, a descriptor that cannot be read, a vector that is not what it says.
        UsageError: patterns that match none.
    """
    found = [_load(path) for path in sorted(folder.glob("*.nq"))]
    if not found:
        raise InputError(f"{folder}: holds no conformance vectors (.nq with a .json descriptor beside it)")
    chosen = [vector for vector in found if vector.matches(only)]
    if not chosen:
        raise UsageError(f"no vector has a name or a feature like {', '.join(only)}")
    return chosen


def _load(path: Path) -> Vector:
    beside = path.with_suffix(".json")
    try:
        fields, data = json.loads(beside.read_text(encoding="utf-8")), path.read_bytes()
        needed = fields["file_md5"], fields["features"], fields.get("error") or (fields["md5"], fields["frame_md5"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{beside}: is no descriptor of a vector: {error}") from error
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != needed[0]:
        raise InputError(f"{path}: is not the file that its descriptor is about; restore both")
    return Vector(path, fields)


def run_backend(vectors: Iterable[Vector], backend: str, threads: int = 1) -> Iterator[Outcome]:
    """Each vector decoded by a backend of ours; raises UnsupportedError for one that is absent."""
    return _run(vectors, lambda vector: check_backend(vector, backend, threads))


def run_command(
    vectors: Iterable[Vector], command: str, timeout: float = TIMEOUT, *, strict: bool = False
) -> Iterator[Outcome]:
    """Each vector decoded by a command, in which {in} and {out} stand for the file and the raw planar output.

    With `strict` a refusal needs the exit code that `nqdec` has for the error.

    Raises:
        UsageError: a command without both, or that cannot be started.
    """
    words = shlex.split(command)
    if not all(any(place in word for word in words) for place in ("{in}", "{out}")):
        raise UsageError(f"the decoder {command!r} must say where {{in}} and {{out}} go")
    return _run(vectors, lambda vector: check_command(vector, words, timeout, strict=strict))


def _run(vectors: Iterable[Vector], check: Callable[[Vector], str]) -> Iterator[Outcome]:
    for vector in vectors:
        start = time.perf_counter()
        reason = check(vector)
        yield Outcome(vector, reason, time.perf_counter() - start)


def check_backend(vector: Vector, backend: str, threads: int = 1) -> str:
    """What a backend of ours does wrong with a vector; empty if nothing."""
    hashes, whole = [], hashlib.md5(usedforsecurity=False)
    try:
        file = read_file(vector.path)
        for frame in Decoder(file, backend=backend, threads=threads).frames():
            planes = frame_bytes(frame)
            whole.update(planes)
            hashes.append(hashlib.md5(planes, usedforsecurity=False).hexdigest())
    except NqError as error:
        if type(error).__name__ == vector.error:
            return ""
        return f"{type(error).__name__} where {_wanted(vector)} was expected: {error}"
    except Exception as error:  # a defect of ours: reported, so that the other vectors still run
        return f"crashed: {type(error).__name__}: {error}"
    if vector.error:
        return f"played, where {_wanted(vector)} was expected"
    return _header_difference(vector, file.video) or _difference(vector, hashes, whole.hexdigest())


def _wanted(vector: Vector) -> str:
    return vector.error or "a picture"


def _header_difference(vector: Vector, video: Video) -> str:
    stated = {
        "width": video.width,
        "height": video.height,
        "frames": video.frames,
        "chroma": "rgb" if video.is_rgb else video.chroma.label,
        "depth": video.depth,
        "fps": f"{video.fps.numerator}/{video.fps.denominator}",
    }
    wrong = [
        f"{name} {value} instead of {vector.descriptor[name]}"
        for name, value in stated.items()
        if vector.descriptor[name] != value
    ]
    return ", ".join(wrong)


def _difference(vector: Vector, hashes: list[str], whole: str) -> str:
    expected = vector.descriptor["frame_md5"]
    if len(hashes) != len(expected):
        return f"{counted(len(hashes), 'frame')} instead of {len(expected)}"
    for number, (made, right) in enumerate(zip(hashes, expected, strict=True)):
        if made != right:
            return f"frame {number}: MD5 {made} instead of {right}"
    return "" if whole == vector.descriptor["md5"] else f"MD5 {whole} instead of {vector.descriptor['md5']}"


def check_command(vector: Vector, words: Sequence[str], timeout: float = TIMEOUT, *, strict: bool = False) -> str:
    """What a command does wrong with a vector; empty if nothing.

    For a legal file it must end with exit code 0 and leave the planes of all frames in the output. For any other it
    must end with another exit code, not by a signal, and leave nothing where the output would be.

    Raises:
        UsageError: if the command cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="nqconform-") as folder:
        output = Path(folder) / "out.yuv"
        asked = [word.replace("{in}", str(vector.path)).replace("{out}", str(output)) for word in words]
        try:
            done = subprocess.run(
                asked,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not done after {timeout:g} s"
        except OSError as error:
            raise UsageError(f"the decoder {asked[0]} cannot be started: {error.strerror}") from error
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        because = f": {message[0]}" if message else ""
        if done.returncode < 0:
            return f"ended by signal {-done.returncode}{because}"
        if vector.error:
            return _refusal(vector, done.returncode, Path(folder), strict)
        if done.returncode:
            return f"exit code {done.returncode} where a picture was expected{because}"
        return _output_difference(vector, output)


def _refusal(vector: Vector, code: int, folder: Path, strict: bool) -> str:
    if code == 0:
        return f"played, where {_wanted(vector)} was expected"
    expected: int = getattr(errors, vector.error).exit_code
    if strict and code != expected:
        return f"exit code {code} where {expected} ({vector.error}) was expected"
    left = sorted(path.name for path in folder.iterdir())
    return f"refused, and left {', '.join(left)} behind" if left else ""


def _output_difference(vector: Vector, output: Path) -> str:
    try:
        data = output.read_bytes()
    except OSError as error:
        return f"exit code 0, and no output: {error.strerror}"
    size = len(data) // len(vector.descriptor["frame_md5"])
    parts = [data[start : start + size] for start in range(0, len(data), size)] if size else []
    hashes = [hashlib.md5(part, usedforsecurity=False).hexdigest() for part in parts]
    return _difference(vector, hashes, hashlib.md5(data, usedforsecurity=False).hexdigest())


class Summary(TypedDict):
    """What came of vectors: counts, failures with their reasons, and by feature [passed, vectors]."""

    vectors: int
    passed: int
    legal: int
    seconds: float
    failures: dict[str, str]
    features: dict[str, list[int]]


def summary(outcomes: Sequence[Outcome]) -> Summary:
    """What came of vectors, in sum."""
    by_feature: dict[str, list[int]] = {}
    for outcome in outcomes:
        for feature in outcome.vector.features:
            counts = by_feature.setdefault(feature, [0, 0])
            counts[0] += not outcome.reason
            counts[1] += 1
    failures = {outcome.vector.name: outcome.reason for outcome in outcomes if outcome.reason}
    return {
        "vectors": len(outcomes),
        "passed": len(outcomes) - len(failures),
        "legal": sum(not outcome.vector.error for outcome in outcomes),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 3),
        "failures": failures,
        "features": {feature: by_feature[feature] for feature in sorted(by_feature)},
    }
