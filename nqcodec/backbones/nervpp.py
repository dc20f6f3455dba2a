"""NeRV++ (Ghorbel et al., 2024) as a program: NeRV with residual blocks around each upsampling, and a bilinear skip.

A stage projects its input to its own width (1 x 1), refines it by block A, enlarges it (3 x 3 convolution, shuffle,
swish), refines it by a separable residual block, and adds the projected input, enlarged bilinearly. A is a separable
residual block too in the paper's "sandwich", and a gated convolutional block in the public code's best model. The
stem is gated. The paper's GELU in tanh form is exact GELU here, as everywhere in the format: they differ by < 0.001.
"""

from __future__ import annotations

from dataclasses import dataclass

from nqcodec.backbones.common import HALF_RESOLUTION, ProgramBuilder, cells, check_preset, factors, paper_cells
from nqcodec.backbones.stem import HIDDEN, LEVELS, PAPER_STRIDES, REDUCTION, Family, own_levels, time_encoding
from nqcodec.media.video import Video
from nqcodec.network.operations import Activation, Add, Concat, Conv, Fold, Mul, Planes, Shuffle, Upsample
from nqcodec.network.program import Program, head_channels

LOWER_WIDTH = 80
"""Narrowest stage after the first, as published."""

LOWER_SHARE = 1.5
"""Ratio of that width to the first map's in our own networks, at most the published width; 0.7 to 10 as published."""


@dataclass(frozen=True)
class Settings:
    """Everything that shapes a NeRV++ network.

    Attributes:
        cells: (height, width) of the first map.
        width: its channels.
        strides: upsampling ratio of each stage.
        gated: True for a gated convolutional block before the upsampling, False for a separable residual block.
        hidden: channels between the stem's two layers.
        lower: narrowest stage after the first.
        levels: frequencies of the encoding of time; it has twice as many values.
        head_activation: of the 1 x 1 convolution to samples.
        ratio: of the planes operation; 1 for a head at full resolution.
    """

    cells: tuple[int, int]
    width: int
    strides: tuple[int, ...]
    gated: bool
    hidden: int = HIDDEN
    lower: int = LOWER_WIDTH
    levels: int = LEVELS
    head_activation: Activation = Activation.HALF_TANH
    ratio: int = 1


def assemble(settings: Settings, video: Video) -> Program:
    """The program of `settings`; raises ValueError if it does not cover `video`."""
    builder = ProgramBuilder()
    height, columns = settings.cells
    x = _stem(builder, settings, video.frames)
    width = settings.width
    for stage, stride in enumerate(settings.strides):
        if stage > 0:
            width = max(width // REDUCTION, settings.lower)
        height, columns = height * stride, columns * stride
        projected = builder.add(Conv((x,), width, 1))
        refine = _gated if settings.gated else _separable
        x = refine(builder, projected, width)
        # The activation acts on each value alone: before the shuffle it gives the same map, fused with the convolution.
        x = builder.add(Conv((x,), width * stride**2, 3, activation=Activation.SILU))
        x = _separable(builder, builder.add(Shuffle((x,), stride)), width)
        x = builder.add(Add((x, builder.add(Upsample((projected,), stride, height, columns)))))
    channels = head_channels(video.chroma, settings.ratio)
    x = builder.add(Conv((x,), channels, 1, activation=settings.head_activation))
    builder.add(Planes((x,), settings.ratio))
    return Program.of(builder, video)


def _stem(builder: ProgramBuilder, settings: Settings, frames: int) -> int:
    """The first cells from time: a product of two linear layers, one of them through GELU, then a third.

    The public code's one linear layer of twice the width is two layers here.
    """
    time = builder.add(time_encoding(settings.levels, frames))
    value = builder.add(Conv((time,), settings.hidden, 1))
    gate = builder.add(Conv((time,), settings.hidden, 1, activation=Activation.GELU))
    rows, columns = settings.cells
    x = builder.add(Conv((builder.add(Mul((value, gate))),), settings.width * rows * columns, 1))
    return builder.add(Fold((x,), rows, columns))


def _separable(builder: ProgramBuilder, x: int, width: int) -> int:
    """x + linear(GELU(linear(depthwise 3 x 3 (x)))), all of `width` channels."""
    inner = builder.add(Conv((x,), width, 3, depthwise=True))
    inner = builder.add(Conv((inner,), width, 1, activation=Activation.GELU))
    inner = builder.add(Conv((inner,), width, 1))
    return builder.add(Add((x, inner)))


def _gated(builder: ProgramBuilder, x: int, width: int) -> int:
    """x + linear(GELU(gate) * value): 8/3 `width` values, `width` of them through a depthwise 5 x 5 convolution.

    The public code's one linear layer to gate and value is a layer for each part here.
    """
    inner = 8 * width // 3
    gate = builder.add(Conv((x,), inner, 1, activation=Activation.GELU))
    plain = builder.add(Conv((x,), inner - width, 1))
    mixed = builder.add(Conv((builder.add(Conv((x,), width, 1)),), width, 5, depthwise=True))
    value = builder.add(Concat((plain, mixed)))
    return builder.add(Add((x, builder.add(Conv((builder.add(Mul((gate, value))),), width, 1)))))


def _make(video: Video, ratio: int, width: int, hidden: int) -> Program:
    settings = Settings(
        cells(video, ratio),
        width,
        factors(ratio),
        gated=False,
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

PAPER_WIDTHS: dict[str, int] = {"xs": 8, "s": 26, "m": 58, "l": 112}
"""Channels of the first map of the published networks."""

SANDWICH = "-scrb"
"""Ending of the names of networks with separable residual blocks on both sides, as in the paper."""

PRESETS = (*PAPER_WIDTHS, *(name + SANDWICH for name in PAPER_WIDTHS))


def build_preset(name: str, video: Video, frames: int) -> Program:
    """A published network.

    At 1280x720, xs, s, m and l have 1,902,725, 3,379,541, 6,382,533 and 12,546,111 parameters, and those of the
    paper's sandwich 1,742,403, 3,215,199, 6,201,503 and 12,309,011.

    Raises:
        UsageError: for an unknown name, another picture size, or a clip that is not 4:4:4.
    """
    check_preset("NeRV++", name, PRESETS, video)
    first = paper_cells(name, video, PAPER_STRIDES)
    width = PAPER_WIDTHS[name.removesuffix(SANDWICH)]
    strides = PAPER_STRIDES[video.width, video.height]
    return assemble(Settings(first, width, strides, gated=not name.endswith(SANDWICH)), video.with_frames(frames))
