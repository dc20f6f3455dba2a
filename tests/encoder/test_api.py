"""The Python API: encode from files and from memory, decode as numpy planes, describe; light to import."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
import sys
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fitting import small_clip
from formats_clips import write

import nqcodec
from nqcodec.encoder.api import EncodeOptions
from nqcodec.encoder.option import option_fields
from nqcodec.encoder.options import ClipOptions, EncodeSettings, RateOptions
from nqcodec.encoder.rate import Rate
from nqcodec.errors import InputError, OutputError, UsageError
from nqcodec.media.clip import ClipInput
from nqcodec.media.temp_clip import inferred, write_temp_clip
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Frame, Video, frame_bytes

QUICK: dict[str, Any] = {"params": 4000, "iterations": 12}


def heavy_after(code: str) -> str:
    """Which heavy packages a fresh interpreter has loaded after some code."""
    code += "\nimport sys; print(sorted({n.split('.')[0] for n in sys.modules} & {'torch', 'numpy', 'click', 'av'}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_is_light_and_decoding_needs_numpy_alone(sample: Path) -> None:
    assert heavy_after("import nqcodec; dir(nqcodec)") == "[]"
    assert heavy_after(f"import nqcodec; next(nqcodec.decode({str(sample)!r}))") == "['numpy']"


def test_every_public_name_is_there() -> None:
    assert all(getattr(nqcodec, name) is not None for name in nqcodec.__all__)
    assert dir(nqcodec) == sorted(nqcodec.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nqcodec.nothing  # noqa: B018


def test_probe_describes(sample: Path) -> None:
    file = nqcodec.probe(sample)
    assert (file.video.width, file.video.height, file.video.frames) == (320, 180, 32)
    assert file.size == sample.stat().st_size
    assert file.bpp == 8 * file.size / (320 * 180 * 32)
    assert len(repr(file)) < 1000


def test_decode_gives_planes_of_the_documented_shapes(sample: Path, sample_md5: str) -> None:
    digest, shapes = hashlib.md5(), nqcodec.probe(sample).video.plane_shapes
    for planes in nqcodec.decode(str(sample), threads=1):
        assert tuple(plane.shape for plane in planes) == shapes == ((180, 320), (90, 160), (90, 160))
        assert {plane.dtype for plane in planes} == {np.dtype(np.uint8)}
        digest.update(frame_bytes(planes))
    assert digest.hexdigest() == sample_md5


def test_decode_takes_a_range_and_a_backend(sample: Path) -> None:
    native = list(nqcodec.decode(sample, start=5, stop=7))
    reference = list(nqcodec.decode(sample, start=5, stop=7, backend="reference"))
    assert len(native) == 2
    assert list(map(frame_bytes, native)) == list(map(frame_bytes, reference))
    with pytest.raises(UsageError, match="5:99"):
        next(nqcodec.decode(sample, start=5, stop=99))


def test_a_frame_as_rgb(sample: Path) -> None:
    video = nqcodec.probe(sample).video
    picture = nqcodec.to_rgb(next(nqcodec.decode(sample)), video)
    assert picture.shape == (180, 320, 3)
    assert picture.dtype == np.uint8
    assert float(picture.std()) > 20


def test_encode_from_a_path(tmp_path: Path) -> None:
    video, frames = small_clip(frames=3)
    write(tmp_path / "clip.y4m", video, frames)
    reported: list[Any] = []
    report = nqcodec.encode(
        tmp_path / "clip.y4m", tmp_path / "clip.nq", **QUICK, frames=2, hashes="frame", progress=reported.append
    )
    assert report.path == tmp_path / "clip.nq"
    assert report.size == report.path.stat().st_size == sum(report.parts.values())
    assert report.video.frames == 2
    assert len(nqcodec.probe(report.path).frame_md5) == 2
    assert {"y", "u", "v", "yuv", "rgb"} == set(report.psnr)
    assert reported
    decoded = hashlib.md5(b"".join(map(frame_bytes, nqcodec.decode(report.path))))
    assert decoded.hexdigest() == report.md5


def test_encode_from_an_array_equals_encode_from_a_file(tmp_path: Path) -> None:
    video, frames = small_clip(frames=2)
    write(tmp_path / "clip.yuv", video, frames)
    raw = {"input_res": (video.width, video.height), "input_csp": "i420", "input_depth": 8}
    nqcodec.encode(tmp_path / "clip.yuv", tmp_path / "a.nq", fps=30, **raw, **QUICK)
    nqcodec.encode(iter(frames), tmp_path / "b.nq", fps=30, **QUICK)
    assert (tmp_path / "a.nq").read_bytes() == (tmp_path / "b.nq").read_bytes()
    assert nqcodec.probe(tmp_path / "b.nq").video.fps == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nq", "b.nq", "clip.yuv"]


def test_rgb_arrays_are_coded_as_yuv_unless_said_otherwise(tmp_path: Path) -> None:
    ramp = np.arange(2 * 20 * 24 * 3, dtype=np.uint32).reshape(2, 20, 24, 3).astype(np.uint8)
    yuv = nqcodec.encode(ramp, tmp_path / "yuv.nq", **QUICK)
    assert (yuv.video.chroma, yuv.video.colour.matrix, yuv.video.is_rgb) == (Chroma.C420, 6, False)
    rgb = nqcodec.encode(ramp, tmp_path / "rgb.nq", csp="rgb", **QUICK)
    assert rgb.video.is_rgb
    assert len(next(nqcodec.decode(rgb.path))) == 3


def test_video_carries_depth_and_colour_to_the_file(tmp_path: Path) -> None:
    video, frames = small_clip(frames=2, chroma=Chroma.C422, depth=10)
    video = replace(video, colour=Colour(9, 16, 9), sar=Fraction(4, 3), fps=Fraction(30000, 1001))
    report = nqcodec.encode(frames, tmp_path / "a.nq", video=video, **QUICK)
    assert nqcodec.probe(report.path).video == video
    assert next(nqcodec.decode(report.path))[0].dtype == np.uint16


def shapes_of(chroma: Chroma) -> Frame:
    """An odd-sized black picture."""
    return tuple(np.zeros(shape, np.uint8) for shape in Video(7, 5, chroma=chroma).plane_shapes)


@pytest.mark.parametrize("chroma", list(Chroma))
def test_chroma_format_follows_from_the_planes(chroma: Chroma) -> None:
    assert inferred(shapes_of(chroma), Fraction(24)) == Video(7, 5, fps=Fraction(24), chroma=chroma)


def test_arrays_of_one_frame() -> None:
    assert inferred(np.zeros((5, 7), np.uint8), None).chroma is Chroma.C400
    rgb = inferred(np.zeros((5, 7, 3), np.uint8), None)
    assert rgb.is_rgb
    assert rgb.colour == Colour(matrix=MATRIX_IDENTITY, full_range=True)


def test_rgb_frames_are_written_as_g_b_r(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    clip = write_temp_clip([picture], None, None, tmp_path)
    green, blue, red = next(clip.open().__iter__())
    assert np.array_equal(np.stack([red, green, blue], 2), picture)
    assert clip.describe().chroma is Chroma.C420


RGB = Video(5, 4, chroma=Chroma.C444, colour=Colour(matrix=MATRIX_IDENTITY, full_range=True))
WRONG: list[tuple[Any, Video | None, str]] = [
    ([np.zeros((4, 4), np.float32)], None, "float32"),
    ([np.zeros((4, 4), np.uint16)], None, "depth="),
    ([np.zeros(4, np.uint8)], None, r"not \(4,\)"),
    ([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)], None, r"frame 1 is uint8 \(4, 5\)"),
    ([(np.zeros((4, 4), np.uint8), np.zeros((3, 3), np.uint8))], None, "no 4:0:0"),
    ([np.zeros((4, 4, 4), np.uint8)], None, r"not \(4, 4, 4\)"),
    ([np.zeros((3, 4, 5), np.uint8)], None, r"not \(3, 4, 5\): move the channels last"),
    ([np.zeros((3, 4, 5), np.uint8)], RGB, r"\(4, 5, 3\): move the channels last"),
    (np.zeros((3, 4, 5), np.uint8), None, r"not \(3, 4, 5\): turn \[3, H, W\] into \[H, W, 3\]"),
    (np.zeros((3, 4, 5), np.uint8), RGB, r"into \[H, W, 3\] by numpy\.moveaxis"),
    (np.zeros((6, 5, 4), np.uint8), None, "leave out an alpha channel"),
    (np.zeros((2, 3, 6, 5), np.uint8), None, r"a clip \[T, H, W\] or \[T, H, W, 3\], or one picture"),
    (np.zeros(5, np.uint8), None, r"not \(5,\)"),
    (7, None, "here is a int"),
    ([np.full((4, 4), 1024, np.uint16)], Video(4, 4, chroma=Chroma.C400, depth=10), "1024"),
    (["a.png"], None, "a str"),
]


@pytest.mark.parametrize(("pictures", "video", "text"), WRONG, ids=[case[2] for case in WRONG])
def test_frames_that_do_not_fit_are_refused(pictures: Any, video: Video | None, text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=text):
        nqcodec.encode(pictures, tmp_path / "a.nq", bpp=1, video=video)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(5, 7, 3), (3, 7, 3), (5, 7)])
def test_an_array_of_one_picture_is_one_picture(shape: tuple[int, ...], tmp_path: Path) -> None:
    picture = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    frames = list(write_temp_clip(picture, None, None, tmp_path).open())
    assert len(frames) == 1
    shown = frames[0][0] if len(shape) == 2 else np.stack([frames[0][place] for place in (2, 0, 1)], 2)
    assert np.array_equal(shown, picture)


def test_grey_clips_that_look_like_pictures_can_be_given(tmp_path: Path) -> None:
    for shape in ((3, 4, 5), (6, 4, 3)):
        clip = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        video = Video(shape[2], shape[1], chroma=Chroma.C400)
        for pictures, known in ((list(clip), None), (clip, video)):
            frames = list(write_temp_clip(pictures, known, None, tmp_path).open())
            assert np.array_equal(np.stack([luma for (luma,) in frames]), clip)


RATES: list[dict[str, Any]] = [
    *({"bpp": value} for value in ("0.1", [0.1], (0.1, 0.2), True, b"1", 1j, np.zeros(1), float("nan"), -1.0)),
    *({"bitrate": value} for value in ("800", {}, False, 0)),
    *({"params": value} for value in (1000.5, "1000", 1e4, True, 0)),
]


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_rates_that_are_no_numbers_are_usage_errors(rate: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"number|positive"):
        nqcodec.encode(np.zeros((1, 8, 8), np.uint8), tmp_path / "a.nq", **rate)


def test_numbers_of_numpy_are_rates() -> None:
    video = Video(8, 8, 4)
    assert Rate(bpp=np.float32(0.5)).file_bytes(video) == Rate(bpp=0.5).file_bytes(video) == 16
    assert Rate(parameters=np.int64(1000)).parameters == 1000


def test_options_that_contradict_are_refused(tmp_path: Path) -> None:
    picture, out = np.zeros((1, 8, 8), np.uint8), tmp_path / "a.nq"
    with pytest.raises(InputError, match="no frames"):
        nqcodec.encode([], out, bpp=1)
    with pytest.raises(UsageError, match="exactly one"):
        nqcodec.encode(picture, out, quality=50, psnr=40)
    with pytest.raises(UsageError, match="quality is 1 to 100"):
        nqcodec.encode(picture, out, quality=200)
    with pytest.raises(UsageError, match="exactly one"):
        nqcodec.encode(picture, out, bpp=1, params=100)
    with pytest.raises(UsageError, match="input_res"):
        nqcodec.encode(picture, out, bpp=1, input_res=(8, 8))
    with pytest.raises(UsageError, match="has the frame rate"):
        nqcodec.encode(picture, out, bpp=1, video=Video(8, 8, chroma=Chroma.C400), fps=30)
    with pytest.raises(UsageError, match="frames in memory"):
        nqcodec.encode("clip.y4m", out, bpp=1, video=Video(8, 8))
    with pytest.raises(UsageError, match="fps"):
        nqcodec.encode(picture, out, bpp=1, fps="fast")
    with pytest.raises(OutputError, match="does not exist"):
        nqcodec.encode(picture, tmp_path / "no" / "a.nq", bpp=1)
    with pytest.raises(TypeError, match="colour"):
        nqcodec.encode(picture, out, bpp=1, **{"colour": 1})  # type: ignore[typeddict-item]
    assert not list(tmp_path.iterdir())


def test_a_plain_fit_takes_its_options(tmp_path: Path) -> None:
    _, frames = small_clip(frames=2)
    options: dict[str, Any] = {"arch": "hnerv", "params": 900, "iterations": 5}
    default = nqcodec.encode(frames, tmp_path / "a.nq", **options)
    l1 = nqcodec.encode(frames, tmp_path / "b.nq", loss="l1", optimizer="adam", **options)
    assert l1.md5 != default.md5


def test_options_are_those_of_the_command_line() -> None:
    """Every option of nqenc that concerns an encode is a keyword, with its default but for the number of jobs."""
    shown = inspect.signature(nqcodec.encode).parameters
    for kind in (RateOptions, ClipOptions, EncodeSettings):
        for field, _ in option_fields(kind):
            assert shown[field.name].kind is inspect.Parameter.KEYWORD_ONLY
            assert shown[field.name].default == (1 if field.name == "jobs" else field.default)
    assert shown.keys() == {"source", "output", *(field.name for field in fields(EncodeOptions))}


def test_options_reach_the_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("nqcodec.encoder.encode.encode", lambda *given: seen.append(given))
    reported: list[Any] = []
    options: dict[str, Any] = {
        "patch": (32, 16),
        "save_fit": tmp_path / "a.fit",
        "segment": 4,
        "progress": reported.append,
    }
    part: dict[str, Any] = {"seek": 2, "frames": 3, "csp": "rgb", "depth": 10}
    raw: dict[str, Any] = {"input_res": (8, 6), "input_csp": "i422", "input_depth": 9, "fps": 29.97}
    nqcodec.encode("a.yuv", tmp_path / "a.nq", bitrate=800, **options, **part, **raw)
    nqcodec.encode(np.zeros((4, 8, 8), np.uint8), tmp_path / "a.nq", params=900, **part)
    (clip, output, rate, settings, progress), (temp_clip, *_, kept, _) = seen
    assert clip == ClipInput("a.yuv", (8, 6), Fraction(2997, 100), "i422", 9, 2, 3, "rgb", 10)
    assert (output, rate, progress) == (tmp_path / "a.nq", Rate(bitrate=800), reported.append)
    assert settings == EncodeSettings(patch=(32, 16), save_fit=tmp_path / "a.fit", segment=4, jobs=1)
    assert kept == EncodeSettings(jobs=1)
    assert (temp_clip.start, temp_clip.count, temp_clip.coded_csp, temp_clip.coded_depth) == (2, 3, "rgb", 10)
