"""The start of a fit on pictures of half the size, with all levels but the finest (`nqtool bench clips`)."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch

from nqcodec.backbones.common import HALF_RESOLUTION
from nqcodec.benchmarks.trials import Excerpt
from nqcodec.errors import UsageError
from nqcodec.media.video import Frame, Plane, Video
from nqcodec.methods.rate_aware.control import controller
from nqcodec.methods.rate_aware.fit import Fitted
from nqcodec.methods.rate_aware.settings import RateAwareSettings
from nqcodec.methods.rate_aware.trainer import CONTROL_ITERATIONS, RateAwareTrainer
from nqcodec.network.motion import vector_maps
from nqcodec.network.operations import Conv, Planes, Upsample
from nqcodec.network.program import Program, head_channels
from nqcodec.training.clip import pack
from nqcodec.training.network import tensor_key
from nqcodec.training.start import new_network

SHARE = 0.6
"""Part of the file's bytes that the start steers to; with 0.3 a pan lost 0.7 dB more, and street gained 0.07."""


class CoarseStart:
    """Fits all levels but the finest to pictures of half the size, for as many iterations as follow.

    Args:
        size: bytes of the file.
    """

    def __init__(self, excerpt: Excerpt, size: int):
        self._excerpt, self._size = excerpt, SHARE * size

    def __call__(self, start: Fitted, settings: RateAwareSettings) -> None:
        """Take over what the levels learn into `start`, with step indices and context models."""
        video, frames = _halved(self._excerpt)
        program = coarser(start.network.program, video)
        # The learning rates stay at their peak: what follows goes on from there.
        settings = replace(settings, noise=1.0, floor=1.0, last_temperature=settings.first_temperature)
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
        for _ in range(settings.iterations):
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
