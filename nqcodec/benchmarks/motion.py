"""What each part of a clip's vectors is worth: frames fitted for equal bytes, one part changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nqcodec.backbones import pyramid
from nqcodec.benchmarks import trials
from nqcodec.benchmarks.results import Column, Measurement
from nqcodec.benchmarks.trials import Excerpt, Variant, rows
from nqcodec.errors import UsageError
from nqcodec.media.positions import parse_range
from nqcodec.media.source import open_source
from nqcodec.network.motion import camera_window, vector_grids
from nqcodec.network.operations import LINEAR_TAPS, Grid, Operation, Warp
from nqcodec.network.program import Program
from nqcodec.training.motion import MotionDetector


def displaced(excerpt: Excerpt, size: int, base: pyramid.Settings | None = None) -> Program:
    """The pyramid that vectors displace, whether or not the camera's path would explain what moves."""
    return pyramid.for_bytes(excerpt.video, excerpt.video.frames, size, None, True, base=base)


def still(excerpt: Excerpt, size: int) -> Program:
    """The pyramid for what does not move."""
    return pyramid.for_bytes(excerpt.video, excerpt.video.frames, size, None, False)


def following(excerpt: Excerpt, size: int, moves: bool = False) -> Program | None:
    """The pyramid that follows the camera, displaced by vectors beside it where something `moves`; None if no path of
    the camera is worth following, or if the scene is too large."""
    detector = MotionDetector()
    for frame in excerpt.frames:
        detector.add(frame[0], excerpt.video.depth)
    path = detector.path()
    if path is None:
        return None
    program = pyramid.for_bytes(excerpt.video, excerpt.video.frames, size, path, moves)
    return program if camera_window(program) else None


def following_both(excerpt: Excerpt, size: int) -> Program | None:
    """The pyramid that follows the camera and what moves by itself; None as for `following`."""
    return following(excerpt, size, True)


def bilinear(excerpt: Excerpt, size: int) -> Program:
    """The displaced pyramid with values interpolated between two cells along an axis instead of four."""
    return _changed(excerpt, size, lambda _, op: replace(op, taps=LINEAR_TAPS) if isinstance(op, Warp) else op)


def half_as_many(excerpt: Excerpt, size: int) -> Program:
    """The displaced pyramid with vectors for every second frame, between which those of the others are interpolated."""
    grids, times = vector_grids(displaced(excerpt, size)), max(1, excerpt.video.frames // 2)

    def change(index: int, op: Operation) -> Operation:
        return replace(op, times=times) if isinstance(op, Grid) and index in grids else op

    return _changed(excerpt, size, change)


def _changed(excerpt: Excerpt, size: int, change: Callable[[int, Operation], Operation]) -> Program:
    """The displaced pyramid, of which `change` gives each operation anew by its index."""
    operations = displaced(excerpt, size).operations
    return Program.of([change(index, op) for index, op in enumerate(operations)], excerpt.video)


def blurred(excerpt: Excerpt, size: int) -> Program:
    """The displaced pyramid whose grids have no more cells than their levels' maps."""
    return displaced(excerpt, size, pyramid.Settings(sharper=1))


def finer(excerpt: Excerpt, size: int) -> Program:
    """The displaced pyramid with vectors for blocks of half the side."""
    return displaced(excerpt, size, pyramid.Settings(vector_ratio=pyramid.vector_ratio(excerpt.video, size) // 2))


def coarser(excerpt: Excerpt, size: int) -> Program:
    """The displaced pyramid with vectors for blocks of twice the side."""
    return displaced(excerpt, size, pyramid.Settings(vector_ratio=pyramid.vector_ratio(excerpt.video, size) * 2))


def keyed(excerpt: Excerpt, size: int) -> Program:
    """The displaced pyramid with as many key grids as the encoder tries, two at least."""
    return displaced(excerpt, size, pyramid.Settings(keys=max(2, pyramid.key_grids(excerpt.video, size))))


VARIANTS: Mapping[str, Variant] = {
    "as it is": Variant(displaced),
    "no vectors": Variant(still),
    "vectors from 0": Variant(displaced, searched=False),
    "bilinear": Variant(bilinear),
    "finer vectors": Variant(finer),
    "coarser vectors": Variant(coarser),
    "static grids at half resolution": Variant(blurred),
    "two frames to a vector": Variant(half_as_many),
    "key grids": Variant(keyed),
    "camera's path": Variant(following),
    "camera's path and vectors": Variant(following_both),
}

COLUMNS = (
    *trials.COLUMNS,
    Column("kmac_per_pixel", "arithmetic", "kMAC/pixel", 2),
    Column("cpu_seconds", "time of the fit", "CPU s", 1),
)


def measurement(
    clips: Sequence[str], frames: str, bpp: float, iterations: int, seeds: Sequence[int], variants: Sequence[str]
) -> Measurement:
    """A row for each clip, variant and seed, all fitted for `bpp` with equal iterations.

    Args:
        frames: the range of every clip, as `parse_range` takes it.

    Raises:
        KeyError: there is no variant of a name.
        UsageError: the range is none, or is not within one of the clips.
    """
    chosen = {name: VARIANTS[name] for name in variants}
    # All ranges are checked before the first fit, which takes minutes.
    ranges = [(clip, *_range_of(clip, frames)) for clip in clips]
    note = (
        f"Frames {frames}, fitted for {bpp:g} bits a pixel of payload in {iterations} iterations and one thread, and "
        "decoded from their integers."
    )
    excerpts = (Excerpt.read(clip, first, last - first) for clip, first, last in ranges)
    return Measurement("motion", "Parts of the vectors", COLUMNS, rows(excerpts, chosen, bpp, iterations, seeds), note)


def _range_of(clip: str, frames: str) -> tuple[int, int]:
    """First frame of a range and the one after its last; a clip that does not state its length is read to its end."""
    with open_source(clip) as source:
        count = source.video.frames or sum(1 for _ in source)
        try:
            return parse_range(frames, count, source.video.fps)
        except UsageError as error:
            raise UsageError(f"{clip}: {error}") from error
