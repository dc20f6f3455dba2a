"""Small random encodes of real frames, each decoded and held against what its fit ended with.

Sizes, chroma formats, depths, rates, seeds and backbones are drawn from one seed, so a run can be repeated and any
trial of it looked at alone.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from nqcodec.backbones import DEFAULT, STILL_DEFAULT
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.encoder.encode import encode
from nqcodec.encoder.options import EncodeSettings, Method
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.segment_result import COLLAPSE
from nqcodec.errors import NqError, RateError
from nqcodec.media.clip import ClipInput
from nqcodec.media.colour import convert
from nqcodec.media.raw import csp_name
from nqcodec.media.source import open_source
from nqcodec.media.video import Chroma, Frame, Video, frame_bytes

LEAST_SIDE, MOST_WIDTH, MOST_HEIGHT, MOST_FRAMES = 16, 160, 96, 8
"""Bounds of the pictures and clips that are drawn, in luma samples and frames."""

BPP_RANGE = (0.05, 3.0)
"""Bits a pixel that are drawn, evenly in their logarithm."""

DEARER, MOST_DEARER = 1.6, 12
"""Factor by which a rate rises that no network can meet, and times that it may."""

METHODS: dict[str, tuple[Method, ...]] = {
    "pyramid": ("auto", "plain"),
    "pyramid-light": ("auto",),
    "picture": ("auto",),
    "hnerv": ("auto", "rate-aware"),
    "nerv": ("auto", "rate-aware"),
    "nervpp": ("auto",),
    "hinerv": ("auto",),
}
"""Methods to fit each backbone by; the default network is drawn as often as all others together."""


@dataclass(frozen=True)
class Trial:
    """One encode: a part of a clip's pictures, and how it is encoded. `left`, `top` and sizes in luma samples."""

    number: int
    clip: str
    first: int
    frames: int
    left: int
    top: int
    width: int
    height: int
    chroma: Chroma
    depth: int
    bpp: float
    arch: str
    method: Method
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        trial: with the rate that was met in the end.
        asked, size: bytes asked for and written; None where the encode failed.
        fit, file: PSNR-YUV in dB that the fit ended with, and of the decoded file.
        again: seconds that a second try took, None where there was none.
        error: what ended the encode.
    """

    trial: Trial
    seconds: float
    asked: int | None = None
    size: int | None = None
    fit: float | None = None
    file: float | None = None
    again: float | None = None
    error: str | None = None

    @property
    def lost(self) -> float | None:
        """Decibels that the file shows less than the fit; negative where it shows more."""
        return None if self.fit is None or self.file is None else self.fit - self.file

    @property
    def collapsed(self) -> bool:
        """Whether the file is not what the fit promised."""
        return self.lost is not None and self.lost > COLLAPSE


def random_trials(clips: Sequence[str], count: int, seed: int) -> list[Trial]:
    """`count` trials of parts of `clips`, drawn with `seed`."""
    videos = {clip: ClipInput(clip).describe() for clip in clips}
    draw = random.Random(seed)
    return [_drawn(number, videos, draw) for number in range(count)]


def _drawn(number: int, videos: dict[str, Video], draw: random.Random) -> Trial:
    clip = draw.choice(list(videos))
    video = videos[clip]
    frames = draw.randint(1, min(MOST_FRAMES, video.frames))
    width = draw.randint(min(LEAST_SIDE, video.width), min(MOST_WIDTH, video.width))
    height = draw.randint(min(LEAST_SIDE, video.height), min(MOST_HEIGHT, video.height))
    usual = STILL_DEFAULT if frames == 1 else DEFAULT
    arch = usual if draw.random() < 0.5 else draw.choice(list(METHODS))
    low, high = BPP_RANGE
    return Trial(
        number=number,
        clip=clip,
        first=draw.randint(0, video.frames - frames),
        frames=frames,
        # Parts begin at whole chroma samples of every format.
        left=draw.randint(0, (video.width - width) // 2) * 2,
        top=draw.randint(0, (video.height - height) // 2) * 2,
        width=width,
        height=height,
        chroma=draw.choice(list(Chroma)),
        depth=draw.choice((8, 8, 10, 12)),
        bpp=low * (high / low) ** draw.random(),
        arch=arch,
        method=draw.choice(METHODS[arch]),
        seed=draw.randint(0, 999),
    )


def run_trial(trial: Trial, settings: EncodeSettings) -> Outcome:
    """Encode and decode one trial; `settings` are those that all share. A rate that no network can meet is raised."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = _write(trial, folder / "part.yuv")
        own = replace(settings, arch=trial.arch, method=trial.method, seed=trial.seed, threads=1, jobs=1)
        for _ in range(MOST_DEARER):
            try:
                report = encode(clip, folder / "out.nq", Rate(bpp=trial.bpp), own)
            except RateError:
                trial = replace(trial, bpp=DEARER * trial.bpp)
            except NqError as error:
                return Outcome(trial, time.perf_counter() - begin, error=str(error))
            else:
                return Outcome(
                    trial,
                    time.perf_counter() - begin,
                    report.target,
                    report.size,
                    report.fit_psnr,
                    report.psnr["yuv"],
                    report.seconds.get("again"),
                )
    return Outcome(trial, time.perf_counter() - begin, error="no rate was met")


def _write(trial: Trial, path: Path) -> ClipInput:
    """The trial's frames as a raw file."""
    with open_source(trial.clip, start=trial.first, count=trial.frames) as source, path.open("wb") as file:
        part = replace(source.video, width=trial.width, height=trial.height, frames=trial.frames)
        target = replace(part, chroma=trial.chroma, depth=trial.depth)
        for frame in source:
            file.write(frame_bytes(convert(_cut(frame, source.video, trial), part, target)))
    size = trial.width, trial.height
    return ClipInput(str(path), input_res=size, fps=part.fps, csp=csp_name(target), depth=trial.depth)


def _cut(frame: Frame, video: Video, trial: Trial) -> Frame:
    """The trial's part of a picture."""
    planes = []
    for index, plane in enumerate(frame):
        across, down = video.chroma.plane_sub(index)
        top, left = trial.top // down, trial.left // across
        height, width = -(-trial.height // down), -(-trial.width // across)
        planes.append(plane[top : top + height, left : left + width])
    return tuple(planes)


GROUP_COLUMNS = (
    Column("group", "encodes of"),
    Column("encodes", "encodes"),
    Column("failed", "failed"),
    Column("collapsed", "collapsed"),
    Column("again", "made again"),
    Column("worst_lost_db", "worst difference between fit and file", "dB", 2),
    Column("median_used", "bytes used of those asked for, median", "%", 1),
    Column("least_used", "bytes used, least", "%", 1),
    Column("seconds", "time", "s", 0),
)
TRIAL_COLUMNS = (
    *(Column(each.name, each.name) for each in fields(Trial)),
    Column("asked", "asked for", "bytes"),
    Column("size", "size", "bytes"),
    Column("fit", "fit", "dB", 2),
    Column("file", "file", "dB", 2),
    Column("lost", "difference", "dB", 2),
    Column("again", "made again", "s", 1),
    Column("seconds", "time", "s", 1),
    Column("error", "error"),
)


def run(trials: Sequence[Trial], settings: EncodeSettings, jobs: int) -> Iterator[Outcome]:
    """What comes of each trial, `jobs` at a time."""
    # Fresh processes, which torch's threads in this one cannot harm.
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=20) as pool:
        yield from pool.imap(_run_one, zip(trials, itertools.repeat(settings)))


def _run_one(work: tuple[Trial, EncodeSettings]) -> Outcome:
    return run_trial(*work)


def measurement(outcomes: Sequence[Outcome], settings: EncodeSettings, seed: int, *, each: bool) -> Measurement:
    """The outcomes as a table, a row for all and for every backbone and method, or for `each` outcome."""
    length = f" with {settings.iterations} iterations" if settings.iterations else ""
    note = (
        f"Parts of pictures, chroma formats, depths, rates, backbones and methods are drawn with seed {seed}, and "
        f"encoded by the preset {settings.preset}{length}. An encode has collapsed if its file shows more than "
        f"{COLLAPSE:g} dB less than its fit."
    )
    if each:
        return Measurement("robustness", "Files against their fits", TRIAL_COLUMNS, map(_plain, outcomes), note)
    groups = {"all": list(outcomes)}
    for outcome in sorted(outcomes, key=lambda one: (one.trial.arch, one.trial.method)):
        groups.setdefault(f"{outcome.trial.arch}, {outcome.trial.method}", []).append(outcome)
    rows = (summary(group, name) for name, group in groups.items())
    return Measurement("robustness", "Files against their fits", GROUP_COLUMNS, rows, note)


def summary(outcomes: Sequence[Outcome], name: str) -> Cells:
    """A row of a group: counts, the worst difference between fit and file, the shares of the bytes that files use."""
    lost = [outcome.lost for outcome in outcomes if outcome.lost is not None]
    used = sorted(100 * outcome.size / outcome.asked for outcome in outcomes if outcome.size and outcome.asked)
    return {
        "group": name,
        "encodes": len(outcomes),
        "failed": sum(outcome.error is not None for outcome in outcomes),
        "collapsed": sum(outcome.collapsed for outcome in outcomes),
        "again": sum(outcome.again is not None for outcome in outcomes),
        "worst_lost_db": max(lost, default=None),
        "median_used": used[len(used) // 2] if used else None,
        "least_used": used[0] if used else None,
        "seconds": sum(outcome.seconds for outcome in outcomes),
    }


def _plain(outcome: Outcome) -> Cells:
    data = asdict(outcome)
    trial = data.pop("trial")
    return {**trial, "chroma": outcome.trial.chroma.label, **data, "lost": outcome.lost}
