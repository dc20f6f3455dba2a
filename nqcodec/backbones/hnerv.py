"""HNeRV (Chen et al., CVPR 2023) as a program: latents of a frame, a stem, convolution-and-shuffle stages, a head.

Two uses. `build` makes a network for any clip and any parameter budget, with a half-resolution head (4:2:0 as six
channels); `build_preset` makes the published networks, RGB head and all. Only the decoder is built here: latents are
learned directly or come from the encoder of `nqcodec.training.paper.encoder`, and are transmitted either way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nqcodec.backbones.common import (
    HALF_RESOLUTION,
    LEAST_WIDTH,
    best_ratio,
    cells,
    check_budget,
    check_preset,
    factors,
    ratios,
    widest_program,
)
from nqcodec.media.video import Video
from nqcodec.network.operations import Activation, Conv, Grid, Operation, Planes, Shuffle
from nqcodec.network.program import Limits, Program, head_channels

LATENT_SHARE = 0.15
"""Part of a parameter budget that latents take: 0.1 to 0.25 measured best for 15,000 to 40,000 parameters."""

LATENT_CHANNELS = 16
"""Most latent channels, as published."""

CHANNEL_AIM = 4
"""Latent channels to aim at: more cells with fewer channels measured better than the published few cells with 16."""

CELL_RANGE = (4, 48)
"""Latent cells a frame to aim at, least and most: about 2 x 2 to 5 x 9, so that trunks stay deep."""

REDUCTION = 1.2
"""Ratio of the channels of a stage to those of the next."""

LOWER_WIDTH = 12
"""Narrowest stage of the published networks, and of ours where the budget reaches it."""


@dataclass(frozen=True)
class Settings:
    """Everything that shapes an HNeRV decoder.

    Attributes:
        latent: (times, channels, height, width) of the latents.
        strides: upsampling ratio of each stage.
        width: channels after the stem (the papers' fc_dim or dec_in).
        lower: narrowest stage; each has 1 / 1.2 of the channels before it.
        kernels: stage i has kernel min(first + 2 i, last).
        stem_activation, head_activation: after the pointwise stem and after the 3 x 3 head.
        ratio: of the planes operation; 1 for a head at full resolution.
    """

    latent: tuple[int, int, int, int]
    strides: tuple[int, ...]
    width: int
    lower: int = LOWER_WIDTH
    kernels: tuple[int, int] = (3, 3)
    stem_activation: Activation = Activation.GELU
    head_activation: Activation = Activation.NONE
    ratio: int = HALF_RESOLUTION


def assemble(settings: Settings, video: Video) -> Program:
    """The program of `settings`; raises ValueError if it does not cover `video`."""
    operations: list[Operation] = [
        Grid((), *settings.latent),
        Conv((0,), settings.width, 1, activation=settings.stem_activation),
    ]
    width = settings.width
    for stage, stride in enumerate(settings.strides):
        width = int(max(round(width / REDUCTION), settings.lower))
        kernel = min(settings.kernels[0] + 2 * stage, settings.kernels[1])
        # GELU acts on each value alone: before the shuffle it gives the same map, fused with the convolution.
        operations.append(Conv((len(operations) - 1,), width * stride**2, kernel, activation=Activation.GELU))
        operations.append(Shuffle((len(operations) - 1,), stride))
    channels = head_channels(video.chroma, settings.ratio)
    operations.append(Conv((len(operations) - 1,), channels, 3, activation=settings.head_activation))
    operations.append(Planes((len(operations) - 1,), settings.ratio))
    return Program.of(operations, video)


def build(video: Video, frames: int, parameters: int) -> Program:
    """The widest network for `frames` frames of `video` with at most `parameters` parameters, latents included.

    Raises:
        RateError: if even the smallest network has more.
        LimitError: if even that one is beyond what decoders accept (formats/nq.md, 8).
    """
    check_budget(parameters, smallest(video, frames), video)
    clip = video.with_frames(frames)
    plans = [_smallest_settings(clip), *_plans(clip, parameters)]

    def make(settings: Settings, width: int) -> Program:
        return _assembled(replace(settings, width=width), clip)

    # Widths are whole channels, so no plan meets the budget exactly.
    return widest_program(plans, make, clip, parameters)


def smallest(video: Video, frames: int) -> int:
    """Fewest parameters that `build` can make for `frames` frames of `video`; raises LimitError for absurd sizes."""
    program = _assembled(_smallest_settings(video), video)
    program.check_limits(video.with_frames(frames), Limits())
    return program.parameters


def _assembled(settings: Settings, video: Video) -> Program:
    """`assemble` with the stages as narrow as the stem where that is below the published 12."""
    return assemble(replace(settings, lower=min(LOWER_WIDTH, settings.width)), video)


def _plans(video: Video, parameters: int) -> list[Settings]:
    """Latent sizes and strides to choose from for a budget, at the least width.

    Latents are about `LATENT_SHARE` of the budget, a half more or less.
    """
    share = LATENT_SHARE * parameters / video.frames
    ratio = best_ratio(video, min(max(share / CHANNEL_AIM, CELL_RANGE[0]), CELL_RANGE[1]))
    height, width = cells(video, ratio)
    few, many = (min(max(round(part * share / (height * width)), 1), LATENT_CHANNELS) for part in (0.67, 1.5))
    times = min(max(int(share * video.frames / (few * height * width)), 1), video.frames)
    return [
        Settings((times, channels, height, width), factors(ratio), LEAST_WIDTH) for channels in range(few, many + 1)
    ]


def _smallest_settings(video: Video) -> Settings:
    """One static latent channel, with the ratio that costs the fewest parameters."""

    def at(ratio: int) -> Settings:
        return Settings((1, 1, *cells(video, ratio)), factors(ratio), LEAST_WIDTH)

    return min(map(at, ratios(video)), key=lambda settings: _assembled(settings, video).parameters)


PAPER_STRIDES = (5, 4, 4, 2, 2)
PAPER_RATIO = 320
PAPER_WIDTHS: dict[str, int] = {
    "bunny-0.35m": 32,
    "bunny-0.75m": 48,
    "bunny-1.5m": 68,
    "bunny-3m": 97,
    "bunny-3m-neuroquant": 92,
}
"""Stem widths (fc_dim, dec_in) of the networks published for Big Buck Bunny at 1280x640."""


def build_preset(name: str, video: Video, frames: int) -> Program:
    """A published network: 16 latent channels at 1/320 of the picture, kernels 1 3 5 5 5, RGB head with tanh.

    NeuroQuant's has no activation after the stem; its 3M network has 2,646,219 decoder parameters.

    Raises:
        UsageError: for an unknown name, or a clip that is not 4:4:4 (the head gives three full planes).
    """
    check_preset("HNeRV", name, PAPER_WIDTHS, video)
    stem = Activation.NONE if name.endswith("neuroquant") else Activation.GELU
    settings = Settings(
        latent=(frames, 16, -(-video.height // PAPER_RATIO), -(-video.width // PAPER_RATIO)),
        strides=PAPER_STRIDES,
        width=PAPER_WIDTHS[name],
        kernels=(1, 5),
        stem_activation=stem,
        head_activation=Activation.HALF_TANH,
        ratio=1,
    )
    return assemble(settings, video)
