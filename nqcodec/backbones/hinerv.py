"""HiNeRV (Kwan et al., NeurIPS 2023) as a program: grids of two rates in time, ConvNeXt-like stages, local grids.

Each stage normalises its input, enlarges it bilinearly with an exact crop, adds an encoding of each position's place
within its cell, and refines it. The encoding is learned on a map of one cell and tiled: its linear layer acts before
the tiling rather than after it, on the same values and at a small part of the cost. Published blocks have no biases
and ours do, so a program has those more parameters than its paper counts (`block_biases`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from nqcodec.backbones.common import (
    HALF_RESOLUTION,
    ProgramBuilder,
    best_ratio,
    cells,
    check_budget,
    check_preset,
    factors,
    paper_cells,
    ratios,
    widest_program,
)
from nqcodec.media.video import Video
from nqcodec.network.operations import Activation, Add, Concat, Conv, Grid, Norm, Planes, Tile, Upsample
from nqcodec.network.program import Limits, Program, head_channels

BASE_LEVELS, LOCAL_LEVELS = 2, 3
"""Grids of the first cells and of each stage's encoding: each has half the times and twice the channels of the last."""

EXPANSION = 4
"""Ratio of the inner width of a block to its output width; 1 in the last stage."""

LEAST_WIDTH = 4
"""Narrowest first stage of our own networks, and narrowest later one: norms need several channels."""

DEPTH = 3
"""Blocks of each stage but the last, which has one, in our own networks and in most published ones."""

CELL_RANGE = (12, 576)
"""Cells to aim at, least and most: the published 18 x 32 where the budget reaches it."""

CELL_PARAMETERS = 280
"""Parameters of the budget for each cell aimed at."""

CELL_PIXELS = 256
"""Least pixels for each cell aimed at, so that small pictures too have at least two stages."""

TIME_SHARE = 0.3
"""Times of the first grid for each frame: 0.25 and 0.3 as published."""

BASE_SHARE, LOCAL_SHARE = 0.15, 0.06
"""Parts of a budget that the first grids and the local ones may take: 0.12 and 0.06 in the smallest published one."""


@dataclass(frozen=True)
class Settings:
    """Everything that shapes a HiNeRV network.

    Attributes:
        base: (times, channels) of the first cells' first grid.
        local: (times, channels) of the first stage's first local grid; later stages have half the channels each.
        cells: (height, width) of the first map.
        width: channels of the first stage; later stages have half of the stage before.
        strides: enlargement of each stage.
        depths: blocks of each stage.
        lower: narrowest stage.
        head_activation: of the 1 x 1 convolution to samples. half_tanh(x / 2) is the published sigmoid less 0.5.
        ratio: of the planes operation; 1 for a head at full resolution.
    """

    base: tuple[int, int]
    local: tuple[int, int]
    cells: tuple[int, int]
    width: int
    strides: tuple[int, ...]
    depths: tuple[int, ...]
    lower: int = 1
    head_activation: Activation = Activation.HALF_TANH
    ratio: int = 1


def assemble(settings: Settings, video: Video) -> Program:
    """The program of `settings`; raises ValueError if it does not cover `video`."""
    builder = ProgramBuilder()
    x = _grids(builder, settings.base, BASE_LEVELS, settings.cells)
    width = settings.width
    x = builder.add(Conv((x,), width, 3))
    enlarged, last = 1, len(settings.strides) - 1
    for stage, (stride, depth) in enumerate(zip(settings.strides, settings.depths, strict=True)):
        enlarged *= stride
        size = _covering(video, settings, prod(settings.strides) // enlarged)
        x = builder.add(Upsample((builder.add(Norm((x,))),), stride, *size))
        times, channels = settings.local
        local = _grids(builder, (times, max(channels >> stage, 1)), LOCAL_LEVELS, (stride, stride))
        local = builder.add(Tile((builder.add(Conv((local,), width, 1)),), *size))
        x = builder.add(Add((x, local)))
        narrower = width if stage == 0 else max(width // 2, settings.lower)
        for _ in range(depth):
            x = _block(builder, x, (width, narrower), 1 if stage == last else EXPANSION)
            width = narrower
    channels = head_channels(video.chroma, settings.ratio)
    x = builder.add(Conv((x,), channels, 1, activation=settings.head_activation))
    builder.add(Planes((x,), settings.ratio))
    return Program.of(builder, video)


def block_biases(program: Program) -> int:
    """Parameters that a program of `assemble` has and the published network has not: biases of its blocks.

    A block is a depthwise convolution and two pointwise ones after it.
    """
    operations = program.operations
    first = [index for index, op in enumerate(operations) if isinstance(op, Conv) and op.depthwise]
    inside = [operations[index + place] for index in first for place in (0, 2, 3)]
    return sum(op.out_channels for op in inside if isinstance(op, Conv))


def _grids(builder: ProgramBuilder, first: tuple[int, int], levels: int, size: tuple[int, int]) -> int:
    """Grids from (times, channels) on, each with half the times and twice the channels of the one before, stacked."""
    times, channels = first
    grids = [builder.add(Grid((), max(times >> level, 1), channels << level, *size)) for level in range(levels)]
    return builder.add(Concat(tuple(grids)))


def _covering(video: Video, settings: Settings, remaining: int) -> tuple[int, int]:
    """The least (height, width) that covers the picture after enlargement by `remaining` and the head's ratio."""
    scale = remaining * settings.ratio
    return -(-video.height // scale), -(-video.width // scale)


def _block(builder: ProgramBuilder, x: int, widths: tuple[int, int], expansion: int) -> int:
    """linear(GELU(linear(norm(depthwise 3 x 3 (x))))), plus x where the width stays."""
    before, after = widths
    inner = builder.add(Conv((x,), before, 3, depthwise=True))
    inner = builder.add(Norm((inner,)))
    inner = builder.add(Conv((inner,), expansion * after, 1, activation=Activation.GELU))
    inner = builder.add(Conv((inner,), after, 1))
    return builder.add(Add((x, inner))) if before == after else inner


def build(video: Video, frames: int, parameters: int) -> Program:
    """The widest network for `frames` frames of `video` with at most `parameters` parameters, grids included.

    Raises:
        RateError: if even the smallest network has more.
        LimitError: if even that one is beyond what decoders accept (formats/nq.md, 8).
    """
    check_budget(parameters, smallest(video, frames), video)
    clip = video.with_frames(frames)
    plans = [_smallest_settings(clip), *_plans(clip, parameters)]

    def make(settings: Settings, width: int) -> Program:
        return assemble(replace(settings, width=width), clip)

    # One more channel of width is many parameters, and grids of other sizes use what the width leaves.
    return widest_program(plans, make, clip, parameters)


def smallest(video: Video, frames: int) -> int:
    """Fewest parameters that `build` can make for `frames` frames of `video`; raises LimitError for absurd sizes."""
    clip = video.with_frames(frames)
    program = assemble(_smallest_settings(clip), clip)
    program.check_limits(clip, Limits())
    return program.parameters


def _plans(video: Video, parameters: int) -> list[Settings]:
    """Grids to choose from for a budget, at the least width: times first and then channels, up to their shares."""
    most = min(CELL_RANGE[1], video.width * video.height / CELL_PIXELS)
    ratio = best_ratio(video, max(min(parameters / CELL_PARAMETERS, most), CELL_RANGE[0]))
    height, width = cells(video, ratio)
    latents = BASE_SHARE * parameters / (BASE_LEVELS * height * width)
    times = min(max(round(TIME_SHARE * video.frames), 1), max(int(latents), 1))
    strides = factors(ratio)
    slots = LOCAL_SHARE * parameters / (LOCAL_LEVELS * max(strides, default=1) ** 2)
    local_times = min(video.frames, max(int(slots), 1))
    local = local_times, max(int(slots / local_times), 1)
    few, many = (max(round(part * latents / times), 1) for part in (0.67, 1.33))
    return [_own((times, channels), local, video, ratio) for channels in range(few, many + 1)]


def _smallest_settings(video: Video) -> Settings:
    """Static grids of one channel, with the ratio that costs the fewest parameters."""
    plans = [_own((1, 1), (1, 1), video, ratio) for ratio in ratios(video)]
    return min(plans, key=lambda settings: assemble(settings, video).parameters)


def _own(base: tuple[int, int], local: tuple[int, int], video: Video, ratio: int) -> Settings:
    """Settings of our own networks at the least width."""
    strides = factors(ratio)
    depths = (*(DEPTH,) * (len(strides) - 1), 1) if strides else ()
    return Settings(
        base,
        local,
        cells(video, ratio),
        LEAST_WIDTH,
        strides,
        depths,
        lower=LEAST_WIDTH,
        head_activation=Activation.NONE,
        ratio=HALF_RESOLUTION,
    )


@dataclass(frozen=True)
class _Published:
    """A published network: channels of the first stage, of the first grid and of the first local grid; blocks."""

    width: int
    base: int
    local: int
    depth: int = 3


BUNNY_STRIDES = {(1280, 720): (5, 2, 2, 2)}
UVG_STRIDES = {(1920, 1080): (5, 3, 2, 2)}
BUNNY_TIMES, UVG_TIMES = 40, 150
"""Times of the first grid, for 132 frames and for 300 or 600."""

PAPER_NETWORKS: dict[str, _Published] = {
    "bunny-xxs": _Published(136, 2, 4),
    "bunny-xs": _Published(196, 4, 8),
    "bunny-s": _Published(280, 8, 16),
    "uvg-s": _Published(280, 2, 4),
    "uvg-m": _Published(400, 4, 8),
    "uvg-l": _Published(560, 8, 16),
    "uvg-xl": _Published(688, 16, 32, 4),
    "uvg-xxl": _Published(864, 32, 64, 5),
}


def build_preset(name: str, video: Video, frames: int) -> Program:
    """A published network, for Big Buck Bunny at 1280x720 or UVG at 1920x1080.

    Without `block_biases`, for 132 and 600 frames: 766,691, 1,585,666 and 3,249,819 parameters; 3,188,933, 6,489,553,
    12,818,953, 25,649,557 and 50,726,919.

    Raises:
        UsageError: for an unknown name, another picture size, or a clip that is not 4:4:4.
    """
    check_preset("HiNeRV", name, PAPER_NETWORKS, video)
    network, bunny = PAPER_NETWORKS[name], name.startswith("bunny")
    sizes = BUNNY_STRIDES if bunny else UVG_STRIDES
    settings = Settings(
        base=(BUNNY_TIMES if bunny else UVG_TIMES, network.base),
        local=(frames, network.local),
        cells=paper_cells(name, video, sizes),
        width=network.width,
        strides=sizes[video.width, video.height],
        depths=(*(network.depth,) * 3, 1),
    )
    return assemble(settings, video.with_frames(frames))
