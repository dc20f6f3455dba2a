"""The latent pyramid: grids at several scales, dense in time where coarse and static where fine, and a narrow trunk.

The coarse grids have a latent map for every few frames and represent what moves; the fine grids have one for the whole
segment and represent what does not. The pyramid is fitted for its rate (`nqcodec.methods.rate_aware`): grids that a
clip does not need become zeros and cost next to nothing, so the same grids serve many clips and rates, and only the
width of the trunk depends on the budget.

If the camera moves, objects change their place in the picture but not in the scene; the grids then cover the whole
scene, and each level reads the window that the camera sees at that time. A grid of vectors displaces the grids of all
levels but the coarsest, as well or instead, so that everything that moves is followed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

from nqcodec.backbones.common import ProgramBuilder, fits, widest, within_limits
from nqcodec.backbones.pyramid_grids import (
    DENSER_BITS,
    FRUGAL_GRIDS,
    GRID_PRESETS,
    LEAST_GRIDS,
    LEVELS,
    RICH_BITS,
    USABLE_BITS,
    Latents,
)
from nqcodec.backbones.pyramid_motion import (
    KEY_VECTOR_RATIO,
    VECTOR_BITS,
    Displacement,
    stacked_grids,
    windowed,
)
from nqcodec.errors import RateError, UsageError
from nqcodec.media.video import Video
from nqcodec.network.camera_path import Path
from nqcodec.network.operations import (
    MOST_WARP_BITS,
    MOST_WINDOW_BITS,
    Activation,
    Add,
    Conv,
    Planes,
    Upsample,
)
from nqcodec.network.program import Limits, Program, head_channels

COARSEST_ROWS = 24
"""Rows of the coarsest map to aim at. A coarser level only adds overhead: rate-aware fits set its latents to zero."""

WIDTHS = (18, 16, 12)
"""Channels of the trunk at scale 1, coarsest level first; further levels have as many as the last."""

LIGHT_WIDTHS = (18, 20)

SCALE_RANGE = (0.2, 16.0)
"""Least and most scale of the widths."""

LEAST_WIDTH = 4
"""Narrowest level."""

SCALE_BYTES, LEAST_SCALE = 14000, 0.5
"""Bytes of a file for which scale 1 is best, and the least scale for any size. A trunk held to scale 1.1 cost 0.2
decibels at 23 kB, 0.7 at 46 kB and 0.4 at 95 kB (docs/experiments.md)."""

MOST_MACS, FREE_SCALE = 1_850_000_000, 1.1
"""Multiply-accumulates of a frame that two cores decode at about 30 frames a second, and the scale up to which more
are taken: 2 thousand a pixel at 1280x720, 0.9 from 1920x1080 on."""

SCALE_STEP = 0.05
"""Steps in which the scale is searched for a budget."""

SHARPER = 2
"""Resolution of what the finest level shows once over that of its map, where it is displaced. At the map's own
resolution, following a slow camera cost 0.2 dB, and at twice that resolution it gained a decibel; vectors gained 0 to
0.9 dB by it."""

VECTOR_RATIOS = (64, 32, 16)
"""Ratios between the picture and the grid of vectors, which has two channels for every frame."""

VECTOR_RATIO = 32
"""The one where no number of bytes is given."""

LEAST_VECTOR_BITS = 12.5
"""Bits of the file that each value of that grid must have for it to be as fine. At 10 bits a value of 32x32 one of
64x64 gained 0.3 to 0.4 dB; at 24 it lost 0.4, and one of 16x16 lost 1.0; at 70 to 130 that one gained 0.25 to 0.5 dB
(docs/experiments.md). Vectors take 10 to 20 % of a file then."""

KEY_BITS, LEAST_KEY_FRAMES, MOST_KEYS = 1.2, 8, 8
"""Bits of the file a pixel of the picture, and frames, that each key grid must have; and most key grids. On clips of 32
frames, four were better than two and eight at 3 to 9 bits a pixel, where any gained; at 1.6 none did. On one of 132
frames with 26 bits a pixel, eight were better than four and sixteen (docs/experiments.md)."""


@dataclass(frozen=True)
class Settings:
    """Everything that shapes a pyramid.

    Attributes:
        levels: grids of each level, coarsest first; the last stands for all finer ones.
        widths: channels of each level at scale 1, likewise.
        scale: factor on the widths.
        ratio: ratio of the planes operation, which sets the finest level's resolution.
        finest: grids of the finest level, if they differ from those of `levels`.
        most: largest scale that `for_bytes` chooses.
        path: the camera's path, in pixels; None if it stands still.
        displaced: whether vectors displace the grids of all levels but the coarsest, as its window shows them.
        vector_ratio: ratio between the picture and the grid of vectors; None lets the bytes decide.
        sharper: resolution of the finest level's warped grid over that of its map; windows have `SHARPER`.
        keys: displaced key grids of the finest level beside the one that all frames share; 0 for none.
        denser: by how many of `GRID_PRESETS` the grids are denser than `for_bytes` would have them.
    """

    levels: tuple[tuple[Latents, ...], ...] = LEVELS
    widths: tuple[int, ...] = WIDTHS
    scale: float = 1.0
    ratio: int = 2
    finest: tuple[Latents, ...] = ()
    most: float = 2.2
    path: Path | None = None
    displaced: bool = False
    vector_ratio: int | None = None
    sharper: int = SHARPER
    keys: int = 0
    denser: int = 0

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
    finer = max(0, round(log2(max(video.height, video.width * 9 / 16) / COARSEST_ROWS / finest)))
    return [finest << halvings for halvings in range(finer, -1, -1)]


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
        self._coarsest = self._read = windowed(self._builder, settings.path) if settings.path else None
        self._keys: Displacement | None = None
        if settings.displaced:
            self._read = self._displacement(settings.vector_ratio or VECTOR_RATIO, settings.path).read
            self._keys = self._displacement(KEY_VECTOR_RATIO) if settings.keys else None

    def _displacement(self, vector_ratio: int, path: Path | None = None) -> Displacement:
        """By vectors at `vector_ratio`, or as coarse as the coarsest level that they displace."""
        coarsest = max(ratios(self._video, self._settings.ratio)[1:2], default=1)
        video = self._video.with_frames(self._frames)
        return Displacement(self._builder, video, self._settings.ratio, max(vector_ratio, coarsest), path)

    def level(self, level: int, ratio: int, last: bool) -> None:
        """Upsample the trunk by two, add the level's latents, and append one residual block."""
        height, width = -(-self._video.height // ratio), -(-self._video.width // ratio)
        channels = self._settings.width(level)
        latent_input = self._latent_input(self._settings.grids(level, last), ratio, height, width, last=last)
        if self._map is None:
            self._map = self._builder.add(Conv((latent_input,), channels, 3, activation=Activation.GELU))
        else:
            # The 1x1 convolution runs before the upsampling: the result is the same, with a quarter of the work.
            narrow = self._builder.add(Conv((self._map,), channels, 1))
            enlarged = self._builder.add(Upsample((narrow,), 2, height, width))
            self._map = self._builder.add(Add((enlarged, self._builder.add(Conv((latent_input,), channels, 1)))))
        block = self._builder.add(Conv((self._map,), channels, 3, activation=Activation.GELU))
        self._map = self._builder.add(Add((self._map, block)))

    def finish(self) -> Program:
        """The head and the checked program."""
        assert self._map is not None
        channels = head_channels(self._video.chroma, self._settings.ratio)
        head = self._builder.add(Conv((self._map,), channels, 3))
        self._builder.add(Planes((head,), self._settings.ratio))
        return Program.of(self._builder, self._video)

    def _latent_input(
        self, latent_grids: tuple[Latents, ...], ratio: int, height: int, width: int, *, last: bool
    ) -> int:
        """The level's grids as one map of the picture, displaced if something moves.

        Displaced grids of several channels have a higher resolution and fewer channels at the `last` level, because
        interpolation between cells would blur details as fine as a cell.
        """
        grids = dict[int, int]()
        for latents in latent_grids:
            # In short segments, grids of different temporal stride can have the same number of maps; the one with most
            # channels is kept.
            times = latents.times(self._frames)
            grids[times] = max(grids.get(times, 0), latents.channels)
        ordered = sorted(grids.items(), key=lambda one: -one[1])
        settings = self._settings
        # Vectors displace no grid of the coarsest level.
        read = self._coarsest if self._map is None else self._read
        if read is None:
            return stacked_grids(self._builder, ordered, height, width)
        cells = settings.sharper if settings.path is None else SHARPER
        # Warped grids that change in time are better at the map's resolution: by 2.4 dB on a clip of 39 dB.
        fine = {
            times
            for times, channels in ordered
            if last and cells > 1 < channels and (times == 1 or settings.path is not None)
        }
        sharp = [(times, -(-channels // cells**2)) for times, channels in ordered if times in fine]
        plain = [grid for grid in ordered if grid[0] not in fine]
        groups = [(group, size) for group, size in ((sharp, cells), (plain, 1)) if group]
        maps = [read(group, ratio, size, height, width) for group, size in groups]
        if self._keys is not None and last:
            maps.append(self._keys.read_keys(settings.keys, ratio, cells, height, width))
        return self._builder.stack(maps)


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
    """The pyramid for a file of `size` bytes: all grids, and a trunk whose width depends on the size.

    Args:
        path: the camera's path, which is used if decoders accept the size of its scene.
        moves: whether anything moves; vectors then displace the grids, beside the path if there is one.

    Raises:
        LimitError: if it is beyond what decoders accept (formats/nq.md, 8).
    """
    clip, base = video.with_frames(frames), base or Settings()
    keys, base = base.keys, replace(base, keys=0)
    base = _scaled(base, clip, (size / SCALE_BYTES) ** 0.5)
    rich = int(8 * size > RICH_BITS * assemble(base, clip, frames).parameters and not base.finest)
    base = replace(base, displaced=moves and _can_be_displaced(base, clip))
    base = _following(base, path, clip)
    base = replace(base, vector_ratio=base.vector_ratio or vector_ratio(clip, size))
    settings = [base, *(replace(base, levels=levels, finest=()) for levels in GRID_PRESETS)]
    first = min(rich + base.denser, len(GRID_PRESETS))
    if not within_limits(assemble(settings[first], clip, frames), clip):
        first = rich
    chosen = settings[first]
    program = assemble(chosen, clip, frames)
    program.check_limits(clip, Limits())
    # Denser grids replace the finest level, so a network with a finest level of its own keeps it for longer.
    most = USABLE_BITS if base.finest else DENSER_BITS
    for denser in settings[first + 1 :]:
        other = assemble(denser, clip, frames)
        if program.parameters * most >= 8 * size or not within_limits(other, clip):
            break
        chosen, program = denser, other
    if program.parameters * USABLE_BITS >= 8 * size:
        if not keys:
            return program
        # Key grids are chosen beside the others, which stay as dense as they would be without them.
        keyed = assemble(replace(chosen, keys=keys), clip, frames)
        return keyed if within_limits(keyed, clip) else program
    return build(video, frames, int(8 * size / USABLE_BITS), chosen)


def _scaled(settings: Settings, video: Video, wanted: float) -> Settings:
    """Settings whose trunk has the allowed scale nearest to `wanted` that is not too slow to decode."""
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
    """Raises UsageError, because no pyramid has been published as a preset."""
    raise UsageError(f"there is no pyramid network {name}: it has no presets, its size follows from --bpp or --params")


def _widened(settings: Settings, video: Video, parameters: int) -> Settings:
    """The largest scale within budget and limits; `settings`, of the least scale, fits."""

    def scaled(count: int) -> Settings:
        return replace(settings, scale=SCALE_RANGE[0] + count * SCALE_STEP)

    most = round((SCALE_RANGE[1] - SCALE_RANGE[0]) / SCALE_STEP)
    return scaled(widest(lambda count: assemble(scaled(count), video, video.frames), 0, video, parameters, most))


def _following(settings: Settings, path: Path | None, video: Video) -> Settings:
    """Settings with the camera's path at the precision that windows allow; without it if the scene is too large."""
    coarsest = round(log2(ratios(video, settings.ratio)[0]))
    if path is None or coarsest > MOST_WINDOW_BITS:
        return settings
    moving = replace(settings, path=path.coarser(MOST_WINDOW_BITS - coarsest))
    return moving if within_limits(assemble(moving, video, video.frames), video) else settings


def _can_be_displaced(settings: Settings, video: Video) -> bool:
    """Whether vectors of the format reach all levels; those of the light pyramid are not displaced."""
    levels = len(ratios(video, settings.ratio)) - 1
    return not settings.finest and VECTOR_BITS + levels - 1 <= MOST_WARP_BITS


def vector_ratio(video: Video, size: int) -> int:
    """The ratio of the grid of vectors that suits a file of `size` bytes."""

    def values(ratio: int) -> int:
        return 2 * video.frames * -(-video.height // ratio) * -(-video.width // ratio)

    fit = [ratio for ratio in VECTOR_RATIOS if 8 * size >= LEAST_VECTOR_BITS * values(ratio)]
    return min(fit, default=VECTOR_RATIOS[0])


def key_grids(video: Video, size: int) -> int:
    """The number of key grids that suits a file of `size` bytes."""
    by_bits = int(8 * size / (video.height * video.width * KEY_BITS))
    return min(by_bits, video.frames // LEAST_KEY_FRAMES, MOST_KEYS)
