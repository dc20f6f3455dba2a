"""Scene cuts: found at their very frame, and nowhere else; segments that begin there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.decoder.decoder import Decoder, probe
from nqcodec.encoder.clip_job import ClipJob, Output
from nqcodec.encoder.encode import encode, plan
from nqcodec.encoder.option_text import parse_segment
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import LEAST_SEGMENT_BYTES, Rate, affordable_cuts, segment_lengths
from nqcodec.encoder.work_folder import WorkFolder
from nqcodec.media import scenes
from nqcodec.media.clip import ClipInput
from nqcodec.media.scenes import LEAST_SCENE, Cut, SceneDetector, thumbnail
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.media.video import Chroma, Frame, Plane, Video

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "bbb_320x180.mkv"
Lumas = list[npt.NDArray[np.uint8]]


@pytest.fixture(scope="module")
def sample_frames() -> list[Frame]:
    """The sample's 32 frames, 320 x 180."""
    with open_source(SAMPLE) as source:
        return list(source)


@pytest.fixture(scope="module")
def lumas(sample_frames: list[Frame]) -> Lumas:
    """Their luma planes."""
    return [frame[0].astype(np.uint8) for frame in sample_frames]


def cuts_of(planes: Sequence[Plane], depth: int = 8) -> list[int]:
    detector = SceneDetector()
    for plane in planes:
        detector.add(plane, depth)
    return [cut.frame for cut in detector.cuts()]


def pan(picture: Plane, speed: int, frames: int, first: int = 0) -> list[Plane]:
    """A window of half the width moving over a picture, `speed` pixels a frame."""
    half = picture.shape[1] // 2
    return [picture[:, first + speed * t : first + speed * t + half] for t in range(frames)]


def levels(planes: Lumas, gains: Sequence[float]) -> Lumas:
    """Planes faded by gains, black being 16."""
    faded = (16 + gain * (plane.astype(float) - 16) for plane, gain in zip(planes, gains, strict=True))
    return [np.round(plane).astype(np.uint8) for plane in faded]


@pytest.mark.parametrize("before", [LEAST_SCENE, 13, 24])
@pytest.mark.parametrize("flipped", [(slice(None), slice(None, None, -1)), (slice(None, None, -1), slice(None))])
def test_a_cut_is_found_at_its_frame(lumas: Lumas, before: int, flipped: tuple[slice, slice]) -> None:
    """To the mirrored picture, whose brightness and contrast are the same."""
    assert cuts_of([*lumas[:before], *(plane[flipped] for plane in lumas[before:])]) == [before]


def test_a_cut_between_crops_is_found(lumas: Lumas) -> None:
    left, right = (slice(0, 150), slice(0, 160)), (slice(30, 180), slice(160, 320))
    assert cuts_of([*(plane[left] for plane in lumas[:15]), *(plane[right] for plane in lumas[15:])]) == [15]


def test_several_cuts_are_found_in_order(lumas: Lumas) -> None:
    mirrored, upside = [plane[:, ::-1] for plane in lumas], [plane[::-1] for plane in lumas]
    assert cuts_of([*lumas[:10], *mirrored[:12], *upside[:9], *lumas[20:]]) == [10, 22, 31]


def test_a_cut_into_a_pan_is_found(lumas: Lumas) -> None:
    assert cuts_of([*(plane[:, 160:] for plane in lumas[:12]), *pan(lumas[0][::-1], 4, 20)]) == [12]


def test_cuts_that_would_leave_too_short_a_scene_are_none(lumas: Lumas) -> None:
    mirrored = [plane[:, ::-1] for plane in lumas]
    for before, after in ((LEAST_SCENE - 1, 20), (20, LEAST_SCENE - 1)):
        assert cuts_of([*lumas[:before], *mirrored[:after]]) == []


def test_of_cuts_too_near_to_one_another_the_strongest_stays(lumas: Lumas) -> None:
    dim = levels([*lumas[:16], *(plane[:, ::-1] for plane in lumas[:6])], [0.4] * 22)
    upside = [plane[::-1] for plane in lumas[:16]]
    assert cuts_of([*dim, *upside]) == [22]
    assert cuts_of([*upside, *dim[::-1]]) == [16]


def test_a_cut_to_the_negative_is_found(lumas: Lumas) -> None:
    assert cuts_of([*lumas[:16], *(255 - plane for plane in lumas[16:])]) == [16]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 15, 16])
def test_short_clips_have_no_cuts(lumas: Lumas, count: int) -> None:
    assert cuts_of(lumas[:count]) == []


def test_no_cut_in_the_sample_at_any_pace(lumas: Lumas) -> None:
    assert cuts_of(lumas) == []
    assert cuts_of([*lumas, *lumas[::-1]][::2]) == []
    for held in (2, 3):
        assert cuts_of([lumas[t // held * held] for t in range(32)]) == [], f"each picture held {held} frames"


@pytest.mark.parametrize("speed", [1, 3, 8])
def test_no_cut_in_a_pan_nor_where_it_begins_and_ends(lumas: Lumas, speed: int) -> None:
    moving = pan(lumas[0], speed, min(40, 160 // speed))
    assert cuts_of([*moving[:1] * 12, *moving, *moving[-1:] * 12]) == []


@pytest.mark.parametrize("length", [3, 6, 20])
def test_no_cut_in_fades(lumas: Lumas, length: int) -> None:
    down = np.clip(1 - (np.arange(32) - 10) / length, 0, 1)
    assert cuts_of(levels(lumas, list(down))) == []
    assert cuts_of(levels(lumas, list(down[::-1]))) == []
    stark = [np.where(plane > np.median(plane), 235, 16).astype(np.uint8) for plane in lumas]
    assert cuts_of(levels(stark, list(down))) == [], "the last distance before black is as large as those before it"


def test_no_cut_in_a_slow_dissolve(lumas: Lumas) -> None:
    weights = np.clip((np.arange(32) - 8) / 16, 0, 1)
    mixed = [(1 - w) * plane + w * plane[:, ::-1] for w, plane in zip(weights, lumas, strict=True)]
    assert cuts_of([np.round(plane).astype(np.uint8) for plane in mixed]) == []


def test_no_cut_where_the_light_changes(lumas: Lumas) -> None:
    assert cuts_of(levels(lumas, [1.0] * 16 + [0.5] * 16)) == []


@pytest.mark.parametrize("length", [1, 2, scenes.NEAR - 1])
@pytest.mark.parametrize("value", [16, 235, None])
def test_no_cut_at_a_flash(lumas: Lumas, length: int, value: int | None) -> None:
    """White, black, or another picture, for some frames."""
    flash = lumas[0][:, ::-1] if value is None else np.full_like(lumas[0], value)
    assert cuts_of([*lumas[:14], *[flash] * length, *lumas[14 + length :]]) == []


def test_a_flash_beside_a_cut_does_not_hide_it(lumas: Lumas) -> None:
    white, mirrored = np.full_like(lumas[0], 235), [plane[:, ::-1] for plane in lumas]
    assert cuts_of([*lumas[:14], white, *mirrored[15:]]) in ([14], [15])


def test_no_cut_in_noise_and_flat_pictures() -> None:
    rng = np.random.default_rng(0)
    assert cuts_of(list(rng.integers(0, 256, (40, 90, 160), dtype=np.uint8))) == []
    assert cuts_of([np.full((90, 160), 16 if t < 20 else 235, np.uint8) for t in range(40)]) == []


def test_depth_does_not_matter(lumas: Lumas) -> None:
    planes = [*lumas[:16], *(plane[:, ::-1] for plane in lumas[16:])]
    assert cuts_of([plane.astype(np.uint16) << 2 for plane in planes], depth=10) == [16]
    faint = [(plane >> 4) + 100 for plane in planes]
    assert cuts_of(faint) == [], "pictures of three levels' contrast"


@given(st.integers(1, 80), st.integers(1, 140), st.sampled_from([8, 10, 12]))
def test_thumbnails_are_area_means(height: int, width: int, depth: int) -> None:
    plane = np.random.default_rng(height * width).integers(0, 1 << depth, (height, width)).astype(np.uint16)
    small = thumbnail(plane, depth)
    assert small.shape == (min(height, 36), min(width, 64))
    rows = [height * i // len(small) for i in range(len(small) + 1)]
    columns = [width * i // small.shape[1] for i in range(small.shape[1] + 1)]
    for y, x in ((0, 0), (len(small) - 1, small.shape[1] // 2)):
        block = plane[rows[y] : rows[y + 1], columns[x] : columns[x + 1]]
        assert small[y, x] == pytest.approx(block.mean() * 16 / 2 ** (depth - 8), abs=0.5)


def test_the_clip_is_watched_as_it_is_described(sample_frames: list[Frame], tmp_path: Path) -> None:
    path, measured = tmp_path / "clip.y4m", list[tuple[Plane, int]]()
    with open_sink(path, Video(320, 180, 3, chroma=Chroma.C420, depth=10)) as sink:
        for frame in sample_frames[:3]:
            sink.write(tuple(plane.astype(np.uint16) << 2 for plane in frame))
    video = ClipInput(str(path), coded_csp="i444", coded_depth=8).describe(lambda *shown: measured.append(shown))
    assert video.frames == len(measured) == 3
    for frame, (luma, depth) in zip(sample_frames, measured, strict=False):
        assert depth == 10
        assert np.array_equal(luma, frame[0].astype(np.uint16) << 2)


@given(st.integers(1, 300), st.none() | st.integers(1, 99), st.sets(st.integers(1, 299), max_size=5))
def test_segments_begin_at_every_cut_and_are_never_longer_than_asked(
    frames: int, longest: int | None, borders: set[int]
) -> None:
    cuts = sorted(cut for cut in borders if cut < frames)
    lengths = segment_lengths(frames, longest, cuts)
    begins = [0, *np.cumsum(lengths)]
    assert begins[-1] == frames
    assert set(cuts) <= set(begins)
    assert 0 < min(lengths) <= max(lengths) <= (longest or frames)
    if longest is None:
        assert len(lengths) == len(cuts) + 1


def test_no_more_segments_than_bytes_allow() -> None:
    cuts = [Cut(30, 40.0), Cut(40, 20.0), Cut(80, 30.0)]
    needed = LEAST_SEGMENT_BYTES * 100
    assert affordable_cuts(cuts, 100, needed // 10) == cuts
    assert affordable_cuts(cuts, 100, needed // 10 - 1) == [cuts[0], cuts[2]], "the weaker border of the shortest"
    assert affordable_cuts(cuts, 100, needed // 20 - 1) == [cuts[0]], "the end of the clip is no border to drop"
    assert affordable_cuts(cuts, 100, needed // 30 - 1) == []
    assert affordable_cuts([], 100, 1) == []


def test_segment_as_the_command_line_writes_it() -> None:
    assert [parse_segment(text) for text in ("auto", "none", "64")] == ["auto", None, 64]
    for wrong in ("0", "-3", "1.5", "cuts", "", "\u0663"):
        with pytest.raises(ValueError, match="write auto, none or a number of frames"):
            parse_segment(wrong)


@pytest.fixture(scope="module")
def two_scenes(sample_frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine and twelve frames, 64 x 48, from two corners of the sample."""
    path = tmp_path_factory.mktemp("scenes") / "two.y4m"
    with open_sink(path, Video(64, 48, 21)) as sink:
        for t in range(21):
            top, left = (100, 20) if t < 9 else (10, 240)
            planes = zip(sample_frames[t], (1, 2, 2), strict=True)
            sink.write(tuple(p[top // s : (top + 48) // s, left // s : (left + 64) // s] for p, s in planes))
    return path


@pytest.mark.parametrize(
    ("segment", "rates", "lengths"),
    [
        ("auto", [Rate(bpp=0.8)], [9, 12]),
        (None, [Rate(bpp=0.8)], [21]),
        (8, [Rate(bpp=0.8)], [4, 5, 6, 6]),
        (99, [Rate(bpp=0.8)], [9, 12]),
        ("auto", [Rate(bpp=0.25)], [21]),
        ("auto", [Rate(bpp=0.8), Rate(bpp=0.25)], [21]),
        (8, [Rate(bpp=0.25)], [7, 7, 7]),
        ("auto", [Rate(parameters=4000)], [21]),
        ("auto", [None], [21]),
        (99, [Rate(parameters=4000)], [9, 12]),
    ],
)
def test_where_segments_begin(
    two_scenes: Path,
    segment: int | Literal["auto"] | None,
    rates: list[Rate | None],
    lengths: list[int],
    tmp_path: Path,
) -> None:
    """At cuts, unless the lowest rate leaves too few bytes or the size of one network is asked for."""
    outputs = tuple(Output(tmp_path / f"{number}.nq", rate) for number, rate in enumerate(rates))
    events: list[Event] = []
    with ExitStack() as stack:
        job = ClipJob(ClipInput(str(two_scenes)), outputs)
        work = stack.enter_context(WorkFolder(outputs[0].path, resume=False))
        found = plan(job, EncodeSettings(segment=segment), work, events.append)
    assert [task.video.frames for task in found.tasks] == lengths
    assert [task.first for task in found.tasks] == [sum(lengths[:number]) for number in range(len(lengths))]
    assert (f"in {len(lengths)} segments of {min(lengths)} to {max(lengths)}" in events[0].text) == (len(lengths) > 1)


def test_a_file_of_two_scenes(two_scenes: Path, tmp_path: Path) -> None:
    """Its segments begin at the cut, by default, and share the bytes by their frames."""
    out = tmp_path / "two.nq"
    report = encode(
        ClipInput(str(two_scenes)),
        out,
        Rate(bpp=0.8),
        EncodeSettings(preset="ultrafast", iterations=60, threads=1, jobs=1),
    )
    file = probe(out)
    assert [entry.frames for entry in file.index] == [9, 12]
    assert file.index[1].size / file.index[0].size == pytest.approx(12 / 9, rel=0.03)
    assert 0.95 * 0.8 <= report.bpp <= 0.8
    whole = [frame[0] for frame in Decoder(file).frames()]
    second = [frame[0] for frame in Decoder(file).frames(9, 21)]
    assert len(whole) == 21
    assert np.array_equal(whole[9:], second)
