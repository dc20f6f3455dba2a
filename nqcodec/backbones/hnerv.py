"""HNeRV (Chen et al., CVPR 2023) as a program: latents of a frame, a stem, convolution-and-shuffle stages, a head.

Two uses. `build` makes a network for any clip and any parameter budget, with a half-resolution head (4:2:0 as six
channels); `build_preset` makes the published networks, RGB head and all. Only the decoder is built here: latents are
learned directly or come from the encoder of `nqcodec.fit.encoder`, and are transmitted either way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

from nqcodec.errors import LimitError, RateError, UsageError
from nqcodec.program import Activation, Conv, Grid, Limits, Operation, Planes, Program, Shuffle, head_channels
from nqcodec.video import Chroma, Video

HALF_RESOLUTION = 2
"""Planes ratio of our own networks: the trunk ends at half the picture's resolution."""

LATENT_SHARE = 0.15
"""Part of a parameter budget that latents take: 0.1 to 0.25 measured best for 15,000 to 40,000 parameters."""

LATENT_CHANNELS = 16
"""Most latent channels, as published."""

CHANNEL_AIM = 4
"""Latent channels to aim at: more cells with fewer channels measured better than the published few cells with 16."""

CELL_RANGE = (4, 48)
"""Latent cells a frame to aim at, least and most: about 2 x 2 to 5 x 9, so that trunks stay deep."""

CELL_PENALTY = 0.05
"""What a doubling of the cells away from the aim weighs against padding, as a part of the picture."""

REDUCTION = 1.2
"""Channels of a stage against those of the next."""

LOWER_WIDTH = 12
"""Narrowest stage of the published networks, and of ours where the budget reaches it."""

LEAST_WIDTH = 2
"""Narrowest stem that `build` makes."""


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
    least = smallest(video, frames)
    if parameters < least:
        raise RateError(
            f"a network of {parameters} parameters is too small for {video.width}x{video.height}: "
            f"the smallest has {least}"
        )
    clip = video.with_frames(frames)
    plans = [_smallest_settings(clip), *_plans(clip, parameters)]
    programs = [_widen(plan, clip, parameters) for plan in plans if _fits(_assembled(plan, clip), clip, parameters)]
    # Widths are whole channels, so budgets are met only in steps; the first plan is for want of any other.
    return max(programs[1:] or programs, key=lambda program: program.parameters)


def smallest(video: Video, frames: int) -> int:
    """Fewest parameters that `build` can make for `frames` frames of `video`; raises LimitError for absurd sizes."""
    program = _assembled(_smallest_settings(video), video)
    program.check_limits(video.with_frames(frames), Limits())
    return program.parameters


def _widen(settings: Settings, video: Video, parameters: int) -> Program:
    """The largest width within budget and limits, by doubling and then bisection; `settings` itself fits."""
    program = _assembled(settings, video)
    low, high = settings.width, settings.width + 1
    while _fits(trial := _assembled(replace(settings, width=high), video), video, parameters):
        program, low, high = trial, high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        trial = _assembled(replace(settings, width=middle), video)
        if _fits(trial, video, parameters):
            program, low = trial, middle
        else:
            high = middle
    return program


def _assembled(settings: Settings, video: Video) -> Program:
    """`assemble` with the stages as narrow as the stem where that is below the published 12."""
    return assemble(replace(settings, lower=min(LOWER_WIDTH, settings.width)), video)


def _fits(program: Program, video: Video, parameters: int) -> bool:
    if program.parameters > parameters:
        return False
    try:
        program.check_limits(video, Limits())
    except LimitError:
        return False
    return True


def _plans(video: Video, parameters: int) -> list[Settings]:
    """Latent sizes and strides to choose from for a budget, at the least width.

    Padding costs time and bits, and so do latent cells that are too many or too few: the ratio between picture and
    latents is the one with the best sum of both. Latents are about `LATENT_SHARE` of the budget, a half more or less.
    """
    share = LATENT_SHARE * parameters / video.frames
    aim = min(max(share / CHANNEL_AIM, CELL_RANGE[0]), CELL_RANGE[1])

    def score(ratio: int) -> float:
        height, width = _cells(video, ratio)
        padding = height * width * (ratio * HALF_RESOLUTION) ** 2 / (video.height * video.width) - 1
        return padding + CELL_PENALTY * abs(log2(height * width / aim))

    ratio = min(_ratios(video), key=score)
    height, width = _cells(video, ratio)
    few, many = (min(max(round(part * share / (height * width)), 1), LATENT_CHANNELS) for part in (0.67, 1.5))
    times = min(max(int(share * video.frames / (few * height * width)), 1), video.frames)
    return [
        Settings((times, channels, height, width), _factors(ratio), LEAST_WIDTH) for channels in range(few, many + 1)
    ]


def _smallest_settings(video: Video) -> Settings:
    """One static latent channel, with the ratio that costs the fewest parameters."""

    def at(ratio: int) -> Settings:
        return Settings((1, 1, *_cells(video, ratio)), _factors(ratio), LEAST_WIDTH)

    return min(map(at, _ratios(video)), key=lambda settings: _assembled(settings, video).parameters)


def _cells(video: Video, ratio: int) -> tuple[int, int]:
    """Latent (height, width) that covers the picture when the trunk enlarges by `ratio`."""
    scale = ratio * HALF_RESOLUTION
    return -(-video.height // scale), -(-video.width // scale)


def _ratios(video: Video) -> list[int]:
    """Products of 2, 3 and 5 up to the one that leaves a single latent cell."""
    longest = -(-max(video.width, video.height) // HALF_RESOLUTION)
    powers = range(longest.bit_length() + 1)
    every = sorted(2**a * 3**b * 5**c for a in powers for b in powers for c in powers if 3**b * 5**c <= 2 * longest)
    last = next(ratio for ratio in every if ratio >= longest)
    return [ratio for ratio in every if ratio <= last]


def _factors(ratio: int) -> tuple[int, ...]:
    """Strides of a ratio: its prime factors, the largest first, where maps are smallest.

    Prime strides take the fewest parameters, and measured better than the papers' 4 and 5 at equal size and time.
    """
    factors = []
    for prime in (5, 3, 2):
        while ratio % prime == 0:
            factors.append(prime)
            ratio //= prime
    return tuple(factors)


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
    if name not in PAPER_WIDTHS:
        raise UsageError(f"there is no HNeRV network {name}: choose one of {', '.join(PAPER_WIDTHS)}")
    if video.chroma is not Chroma.C444:
        raise UsageError(f"network {name} makes three full planes: convert the clip from {video.chroma.label} to 4:4:4")
    stem = Activation.NONE if name.endswith("neuroquant") else Activation.GELU
    cells = -(-video.height // PAPER_RATIO), -(-video.width // PAPER_RATIO)
    settings = Settings(
        latent=(frames, 16, *cells),
        strides=PAPER_STRIDES,
        width=PAPER_WIDTHS[name],
        kernels=(1, 5),
        stem_activation=stem,
        head_activation=Activation.HALF_TANH,
        ratio=1,
    )
    return assemble(settings, video)
