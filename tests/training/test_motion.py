"""Camera motion: found as it is, at fractions of a pixel, through things that move by themselves; and not found where
there is none."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.media.video import Plane
from nqcodec.network import camera_path
from nqcodec.training import motion
from nqcodec.training.motion import MotionDetector

FRAMES, HEIGHT, WIDTH = 24, 72, 96


@functools.cache
def scene(seed: int, height: int = 130, width: int = 260) -> npt.NDArray[np.float64]:
    """Smooth noise, four samples to the pixel of a frame along each axis, in 8-bit levels."""
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(0, 1, (4 * height, 4 * width)))
    cycles = np.hypot(np.fft.fftfreq(4 * height)[:, None], np.fft.rfftfreq(4 * width)[None]) * 4  # in a pixel
    texture = np.fft.irfft2(noise * np.exp(-((cycles / 0.12) ** 2)), s=(4 * height, 4 * width))
    return np.asarray(120 + 40 * texture / texture.std())


def seen(picture: npt.NDArray[np.float64], row: float, column: float) -> Plane:
    """What a camera at (row, column) pixels, in quarters, sees of a scene: [HEIGHT, WIDTH] uint8."""
    top, left = round(4 * row), round(4 * column)
    part = picture[top : top + 4 * HEIGHT : 4, left : left + 4 * WIDTH : 4]
    return np.clip(np.rint(part), 0, 255).astype(np.uint8)


def detect(planes: Iterable[Plane], depth: int = 8) -> MotionDetector:
    detector = MotionDetector()
    for plane in planes:
        detector.add(plane, depth)
    return detector


def assert_follows(detector: MotionDetector, way: npt.NDArray[np.float64], pixels: float) -> None:
    """The path is `way` [T, 2] but for where it begins, within `pixels`."""
    path = detector.path()
    assert path is not None
    times = [time for time, _, _ in path.knots]
    assert (times[0], times[-1]) == (0, len(way) - 1)
    found = np.stack([np.interp(range(len(way)), times, [k[axis] for k in path.knots]) for axis in (1, 2)], axis=1)
    assert found.min(axis=0).tolist() == [0, 0]
    assert (path.rows, path.columns) == tuple(found.max(axis=0))
    errors = found / 2**path.bits - (way - way.min(axis=0))
    assert np.abs(errors - errors.mean(axis=0)).max() <= pixels


PANS = {
    "across": lambda t: (10.0, 6.0 * t),
    "down and left": lambda t: (2.0 * t, 150 - 5.0 * t),
    "by fractions": lambda t: (0.75 * t, 100 + 1.25 * t),
    "there and back": lambda t: (20.0, 10 + 0.5 * t * (FRAMES - t)),
    "with a stop": lambda t: (5.0, 4.0 * min(t, 11)),
}


@pytest.mark.parametrize("name", PANS)
def test_pans_are_followed_within_a_quarter_of_a_pixel(name: str) -> None:
    picture, way = scene(1), np.array([PANS[name](t) for t in range(FRAMES)])
    assert_follows(detect(seen(picture, *place) for place in way), way, 0.25)


def test_a_steady_pan_is_told_by_two_knots() -> None:
    path = detect(seen(scene(2), 2.0 * t, 3.0 * t) for t in range(FRAMES)).path()
    assert path is not None
    assert [time for time, _, _ in path.knots] == [0, FRAMES - 1]


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_depth_and_brightness_do_not_matter(depth: int) -> None:
    way = np.array([(3.0, 2.5 * t) for t in range(FRAMES)])
    planes = (seen(scene(3), *place).astype(np.uint16) << (depth - 8) for place in way)
    faded = ((plane * (1 - 0.01 * t)).astype(np.uint16) for t, plane in enumerate(planes))
    assert_follows(detect(faded, depth), way, 0.25)


def test_things_that_move_by_themselves_do_not_count() -> None:
    """A quarter of the picture goes its own way."""
    picture, other = scene(4), scene(5)
    way = np.array([(10.0, 2.0 * t) for t in range(FRAMES)])
    planes = [seen(picture, *place) for place in way]
    for t, plane in enumerate(planes):
        plane[20:56, 20 : 20 + 48] = seen(other, 60 - t, 100 - 2 * t)[20:56, 20:68]
    assert_follows(detect(planes), way, 0.4)


def test_large_frames_are_registered_in_small() -> None:
    picture, way = scene(6), np.array([(2.0 * t, 3.0 * t) for t in range(12)])
    planes = (seen(picture, *place).repeat(8, 0).repeat(8, 1) for place in way)
    assert_follows(detect(planes), 8 * way, 1.0)


def still(picture: Plane, rng: np.random.Generator) -> Plane:
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["still", "noise", "flat", "cuts", "trembling", "object", "flight", "single"])
def test_no_path_where_there_is_nothing_to_follow(kind: str) -> None:
    rng, picture = np.random.default_rng(0), scene(7)
    here = seen(picture, 20, 20)
    planes = {
        "still": lambda: [still(here, rng) for _ in range(FRAMES)],
        "noise": lambda: list(rng.integers(0, 256, (FRAMES, HEIGHT, WIDTH)).astype(np.uint8)),
        "flat": lambda: [np.full((HEIGHT, WIDTH), 16 + t, np.uint8) for t in range(FRAMES)],
        "cuts": lambda: [seen(scene(10 + t % 6), *rng.uniform(0, 40, 2)) for t in range(FRAMES)],
        "trembling": lambda: [seen(picture, *rng.uniform(20, 21, 2)) for _ in range(FRAMES)],
        "object": lambda: [_with_object(here, t) for t in range(FRAMES)],
        # Each part of the scene is seen in three frames only.
        "flight": lambda: [seen(picture, 20, 16.0 * t) for t in range(10)],
        "single": lambda: [here],
    }[kind]()
    assert detect(planes).path() is None


def _with_object(here: Plane, t: int) -> Plane:
    plane = here.copy()
    plane[10:50, 2 * t : 2 * t + 40] = seen(scene(8), 0, 0)[10:50, :40]
    return plane


def test_nothing_at_all_has_no_path() -> None:
    assert MotionDetector().path() is None


def test_what_moves_is_told_from_a_still_picture() -> None:
    here = seen(scene(7), 20, 20)
    assert detect(_with_object(here, t) for t in range(FRAMES)).moves()
    assert detect(seen(scene(7), 20, 20 + t) for t in range(FRAMES)).moves()
    assert not detect([here] * FRAMES).moves()
    assert not detect([here]).moves()
    assert not MotionDetector().moves()


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=30))
def test_knots_pass_every_place_closely(steps: list[tuple[int, int]]) -> None:
    places = np.cumsum(np.array(steps, np.int64), axis=0)
    knots = np.array(motion._knots(places))
    assert knots[0].tolist() == [0, *places[0]]
    assert knots[-1].tolist() == [len(places) - 1, *places[-1]]
    for axis in (0, 1):
        way = np.interp(range(len(places)), knots[:, 0], knots[:, 1 + axis])
        assert np.abs(way - places[:, axis]).max() <= motion.TOLERANCE


def test_coarser_paths() -> None:
    path = camera_path.Path(((0, 0, 16), (9, 7, 3)), 3)
    assert path.coarser(3) is path
    assert path.coarser(1) == camera_path.Path(((0, 0, 4), (9, 2, 1)), 1)
