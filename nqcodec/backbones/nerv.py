"""NeRV (Chen et al., NeurIPS 2021) as a program: sines of time, a two-layer stem, convolutions and shuffles, a head.

The stem's linear layers are 1 x 1 convolutions of a map of one position, which `fold` turns into the first cells.
`build` makes a network for any clip and any parameter budget, with a half-resolution head (4:2:0 as six channels);
`build_preset` makes the published networks, RGB head and all.
"""

from __future__ import annotations

from dataclasses import dataclass

from nqcodec.backbones.common import HALF_RESOLUTION, ProgramBuilder, cells, check_preset, factors, paper_cells
from nqcodec.backbones.stem import HIDDEN, LEVELS, PAPER_STRIDES, REDUCTION, Family, own_levels, time_encoding
from nqcodec.media.video import Video
from nqcodec.network.operations import Activation, Conv, Fold, Planes, Shuffle
from nqcodec.network.program import Program, head_channels

LOWER_WIDTH = 96
"""Narrowest stage after the first, as published."""

LOWER_SHARE = 1.5
"""Ratio of that width to the first map's in our own networks, at most the published width; 0.9 to 3.7 as published."""


@dataclass(frozen=True)
class Settings:
    """Everything that shapes a NeRV network.

    Attributes:
        cells: (height, width) of the first map.
        width: its channels.
        strides: upsampling ratio of each stage.
        hidden: channels between the stem's two layers; 0 for a stem of one layer without an activation.
        lower: narrowest stage after the first.
        levels: frequencies of the encoding of time; it has twice as many values.
        reduce_first: True if the first stage is narrower than the stem's map as all others are.
        activation: of the stem and the stages.
        head_kernel, head_activation: of the convolution to samples.
        ratio: of the planes operation; 1 for a head at full resolution.
    """

    cells: tuple[int, int]
    width: int
    strides: tuple[int, ...]
    hidden: int = HIDDEN
    lower: int = LOWER_WIDTH
    levels: int = LEVELS
    reduce_first: bool = False
    activation: Activation = Activation.SILU
    head_kernel: int = 1
    head_activation: Activation = Activation.HALF_TANH
    ratio: int = 1


def assemble(settings: Settings, video: Video) -> Program:
    """The program of `settings`; raises ValueError if it does not cover `video`."""
    builder = ProgramBuilder()
    x = builder.add(time_encoding(settings.levels, video.frames))
    rows, columns = settings.cells
    cell_channels = settings.width * rows * columns
    if settings.hidden:
        x = builder.add(Conv((x,), settings.hidden, 1, activation=settings.activation))
        x = builder.add(Conv((x,), cell_channels, 1, activation=settings.activation))
    else:
        x = builder.add(Conv((x,), cell_channels, 1))
    x = builder.add(Fold((x,), rows, columns))
    width = settings.width
    for stage, stride in enumerate(settings.strides):
        if stage > 0 or settings.reduce_first:
            width = max(width // REDUCTION, settings.lower)
        # The activation acts on each value alone: before the shuffle it gives the same map, fused with the convolution.
        x = builder.add(Conv((x,), width * stride**2, 3, activation=settings.activation))
        x = builder.add(Shuffle((x,), stride))
    channels = head_channels(video.chroma, settings.ratio)
    x = builder.add(Conv((x,), channels, settings.head_kernel, activation=settings.head_activation))
    builder.add(Planes((x,), settings.ratio))
    return Program.of(builder, video)


def _make(video: Video, ratio: int, width: int, hidden: int) -> Program:
    settings = Settings(
        cells(video, ratio),
        width,
        factors(ratio),
        hidden=hidden,
        lower=min(LOWER_WIDTH, int(LOWER_SHARE * width)),
        levels=own_levels(video.frames),
        head_activation=Activation.NONE,
        ratio=HALF_RESOLUTION,
    )
    return assemble(settings, video)


FAMILY = Family(_make)
build = FAMILY.build
smallest = FAMILY.smallest

PAPER_WIDTHS: dict[str, int] = {"s": 26, "m": 58, "l": 112}
"""Channels of the first map (the last number of fc_hw_dim) of NeRV-S, M and L."""

NEUROQUANT = "bunny-3m-neuroquant"
NEUROQUANT_STRIDES: dict[tuple[int, int], tuple[int, ...]] = {(1280, 640): (5, 4, 4, 2, 2)}
PRESETS = (*PAPER_WIDTHS, NEUROQUANT)


def build_preset(name: str, video: Video, frames: int) -> Program:
    """A published network: NeRV-S, M or L, or the 3M one that HNeRV and NeuroQuant compare with.

    NeRV-S, M and L have 3,201,905, 6,282,001 and 12,524,563 parameters at 1280x720. The other has 3,078,499 at
    1280x640: 80 frequencies, a stem of one layer, GELU, a 3 x 3 head. Its sines come before its cosines in the public
    code; here they alternate, which only orders the first layer's weights.

    Raises:
        UsageError: for an unknown name, another picture size, or a clip that is not 4:4:4.
    """
    check_preset("NeRV", name, PRESETS, video)
    clip = video.with_frames(frames)
    sizes = NEUROQUANT_STRIDES if name == NEUROQUANT else PAPER_STRIDES
    first, strides = paper_cells(name, video, sizes), sizes[video.width, video.height]
    if name != NEUROQUANT:
        return assemble(Settings(first, PAPER_WIDTHS[name], strides), clip)
    settings = Settings(
        first,
        145,
        strides,
        hidden=0,
        lower=24,
        levels=80,
        reduce_first=True,
        activation=Activation.GELU,
        head_kernel=3,
    )
    return assemble(settings, clip)
