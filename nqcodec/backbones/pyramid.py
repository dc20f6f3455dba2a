"""The latent pyramid: grids at several scales, dense in time where coarse and static where fine, and a narrow trunk.

What moves is told at the coarse scales, once in a few frames; what stays is told once, at the fine ones. It is fitted
for its rate (`nqcodec.methods.rate_aware`): grids that a clip does not need become zeros and cost next to nothing, so
one set of grids serves many clips and rates, and only the trunk's width follows the budget.

Where the camera moves, nothing stays at its place in the picture, but most does in the scene: all grids are then as
large as what the camera sees of the scene, and each level reads the part that it sees at the time. Where it stands
still, the coarsest level tells vectors by which the finer grids are displaced, for what moves by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

from nqcodec.backbones.common import ProgramBuilder, fits, widest, within_limits
from nqcodec.errors import RateError, UsageError
from nqcodec.media.video import Video
from nqcodec.network.camera_path import Path
from nqcodec.network.operations import (
    MOST_WARP_BITS,
    MOST_WINDOW_BITS,
    Activation,
    Add,
    Conv,
    Grid,
    Planes,
    Upsample,
    Warp,
    Window,
)
from nqcodec.network.program import Limits, Program, head_channels

COARSEST_ROWS = 24
"""Rows of the coarsest map to aim at. A coarser level brought its overhead alone: fits for a rate left it empty."""

WIDTHS = (18, 16, 12)
"""Channels of the trunk at scale 1, coarsest level first; further levels have as many as the last."""

LIGHT_WIDTHS = (18, 20)

SCALE_RANGE = (0.2, 16.0)
"""Least and most scale of the widths."""

LEAST_WIDTH = 4
"""Narrowest level."""

SCALE_BYTES, LEAST_SCALE = 14000, 0.5
"""Bytes of a file that suit scale 1, and the least scale for any size. A trunk held to scale 1.1 cost 0.2 decibels at
23 kB, 0.7 at 46 kB and 0.4 at 95 kB (docs/experiments.md)."""

MOST_MACS, FREE_SCALE = 1_850_000_000, 1.1
"""Multiply-accumulates of a frame that two cores decode at about 30 frames a second, and the scale up to which more
are taken: 2 thousand a pixel at 1280x720, 0.9 from 1920x1080 on."""

SCALE_STEP = 0.05
"""Fineness of the scale that a budget is solved for."""

SHARPER = 2
"""Resolution of the finest level's scene over that of its map: at the map's own, following a slow camera cost 0.2 dB,
at twice that it gained a decibel."""


VECTOR_BITS = 2
"""Bits of vectors below a cell of the finest level: 2 measured no worse than 0 and 3. The coarsest map's convolution
learns them at the rate of all weights."""


@dataclass(frozen=True)
class Latents:
    """One grid of a level: a latent for every `every` frames (0: one for the whole segment) of `channels` channels."""

    every: int
    channels: int

    def times(self, frames: int) -> int:
        """Latents in time for a segment of `frames` frames."""
        return 1 if self.every == 0 else max(1, frames // self.every)


LEVELS = (
    (Latents(2, 1), Latents(8, 1), Latents(0, 2)),
    (Latents(4, 1), Latents(0, 2)),
    (Latents(0, 2),),
)
"""Grids of each level, coarsest first; further levels are as the last."""

RICH_GRIDS = (
    (Latents(1, 2), Latents(8, 1), Latents(0, 2)),
    (Latents(4, 1), Latents(0, 3)),
    (Latents(16, 1), Latents(0, 3)),
)
"""For files of more than `RICH_BITS`. 320x180, 32 frames: at 0.2 bits a pixel a decibel better than `LEVELS`, at 0.1 a
little worse; at 0.1, 132 frames of it are 0.4 decibels better, and 120 frames of 176x144."""

RICH_BITS = 2.0
"""Bits a parameter that the pyramid of `LEVELS` would have, the camera not counted."""

MEDIUM_GRIDS = (
    RICH_GRIDS[0],
    (Latents(4, 1), Latents(16, 1), Latents(0, 3)),
    (Latents(8, 1), Latents(0, 4)),
)
DENSE_GRIDS = (
    (Latents(1, 2), Latents(4, 1), Latents(0, 2)),
    (Latents(2, 2), Latents(8, 1), Latents(0, 3)),
    (Latents(4, 2), Latents(0, 4)),
)
FULL_GRIDS = ((Latents(1, 4), Latents(4, 4), Latents(0, 4)),)
GRID_PRESETS = (RICH_GRIDS, MEDIUM_GRIDS, DENSE_GRIDS, FULL_GRIDS)
"""For rates that fewer latents could not use, in their order."""

DENSER_BITS, USABLE_BITS = 2.0, 5.0
"""Bits a parameter from which on denser grids are better (120 frames of 176x144 gain 0.4 decibels by the medium ones at
2.5 bits a parameter of the rich, 1.1 by the dense at 3.7 of the medium), and the most that a file can well spend."""

FRUGAL_GRIDS = (
    (Latents(8, 1), Latents(0, 2)),
    (Latents(0, 1),),
)
"""For budgets that the full set leaves nothing of for the trunk."""

LEAST_GRIDS = ((Latents(0, 1),),)


@dataclass(frozen=True)
class Settings:
    """Everything that shapes a pyramid.

    Attributes:
        levels: grids of each level, coarsest first; the last stands for all finer ones.
        widths: channels of each level at scale 1, likewise.
        scale: of the widths.
        ratio: of the planes operation: the finest level's resolution.
        finest: grids of the finest level, where they are not as `levels` says.
        most: largest scale that `for_bytes` chooses.
        path: the camera's, in pixels; None where it stands still.
        displaced: whether vectors displace the grids of all levels but the coarsest.
    """

    levels: tuple[tuple[Latents, ...], ...] = LEVELS
    widths: tuple[int, ...] = WIDTHS
    scale: float = 1.0
    ratio: int = 2
    finest: tuple[Latents, ...] = ()
    most: float = 2.2
    path: Path | None = None
    displaced: bool = False

    def grids(self, level: int, last: bool) -> tuple[Latents, ...]:
        """Grids of a level; `last` says that it is the finest."""
        if last and self.finest:
            return self.finest
        return self.levels[min(level, len(self.levels) - 1)]

    def width(self, level: int) -> int:
        """Channels of a level."""
        return max(LEAST_WIDTH, round(self.scale * self.widths[min(level, len(self.widths) - 1)]))


LIGHT = Settings(widths=LIGHT_WIDTHS, ratio=4, finest=(Latents(8, 1), Latents(0, 8)), most=0.95)
"""No level at half the picture's resolution: at most 0.6 thousand multiply-accumulates a pixel."""


def ratios(video: Video, finest: int) -> list[int]:
    """Ratios between picture and map of each level, coarsest first, each half of the one before."""
    steps = max(0, round(log2(max(video.height, video.width * 9 / 16) / COARSEST_ROWS / finest)))
    return [finest << step for step in range(steps, -1, -1)]


def assemble(settings: Settings, video: Video, frames: int) -> Program:
    """The program of `settings` for a segment of `frames` frames of `video`."""
    assembly = _Assembly(settings, video, frames)
    for level, ratio in enumerate(ratios(video, settings.ratio)):
        assembly.level(level, ratio, last=ratio == settings.ratio)
    return assembly.finish()


class _Assembly:
    """Appends operations level by level; `_map` is the trunk's last map."""

    def __init__(self, settings: Settings, video: Video, frames: int):
        self._settings, self._video, self._frames = settings, video, frames
        self._builder = ProgramBuilder()
        self._map: int | None = None
        self._vectors: int | None = None

    def level(self, level: int, ratio: int, last: bool) -> None:
        """The trunk enlarged by two, what the level's grids add, and one residual block."""
        height, width = -(-self._video.height // ratio), -(-self._video.width // ratio)
        channels = self._settings.width(level)
        told = self._told(self._settings.grids(level, last), ratio, height, width, sharp=last)
        if self._map is None:
            self._map = self._builder.add(Conv((told,), channels, 3, activation=Activation.GELU))
        else:
            if self._settings.displaced:
                told = self._displaced(told, ratio, height, width)
            # One position is mixed before it is enlarged: the same map for a quarter of the work.
            narrow = self._builder.add(Conv((self._map,), channels, 1))
            enlarged = self._builder.add(Upsample((narrow,), 2, height, width))
            self._map = self._builder.add(Add((enlarged, self._builder.add(Conv((told,), channels, 1)))))
        block = self._builder.add(Conv((self._map,), channels, 3, activation=Activation.GELU))
        self._map = self._builder.add(Add((self._map, block)))

    def finish(self) -> Program:
        """The head and the checked program."""
        assert self._map is not None
        channels = head_channels(self._video.chroma, self._settings.ratio)
        head = self._builder.add(Conv((self._map,), channels, 3))
        self._builder.add(Planes((head,), self._settings.ratio))
        return Program.of(self._builder, self._video)

    def _told(self, latent_grids: tuple[Latents, ...], ratio: int, height: int, width: int, *, sharp: bool) -> int:
        """The level's grids as one map of the picture, through windows if the camera moves.

        With `sharp`, grids of several channels then have one for a cell's places instead, at `SHARPER` times the
        resolution: between cells, what is as fine as they are would be lost.
        """
        grids = dict[int, int]()
        for latents in latent_grids:
            # In short segments several densities come to the same; the one with most channels stands for all.
            times = latents.times(self._frames)
            grids[times] = max(grids.get(times, 0), latents.channels)
        ordered = sorted(grids.items(), key=lambda one: -one[1])
        if self._settings.path is None:
            return self._builder.stack([self._builder.add(Grid((), *grid, height, width)) for grid in ordered])
        fine = [(times, -(-channels // SHARPER**2)) for times, channels in ordered if sharp and channels > 1]
        plain = [(times, channels) for times, channels in ordered if not sharp or channels == 1]
        seen = [
            self._seen(group, ratio, cells, height, width) for group, cells in ((fine, SHARPER), (plain, 1)) if group
        ]
        return self._builder.stack(seen)

    def _seen(self, grids: list[tuple[int, int]], ratio: int, cells: int, height: int, width: int) -> int:
        """Grids (times, channels) of the whole scene, `cells` x `cells` to a cell of the level, through one window."""
        path = self._settings.path
        assert path is not None
        # The same numbers serve every level: what is a pixel's fraction is a smaller one of a cell.
        bits = path.bits + round(log2(ratio // cells))
        rows, columns = (
            size * cells + -(-reach >> bits) for size, reach in ((height, path.rows), (width, path.columns))
        )
        scene = self._builder.stack([self._builder.add(Grid((), *grid, rows, columns)) for grid in grids])
        return self._builder.add(Window((scene,), height, width, cells, bits, path.knots))

    def _displaced(self, told: int, ratio: int, height: int, width: int) -> int:
        """A level's grids, displaced by the coarsest level's vectors: enlarged, they are the same in the picture."""
        if self._vectors is None:
            assert self._map is not None
            self._vectors = self._builder.add(Conv((self._map,), 2, 3))
        self._vectors = self._builder.add(Upsample((self._vectors,), 2, height, width))
        bits = min(VECTOR_BITS + round(log2(ratio // self._settings.ratio)), MOST_WARP_BITS)
        return self._builder.add(Warp((told, self._vectors), bits))


def build(video: Video, frames: int, parameters: int, base: Settings | None = None) -> Program:
    """The widest pyramid for `frames` frames of `video` with at most `parameters` parameters, latents included.

    Raises:
        RateError: if even the smallest has more.
        LimitError: if even that one is beyond what decoders accept (formats/nq.md, 8).
    """
    clip, base = video.with_frames(frames), base or Settings()
    for settings in (base, *(replace(base, levels=levels, finest=()) for levels in (FRUGAL_GRIDS, LEAST_GRIDS))):
        narrow = replace(settings, scale=SCALE_RANGE[0])
        if fits(assemble(narrow, clip, frames), clip, parameters):
            return assemble(_widened(narrow, clip, parameters), clip, frames)
    raise RateError(
        f"a pyramid of {parameters} parameters is too small for {video.width}x{video.height}: "
        f"the smallest has {smallest(video, frames, base)}"
    )


def build_light(video: Video, frames: int, parameters: int) -> Program:
    """`build` for the light pyramid; its errors are the same."""
    return build(video, frames, parameters, LIGHT)


def for_bytes(
    video: Video,
    frames: int,
    size: int,
    path: Path | None = None,
    moves: bool = False,
    *,
    base: Settings | None = None,
) -> Program:
    """The pyramid for a file of `size` bytes: all grids, and a trunk whose width follows the size.

    Args:
        path: of the camera, followed as far as decoders accept the scene's size.
        moves: whether anything moves; where the camera's path does not explain it, grids are displaced for it.

    Raises:
        LimitError: if it is beyond what decoders accept (formats/nq.md, 8).
    """
    clip, base = video.with_frames(frames), base or Settings()
    base = _scaled(base, clip, (size / SCALE_BYTES) ** 0.5)
    rich = 8 * size > RICH_BITS * assemble(base, clip, frames).parameters and not base.finest
    base = _following(base, path, clip)
    base = replace(base, displaced=moves and base.path is None and not base.finest)
    settings = [base, *(replace(base, levels=levels, finest=()) for levels in GRID_PRESETS)]
    chosen = settings[rich]
    program = assemble(chosen, clip, frames)
    program.check_limits(clip, Limits())
    # Denser grids have another finest level: a network with one of its own keeps it for as long as it serves.
    most = USABLE_BITS if base.finest else DENSER_BITS
    for denser in settings[rich + 1 :]:
        other = assemble(denser, clip, frames)
        if program.parameters * most >= 8 * size or not within_limits(other, clip):
            break
        chosen, program = denser, other
    if program.parameters * USABLE_BITS >= 8 * size:
        return program
    return build(video, frames, int(8 * size / USABLE_BITS), chosen)


def _scaled(settings: Settings, video: Video, wanted: float) -> Settings:
    """Settings at a scale of the trunk that is allowed and not too slow to decode, as near as can be to `wanted`."""
    most, free = round(min(max(wanted, LEAST_SCALE), settings.most) / SCALE_STEP), round(FREE_SCALE / SCALE_STEP)
    for count in range(most, free, -1):
        one = replace(settings, scale=count * SCALE_STEP)
        if assemble(one, video, video.frames).macs <= MOST_MACS:
            return one
    return replace(settings, scale=min(most, free) * SCALE_STEP)


def light_for_bytes(video: Video, frames: int, size: int, path: Path | None = None, moves: bool = False) -> Program:
    """`for_bytes` for the light pyramid."""
    return for_bytes(video, frames, size, path, moves, base=LIGHT)


def smallest(video: Video, frames: int, base: Settings | None = None) -> int:
    """Fewest parameters that `build` can make for `frames` frames of `video`; raises LimitError for absurd sizes."""
    clip, base = video.with_frames(frames), base or Settings()
    programs = [
        assemble(replace(base, levels=levels, finest=(), scale=SCALE_RANGE[0]), clip, frames)
        for levels in (FRUGAL_GRIDS, LEAST_GRIDS)
    ]
    program = min(programs, key=lambda one: one.parameters)
    program.check_limits(clip, Limits())
    return program.parameters


def smallest_light(video: Video, frames: int) -> int:
    """`smallest` for the light pyramid."""
    return smallest(video, frames, LIGHT)


def build_preset(name: str, video: Video, frames: int) -> Program:
    """There are no published pyramids: raises UsageError."""
    raise UsageError(f"there is no pyramid network {name}: it has no presets, its size follows from --bpp or --params")


def _widened(settings: Settings, video: Video, parameters: int) -> Settings:
    """The largest scale within budget and limits; `settings`, of the least scale, fits."""

    def scaled(count: int) -> Settings:
        return replace(settings, scale=SCALE_RANGE[0] + count * SCALE_STEP)

    most = round((SCALE_RANGE[1] - SCALE_RANGE[0]) / SCALE_STEP)
    return scaled(widest(lambda count: assemble(scaled(count), video, video.frames), 0, video, parameters, most))


def _following(settings: Settings, path: Path | None, video: Video) -> Settings:
    """Settings with a camera's path, as fine as windows of all levels can have it; without, if it leads too far."""
    coarsest = round(log2(ratios(video, settings.ratio)[0]))
    if path is None or coarsest > MOST_WINDOW_BITS:
        return settings
    moving = replace(settings, path=path.coarser(MOST_WINDOW_BITS - coarsest))
    return moving if within_limits(assemble(moving, video, video.frames), video) else settings
