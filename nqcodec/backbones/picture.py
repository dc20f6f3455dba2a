"""The picture network: latent grids from full resolution on, and a small synthesis at full resolution.

As in Cool-Chic (Ladune et al., ICCV 2023), every grid has one channel and half the resolution of the one before; the
coarser ones are enlarged step by step to full resolution, where two 1x1 convolutions beside a linear path, and a 3x3
residual, make the samples. At half resolution a 3x3 residual of all maps replaces the longer upsampling filters of
later versions of Cool-Chic. What is coded is nearly all latents: what makes samples of them has some 700 parameters.
Where chroma
has half of luma's resolution, it has a synthesis of its own at half resolution, so that nothing is computed twice.

The grids' sizes follow from the picture alone. A fit for a rate sets those to zero that do not pay.
"""

from __future__ import annotations

from nqcodec.backbones.common import ProgramBuilder, check_budget, within_limits
from nqcodec.errors import UsageError
from nqcodec.media.video import Video
from nqcodec.network.camera_path import Path
from nqcodec.network.operations import Activation, Add, Conv, Grid, Planes, Upsample
from nqcodec.network.program import Limits, Program, head_channels

COARSEST_RATIO = 64
"""Largest ratio between the picture and a grid; coarser ones had no bits."""

LEAST_CELLS = 3
"""A grid whose smaller side has no more cells than this is the coarsest."""

WIDTH = 16
"""Channels of the hidden map: 8, as in Cool-Chic's smaller networks, needed 8 % more bits on one picture."""

HALF = 2
"""Ratio between luma and the map that chroma is made from, in formats whose chroma is smaller than luma."""


def assemble(video: Video, frames: int, finest: int = 1, *, refined: bool = True) -> Program:
    """The program for `frames` frames of `video`, each with grids of its own from ratio `finest` on, a power of 2, and
    `refined` at half resolution or not."""
    return _Assembly(video, frames, finest, refined).finish()


class _Assembly:
    """Appends grids from the coarsest to the finest; `_maps` holds the enlarged ones of each ratio, stacked, which by
    now are `_channels`."""

    def __init__(self, video: Video, frames: int, finest: int, refined: bool):
        self._video, self._frames, self._refined = video, frames, refined
        self._builder = ProgramBuilder()
        self._least = _least_ratio(video)
        self._maps, self._channels = dict[int, int](), 0
        ratios = _ratios(video)
        for ratio in ratios:
            self._level(ratio, has_grid=ratio >= min(finest, ratios[0]))

    def _cells(self, ratio: int) -> tuple[int, int]:
        """Rows and columns at a ratio. Where chroma is smaller, those at full resolution fill whole chroma samples."""
        rows, columns = (self._least * -(-size // self._least) for size in (self._video.height, self._video.width))
        return -(-rows // ratio), -(-columns // ratio)

    def _level(self, ratio: int, *, has_grid: bool) -> None:
        """The maps of the level before, enlarged, with this level's grid."""
        rows, columns = self._cells(ratio)
        stacked = []
        if has_grid:
            self._channels += 1
            stacked.append(self._builder.add(Grid((), self._frames, 1, rows, columns)))
        if 2 * ratio in self._maps:
            stacked.append(self._builder.add(Upsample((self._maps[2 * ratio],), 2, rows, columns)))
        maps = self._builder.stack(stacked)
        if self._refined and ratio == HALF and 2 * ratio in self._maps:
            maps = self._builder.add(Add((maps, self._builder.add(Conv((maps,), self._channels, 3)))))
        self._maps[ratio] = maps

    def _synthesis(self, latents: int, channels: int) -> int:
        """Samples from latents at one resolution: linear, and by a hidden map, refined by a 3x3 residual."""
        hidden = self._builder.add(Conv((latents,), WIDTH, 1, activation=Activation.RELU))
        curved = self._builder.add(Conv((hidden,), channels, 1))
        linear = self._builder.add(Conv((latents,), channels, 1))
        samples = self._builder.add(Add((curved, linear)))
        return self._builder.add(Add((samples, self._builder.add(Conv((samples,), channels, 3)))))

    def finish(self) -> Program:
        """The synthesis and the checked program."""
        chroma = self._video.chroma
        if self._least == HALF:
            luma = self._synthesis(self._maps[1], 1)
            # `planes` reads each 2x2 samples of luma as four channels.
            cells = self._builder.space_to_depth(luma, *self._cells(HALF), HALF)
            colour = self._synthesis(self._maps[HALF], head_channels(chroma, HALF) - HALF**2)
            self._builder.add(Planes((self._builder.stack([cells, colour]),), HALF))
        else:
            self._builder.add(Planes((self._synthesis(self._maps[1], head_channels(chroma, 1)),), 1))
        return Program.of(self._builder, self._video)


def _least_ratio(video: Video) -> int:
    """Ratio of the map that chroma is made from: `HALF` where it is smaller than luma."""
    return HALF if video.chroma.planes > 1 and video.chroma.plane_sub(1) != (1, 1) else 1


def _ratios(video: Video) -> list[int]:
    """Ratios between picture and grid, coarsest first."""
    ratio = _least_ratio(video)
    while ratio < COARSEST_RATIO and min(video.height, video.width) > LEAST_CELLS * ratio:
        ratio *= 2
    return [ratio >> halvings for halvings in range(ratio.bit_length())]


def build(video: Video, frames: int, parameters: int) -> Program:
    """The picture network of at most `parameters` parameters: without as many of the finest grids as necessary.

    Raises:
        RateError: if even the smallest has more.
        LimitError: if even that one is beyond what decoders accept (formats/nq.md, 8).
    """
    clip = video.with_frames(frames)
    check_budget(parameters, smallest(video, frames), video)
    for finest in reversed(_ratios(video)):
        program = assemble(clip, frames, finest)
        if program.parameters <= parameters and within_limits(program, clip):
            return program
    return assemble(clip, frames, _ratios(video)[0])


def for_bytes(video: Video, frames: int, size: int, path: Path | None = None, moves: bool = False) -> Program:
    """The picture network with all its grids: size, path and motion make no difference. LimitError as `build`."""
    clip = video.with_frames(frames)
    program = assemble(clip, frames)
    program.check_limits(clip, Limits())
    return program


def smallest(video: Video, frames: int) -> int:
    """Fewest parameters that `build` can make for `frames` frames of `video`; raises LimitError for absurd sizes."""
    clip = video.with_frames(frames)
    program = assemble(clip, frames, _ratios(video)[0])
    program.check_limits(clip, Limits())
    return program.parameters


def build_preset(name: str, video: Video, frames: int) -> Program:
    """Raises UsageError, because the published networks of Cool-Chic have operations that ours have not."""
    raise UsageError(f"there is no picture network {name}: it has no presets, its size follows from the picture")
