"""Encodes of a pan and of a still camera: the pyramid follows the one, and builds for the other what it always did."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nqcodec.cli.nqenc import main
from nqcodec.decoder.decoder import probe
from nqcodec.encoder.encode import encode
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.report import EncodeReport
from nqcodec.media.clip import ClipInput
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.network.operations import Operation, Warp, Window
from nqcodec.synthesis.reference import ReferenceSynthesizer

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "bbb_320x180.mkv"
WIDTH, HEIGHT, FRAMES = 80, 48, 24


def clip_of(path: Path, speed: tuple[int, int], width: int = WIDTH, height: int = HEIGHT) -> ClipInput:
    """A camera that moves over a real picture by `speed` rows and columns of chroma samples a frame."""
    with open_source(SAMPLE) as source:
        video, picture = source.video, next(iter(source))
    video = replace(video, width=width, height=height, frames=FRAMES)
    with open_sink(path, video) as sink:
        for t in range(FRAMES):
            planes = []
            for index, plane in enumerate(picture):
                sx, sy = video.chroma.plane_sub(index)
                top, left = ((20 + 2 * pace * t) // sub for pace, sub in zip(speed, (sy, sx), strict=True))
                planes.append(plane[top : top + height // sy, left : left + width // sx])
            sink.write(tuple(planes))  # type: ignore[arg-type]
    return ClipInput(str(path))


def encoded(clip: ClipInput, folder: Path, motion: str, iterations: int) -> EncodeReport:
    settings = EncodeSettings(threads=1, iterations=iterations, motion=motion, metadata=False)
    return encode(clip, folder / f"{motion}.nq", Rate(bpp=0.25), settings)


def kinds(path: Path) -> set[type[Operation]]:
    """The operations of a file of one segment."""
    return {type(op) for op in probe(path).layout(0).program.operations}


def test_a_pan_is_followed_and_that_pays(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "pan.y4m", (1, 3))
    follows, stays = (encoded(clip, tmp_path, motion, 250) for motion in ("auto", "none"))
    file = probe(tmp_path / "auto.nq")
    network = file.segment(0).network
    windows = [op for op in network.program.operations if isinstance(op, Window)]
    assert Window not in kinds(tmp_path / "none.nq")
    assert len({op.knots for op in windows}) == 1
    # 2 rows and 6 columns a frame, to a quarter of a pixel.
    time, row, column = windows[0].knots[-1]
    assert time == FRAMES - 1
    assert [row / 8, column / 8] == pytest.approx([2 * time, 6 * time], abs=0.25)
    assert follows.size <= stays.size * 1.02
    assert follows.psnr["yuv"] > stays.psnr["yuv"] + 1
    # What the report says was decoded by the fastest backend; the definition agrees.
    first = ReferenceSynthesizer(network, file.video, FRAMES).frame(7)
    assert [plane.shape for plane in first] == list(file.video.plane_shapes)


def test_a_still_camera_is_coded_as_ever(tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "still.y4m", (0, 0))
    for motion in ("auto", "none"):
        encoded(clip, tmp_path, motion, 30)
    assert (tmp_path / "auto.nq").read_bytes() == (tmp_path / "none.nq").read_bytes()
    assert not kinds(tmp_path / "auto.nq") & {Window, Warp}


def test_what_moves_by_itself_displaces_grids(tmp_path: Path) -> None:
    """A patch of the picture wanders before the rest of it."""
    still, clip = tmp_path / "still.y4m", tmp_path / "moving.y4m"
    clip_of(still, (0, 0), 96, 72)
    with open_source(still) as source, open_sink(clip, source.video) as sink:
        for t, (luma, *chroma) in enumerate(source):
            moved = luma.copy()
            moved[8:32, t : t + 32] = luma[16:40, 40:72]
            sink.write((moved, *chroma))
    report = encoded(ClipInput(str(clip)), tmp_path, "auto", 60)
    assert Warp in kinds(tmp_path / "auto.nq")
    assert report.psnr["yuv"] > 20
    encoded(ClipInput(str(clip)), tmp_path, "none", 30)
    assert Warp not in kinds(tmp_path / "none.nq")


def test_the_search_says_what_it_found(tmp_path: Path) -> None:
    """The upper half of the picture slides by 2 columns a frame, and the lowest third the other way."""
    clip, still, texts = tmp_path / "moving.y4m", tmp_path / "still.y4m", list[str]()
    clip_of(still, (0, 0), 160, 96)
    with open_source(still) as source, open_sink(clip, source.video) as sink:
        for t, (luma, *chroma) in enumerate(source):
            moved = luma.copy()
            moved[:48], moved[64:] = np.roll(luma[:48], 2 * t, axis=1), np.roll(luma[64:], -2 * t, axis=1)
            sink.write((moved, *chroma))
    settings = EncodeSettings(threads=1, iterations=10, metadata=False)
    file = tmp_path / "moving.nq"
    encode(ClipInput(str(clip)), file, Rate(bpp=0.5), settings, lambda event: texts.append(event.text))
    (found,) = [text for text in texts if text.startswith("motion: ")]
    match = re.fullmatch(r"motion: vectors of up to (.+) pixels explain (\d+)% of what changes", found)
    assert match is not None
    # From the middle frame to the first, where the search is not led astray by the edge.
    assert float(match[1]) >= 20
    assert int(match[2]) > 40


def test_motion_is_an_option_of_nqenc(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["x.y4m", "-o", str(tmp_path / "o.nq"), "--bpp", "1", "--motion", "some"])
    assert result.exit_code == 2
    assert "'auto', 'none'" in result.output
