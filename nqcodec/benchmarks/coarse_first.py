"""Fits that begin on pictures of half the size with all levels but the finest (`nqtool bench coarse`), against longer
ones that do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from nqcodec.backbones.common import HALF_RESOLUTION
from nqcodec.benchmarks import trials
from nqcodec.benchmarks.motion import displaced
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.benchmarks.trials import Excerpt, fitted, settings_for
from nqcodec.errors import UsageError
from nqcodec.media.video import Frame, Plane, Video
from nqcodec.methods.rate_aware.control import controller
from nqcodec.methods.rate_aware.fit import Fitted
from nqcodec.methods.rate_aware.settings import RateAwareSettings, with_program
from nqcodec.methods.rate_aware.trainer import CONTROL_ITERATIONS, RateAwareTrainer
from nqcodec.network.operations import Conv, Planes, Upsample
from nqcodec.network.program import Program, head_channels
from nqcodec.network.vectors import vector_maps
from nqcodec.training.clip import pack
from nqcodec.training.network import tensor_key
from nqcodec.training.start import new_network

SHARES = (0.3, 0.6)
"""Parts of the file's bytes that the start steers to."""

COLUMNS = (*trials.COLUMNS, Column("cpu_seconds", "time of the fit", "CPU s", 1))


def measurement(clips: Sequence[str], frames: int, bpp: float, iterations: int, seeds: Sequence[int]) -> Measurement:
    """A row for each way and seed: first `frames` frames of each clip, fitted for `bpp` in `iterations` iterations, in
    twice as many, and in as many after the same number on small pictures."""
    note = (
        f"The first {frames} frames, fitted for {bpp:g} bits a pixel of payload by {iterations} iterations on whole "
        "pictures after the start, and decoded from their integers; one thread."
    )
    excerpts = (Excerpt.read(clip, 0, frames) for clip in clips)
    rows = _rows(excerpts, bpp, iterations, seeds)
    return Measurement("coarse-first", "A start on small pictures", COLUMNS, rows, note)


def _rows(excerpts: Iterable[Excerpt], bpp: float, iterations: int, seeds: Sequence[int]) -> Iterator[Cells]:
    for excerpt in excerpts:
        size = int(bpp * excerpt.video.pixels / 8)
        program = displaced(excerpt, size)
        for seed in seeds:
            settings = with_program(settings_for(excerpt, iterations, seed), program)
            ways: dict[str, tuple[RateAwareSettings, CoarseStart | None]] = {
                "as it is": (settings, None),
                "twice as long": (replace(settings, iterations=2 * iterations), None),
            }
            for share in SHARES:
                start = CoarseStart(excerpt, iterations, share * size)
                ways[f"small pictures first, {share:g} of the bytes"] = replace(settings, warmup=0.0), start
            for name, (how, before) in ways.items():
                found = fitted(excerpt, program, size, how, searched=True, before=before)
                yield {"clip": excerpt.name, "variant": name, "seed": seed, **found}


class CoarseStart:
    """Fits all levels but the finest to pictures of half the size.

    Args:
        iterations: of the start.
        size: bytes that lambda steers to.
    """

    def __init__(self, excerpt: Excerpt, iterations: int, size: float):
        self._excerpt, self._iterations, self._size = excerpt, iterations, size

    def __call__(self, start: Fitted, settings: RateAwareSettings) -> None:
        """Take over what the levels learn into `start`, with step indices and context models."""
        video, frames = _halved(self._excerpt)
        program = coarser(start.network.program, video)
        # The learning rates stay at their peak: what follows goes on from there.
        settings = replace(
            settings, iterations=self._iterations, noise=1.0, floor=1.0, last_temperature=settings.first_temperature
        )
        small = Fitted.fresh(new_network(program, video.frames, settings))
        shared = [key for key in small.network.tensors if not key.startswith(tensor_key(_head(program), ""))]
        with torch.no_grad():
            for key in shared:
                small.network.tensors[key].copy_(start.network.tensors[key])
        control = controller(8 * settings.aim * self._size, settings.gains, settings.first_lambda)
        clip = pack(frames, video, program)
        # Its size is estimated throughout, since no file is made of it.
        trainer = RateAwareTrainer(small.network, clip, settings, control, lambda tensors: 0, small.quantizers)
        trainer.size_of = lambda tensors: round(float(trainer.bits) / 8)
        for _ in range(self._iterations):
            trainer.iterate()
            if trainer.done % CONTROL_ITERATIONS == 0:
                trainer.look()
        trainer.close()
        with torch.no_grad():
            for key in shared:
                start.network.tensors[key].copy_(small.network.tensors[key])
        learned = {name: value for name, value in small.quantizers.tensors().items() if name.split(".")[1] in shared}
        start.quantizers.load(start.quantizers.tensors() | learned)


def _head(program: Program) -> int:
    return program.operations[-1].inputs[0]


def coarser(program: Program, video: Video) -> Program:
    """The operations of a pyramid's levels but the finest, with a head of their own for `video`, of half the size.

    Raises:
        UsageError: there is one level alone.
    """
    vectors = vector_maps(program)
    enlarged = [i for i, op in enumerate(program.operations) if isinstance(op, Upsample) and i not in vectors]
    if not enlarged:
        raise UsageError(f"the pyramid of {2 * video.width}x{2 * video.height} has one level, so none to begin with")
    # The trunk is enlarged last for the finest level.
    narrow = program.operations[enlarged[-1]].inputs[0]
    end = program.operations[narrow].inputs[0]
    head = Conv((end,), head_channels(video.chroma, HALF_RESOLUTION), 3)
    return Program.of([*program.operations[: end + 1], head, Planes((end + 1,), HALF_RESOLUTION)], video)


def _halved(excerpt: Excerpt) -> tuple[Video, list[Frame]]:
    """The excerpt at half its size, by means of 2x2 samples."""
    video = excerpt.video
    half = replace(video, width=-(-video.width // 2), height=-(-video.height // 2))
    frames = list[Frame]()
    for frame in excerpt.frames:
        planes = list[Plane]()
        for plane, (rows, columns) in zip(frame, half.plane_shapes, strict=True):
            missing = ((0, 2 * rows - plane.shape[0]), (0, 2 * columns - plane.shape[1]))
            whole = np.pad(plane, missing, mode="edge").astype(np.uint16)
            means = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
            planes.append(means.astype(np.uint8) if video.depth == 8 else means.astype(np.uint16))
        frames.append(tuple(planes))
    return half, frames
