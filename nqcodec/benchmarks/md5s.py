"""MD5s of small encodes, so that two commits can be compared on one machine (`nqtool bench md5s`).

At a fixed seed and on one thread an encode makes the same bytes again, and a change of code that should not change what
is encoded must leave them as they are. Bytes may differ between machines, whose floating-point sums differ.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nqcodec.benchmarks.results import Cells, Column, Measurement, Result
from nqcodec.errors import NqError, UsageError
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.media.video import Frame

SAMPLE = Path("samples/bbb_320x180.mkv")
SEED, ITERATIONS = 0, 60

COLUMNS = (
    Column("encode", "encode"),
    Column("options", "options of nqenc"),
    Column("bytes", "size", "bytes"),
    Column("md5", "MD5"),
)


@dataclass(frozen=True)
class Encode:
    """One encode: options of nqenc for a clip, a key of `CLIPS`."""

    options: str
    clip: str = "crop"
    iterations: int = ITERATIONS


ENCODES = {
    "default": Encode("--bpp 0.6"),
    "camera-path": Encode("--bpp 0.4", "pan", 120),
    "vectors": Encode("--bpp 0.12", "parts"),
    "vectors-plain": Encode("--bpp 0.12 --method plain", "parts"),
    "no-motion": Encode("--bpp 0.8 --motion none"),
    "one-frame": Encode("--bpp 1.5 --frames 1"),
    "segments": Encode("--bpp 1 --segment 4"),
    "rates": Encode("--bpp 0.6,1.2"),
    "rates-plain": Encode("--bpp 3,5 --arch hnerv --method plain"),
    "pyramid-plain": Encode("--bpp 1 --arch pyramid --method plain"),
    "pyramid-light": Encode("--bpp 0.6 --arch pyramid-light"),
    "picture": Encode("--bpp 2 --frames 2 --arch picture"),
    "hnerv-plain": Encode("--bpp 3 --arch hnerv --method plain"),
    "hnerv-rate-aware": Encode("--bpp 3 --arch hnerv --method rate-aware"),
    "nerv": Encode("--bpp 3 --arch nerv"),
    "nervpp": Encode("--bpp 3 --arch nervpp"),
    "hinerv": Encode("--bpp 3 --arch hinerv"),
    "recipe": Encode("--bpp 3 --arch hnerv --recipe neuroquant"),
    "pruned": Encode("--bpp 3 --arch hnerv --method plain --prune 0.8 --quant-noise 5"),
    "adam": Encode("--bpp 3 --arch hnerv --method plain --optimizer adam --ema 0.9"),
    "patches": Encode("--bpp 3 --arch hnerv --method plain --patch 32"),
}
"""By name: every backbone, both methods, camera path and vectors, several rates, segments, options of a plain fit."""


def _cut(frame: Frame, x: int, y: int, width: int, height: int) -> Frame:
    """A part of a 4:2:0 frame; all of it even."""
    luma, *chroma = frame
    half = (slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2))
    return luma[y : y + height, x : x + width], *(plane[half] for plane in chroma)


def _crop(frames: Sequence[Frame]) -> list[Frame]:
    """The middle of the first frames: 96x64."""
    return [_cut(frame, 96, 60, 96, 64) for frame in frames[:8]]


def _pan(frames: Sequence[Frame]) -> list[Frame]:
    """A camera over the first frame, 96x64, which moves by 4 columns and 2 rows a frame."""
    return [_cut(frames[0], 16 + 4 * t, 40 + 2 * t, 96, 64) for t in range(12)]


def _parts(frames: Sequence[Frame]) -> list[Frame]:
    """A still part of the first frame, 192x128, on which two blocks move by 2 and by -4 columns a frame."""
    still = _cut(frames[0], 20, 20, 192, 128)
    blocks = ((_cut(frames[0], 240, 24, 48, 48), 24, 2, 16), (_cut(frames[0], 200, 120, 48, 40), 136, -4, 80))
    result = []
    for t in range(12):
        planes = [plane.copy() for plane in still]
        for block, first, speed, top in blocks:
            for index, (plane, part) in enumerate(zip(planes, block, strict=True)):
                sub = 2 if index else 1
                x, y = (first + speed * t) // sub, top // sub
                plane[y : y + part.shape[0], x : x + part.shape[1]] = part
        result.append(tuple(planes))
    return result


CLIPS = {"crop": _crop, "pan": _pan, "parts": _parts}
"""What makes each clip of the sample's frames."""


def write_clip(name: str, folder: Path) -> Path:
    """A clip as FOLDER/NAME.y4m; raises InputError without the sample."""
    path = folder / f"{name}.y4m"
    with open_source(SAMPLE, count=8) as source:
        frames = CLIPS[name](list(source))
        height, width = frames[0][0].shape
        video = replace(source.video, width=width, height=height, frames=len(frames))
    with open_sink(path, video) as sink:
        for frame in frames:
            sink.write(frame)
    return path


def run(only: Sequence[str] | None = None, iterations: int | None = None) -> Measurement:
    """A row for each file that the encodes make.

    Args:
        only: names of `ENCODES`; None means all.
        iterations: of every fit, instead of its own.

    Raises:
        UsageError: there is no encode of a name.
    """
    for name in only or ():
        if name not in ENCODES:
            raise UsageError(f"there is no encode {name}: choose of {', '.join(ENCODES)}")

    def rows() -> Iterator[Cells]:
        with tempfile.TemporaryDirectory() as folder:
            for name in only or ENCODES:
                yield from _files(name, iterations, Path(folder))

    note = (
        f"Clips are made of {SAMPLE}, and encoded with seed {SEED} on one thread. Bytes may differ between machines, "
        "so only results of one machine can be compared."
    )
    return Measurement("md5s", "MD5s of small encodes", COLUMNS, rows(), note)


def _files(name: str, iterations: int | None, folder: Path) -> Iterator[Cells]:
    """A row for each file of an encode, which runs in a process of its own; raises NqError if it fails."""
    encode = ENCODES[name]
    clip = folder / f"{encode.clip}.y4m"
    if not clip.exists():
        write_clip(encode.clip, folder)
    out = folder / name
    out.mkdir()
    options = [*encode.options.split(), "--seed", str(SEED), "--iterations", str(iterations or encode.iterations)]
    fixed = ["--threads", "1", "--jobs", "1", "--no-metadata", "-q", "-o", str(out / "{bpp}.nq")]
    command = [sys.executable, "-m", "nqcodec", "encode", str(clip), *options, *fixed]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise NqError(f"the encode {name} failed: {done.stderr.strip().splitlines()[-1]}")
    files = sorted(out.glob("*.nq"))
    for file in files:
        data = file.read_bytes()
        label = name if len(files) == 1 else f"{name} at {file.stem} bpp"
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        yield {"encode": label, "options": " ".join([encode.clip, *options]), "bytes": len(data), "md5": digest}


def differences(earlier: Result, later: Result) -> list[str]:
    """The encodes of the later result whose file the earlier one has otherwise, or not at all."""
    known = dict(zip(earlier.column("encode"), earlier.column("md5"), strict=True))
    return [str(row["encode"]) for row in later.rows if known.get(row["encode"]) != row["md5"]]
