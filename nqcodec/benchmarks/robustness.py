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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

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


def trials(clips: Sequence[str], count: int, seed: int) -> list[Trial]:
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
    arch = "pyramid" if draw.random() < 0.5 else draw.choice(list(METHODS))
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


def run(
    clips: Sequence[str],
    count: int,
    seed: int,
    settings: EncodeSettings,
    jobs: int,
    progress: Callable[[Outcome], None] | None = None,
) -> dict[str, Any]:
    """`count` trials, `jobs` at a time: a summary and every outcome, as plain data.

    Raises:
        InputError: a clip cannot be read.
    """
    drawn = trials(clips, count, seed)
    outcomes = []
    # Fresh processes, which torch's threads in this one cannot harm.
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=20) as pool:
        for outcome in pool.imap(_run_one, zip(drawn, itertools.repeat(settings))):
            outcomes.append(outcome)
            if progress:
                progress(outcome)
    return {"seed": seed, "preset": settings.preset, "steps": settings.steps, **summary(outcomes)}


def _run_one(work: tuple[Trial, EncodeSettings]) -> Outcome:
    return run_trial(*work)


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Counts, the worst difference between fit and file in dB, the share of the bytes that files use, every outcome."""
    lost = [outcome.lost for outcome in outcomes if outcome.lost is not None]
    used = sorted(outcome.size / outcome.asked for outcome in outcomes if outcome.size and outcome.asked)
    return {
        "trials": len(outcomes),
        "failed": sum(outcome.error is not None for outcome in outcomes),
        "collapsed": sum(outcome.collapsed for outcome in outcomes),
        "taken_again": sum(outcome.again is not None for outcome in outcomes),
        "worst_lost_db": max(lost, default=None),
        "median_used": used[len(used) // 2] if used else None,
        "least_used": used[0] if used else None,
        "seconds": sum(outcome.seconds for outcome in outcomes),
        "outcomes": [_plain(outcome) for outcome in outcomes],
    }


def _plain(outcome: Outcome) -> dict[str, Any]:
    data = asdict(outcome)
    trial = data.pop("trial")
    return {**trial, "chroma": outcome.trial.chroma.label, **data, "lost": outcome.lost}
