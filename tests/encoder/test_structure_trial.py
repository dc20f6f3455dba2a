"""Structures tried before a fit: which clips have two, the better one goes on, and short fits leave it to the rule."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nqcodec.backbones import picture, pyramid
from nqcodec.decoder.decoder import probe
from nqcodec.encoder import segment_network, segment_rate_aware, structure_trial
from nqcodec.encoder.encode import encode
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import Rate
from nqcodec.errors import NqError
from nqcodec.media.clip import ClipInput
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.network.motion import camera_path, shows_key_grids
from nqcodec.network.operations import Operation, Warp, Window

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "bbb_320x180.mkv"
FRAMES, WIDTH, HEIGHT = 10, 128, 96


def camera(path: Path, columns: int) -> ClipInput:
    """A camera that pans over a real picture by `columns` luma samples a frame, an even number."""
    with open_source(SAMPLE) as source:
        video, picture = source.video, next(iter(source))
    with open_sink(path, replace(video, width=WIDTH, height=HEIGHT, frames=FRAMES)) as sink:
        for t in range(FRAMES):
            planes = []
            for index, plane in enumerate(picture):
                sx, sy = video.chroma.plane_sub(index)
                top, left = 40 // sy, (20 + columns * t) // sx
                planes.append(np.ascontiguousarray(plane[top : top + HEIGHT // sy, left : left + WIDTH // sx]))
            sink.write(tuple(planes))
    return ClipInput(str(path))


def encoded(clip: ClipInput, file: Path, iterations: int, **settings: object) -> tuple[list[str], set[type[Operation]]]:
    """The messages of an encode, and the classes of its file's operations."""
    texts = list[str]()
    how = EncodeSettings(threads=1, iterations=iterations, metadata=False, **settings)  # type: ignore[arg-type]
    encode(clip, file, Rate(bpp=0.4), how, lambda event: texts.append(event.text))
    operations = {type(op) for op in probe(file).segment(0).network.program.operations}
    return [text for text in texts if text.startswith("structure: ")], operations


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of a few iterations."""
    for name in ("CLIPS", "PICTURES"):
        monkeypatch.setattr(structure_trial, name, replace(getattr(structure_trial, name), least=2))


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("favourite", [0, 1])
def test_the_better_of_two_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, favourite: int) -> None:
    real, calls = structure_trial._psnr, list[float]()

    def biased(*arguments: object) -> float:
        calls.append(real(*arguments))  # type: ignore[arg-type]
        return calls[-1] + (100 if len(calls) - 1 == favourite else 0)

    monkeypatch.setattr(structure_trial, "_psnr", biased)
    told, operations = encoded(camera(tmp_path / "slow.y4m", 2), tmp_path / "a.nq", 60)
    assert len(calls) == 2
    assert all(5 < psnr < 60 for psnr in calls)
    assert {Window, Warp} <= operations
    names = ["the camera's path and vectors", "vectors"]
    pattern = rf"structure: {names[0]} .* dB, vectors .* dB after 3 iterations; going on with {names[favourite]}"
    assert len(told) == 1
    assert re.fullmatch(pattern, told[0])
    program = probe(tmp_path / "a.nq").segment(0).network.program
    assert (camera_path(program) is not None) == (favourite == 0)


BOTH, VECTORS, KEYS = "the camera's path and vectors", "vectors", "vectors and key grids"
ALL_THREE = "the camera's path, vectors and key grids"


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("columns", "least_key_frames", "names"),
    [(2, 8, (BOTH, VECTORS)), (2, 4, (KEYS, ALL_THREE)), (8, 4, ()), (8, 8, ())],
)
def test_what_is_tried_where_a_camera_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int, least_key_frames: int, names: tuple[str, ...]
) -> None:
    """Key grids where there are bits and frames for two; nothing else where a scene is larger than a picture."""
    monkeypatch.setattr(pyramid, "LEAST_KEY_FRAMES", least_key_frames)
    told, operations = encoded(camera(tmp_path / "pan.y4m", columns), tmp_path / "a.nq", 60)
    assert {Window, Warp} <= operations
    tried = r"structure: (.*) [\d.]+ dB, (.*) [\d.]+ dB after"
    assert [re.match(tried, text).groups() for text in told] == ([names] if names else [])  # type: ignore[union-attr]


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("favourite", [0, 1])
def test_a_single_frame_is_tried_with_a_residual_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, favourite: int
) -> None:
    figures = iter([30.0, 29.0 + 2 * favourite])
    monkeypatch.setattr(structure_trial, "_psnr", lambda *_: next(figures))
    clip = replace(camera(tmp_path / "still.y4m", 0), count=1)
    settings, told = EncodeSettings(threads=1, iterations=60, metadata=False), list[str]()
    encode(clip, tmp_path / "a.nq", Rate(bpp=1.5), settings, lambda event: told.append(event.text))
    (text,) = (text for text in told if text.startswith("structure: "))
    names = ("with a residual at half resolution", "without")
    assert text.endswith(f"after 12 iterations; going on with {names[favourite]}")
    program = probe(tmp_path / "a.nq").segment(0).network.program
    assert program == picture.assemble(probe(tmp_path / "a.nq").video, 1, refined=favourite == 0)


def test_short_fits_have_no_trial() -> None:
    for length in (structure_trial.CLIPS, structure_trial.PICTURES):
        shortest = round(length.least / length.share)
        assert length.iterations(shortest - 20) == 0
        assert length.iterations(shortest) == length.least
        assert length.iterations(10**6) == length.most


@pytest.mark.usefixtures("brief")
def test_a_trial_is_the_same_each_time(tmp_path: Path) -> None:
    clip = camera(tmp_path / "slow.y4m", 2)
    told = [encoded(clip, tmp_path / f"{number}.nq", 60) for number in (0, 1)]
    assert told[0] == told[1]
    assert (tmp_path / "0.nq").read_bytes() == (tmp_path / "1.nq").read_bytes()


@pytest.mark.usefixtures("brief")
def test_a_trial_is_not_repeated_where_an_encode_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, file = camera(tmp_path / "slow.y4m", 2), tmp_path / "a.nq"

    def stopped(*arguments: object, **options: object) -> None:
        raise NqError("stopped")

    with monkeypatch.context() as patched:
        patched.setattr(segment_rate_aware, "fit_for", stopped)
        with pytest.raises(NqError, match="stopped"):
            encoded(clip, file, 60)
    with monkeypatch.context() as patched:
        patched.setattr(structure_trial, "fit_for_size", stopped)
        told, _ = encoded(clip, file, 60, resume=True)
    assert len(told) == 1
    assert encoded(clip, tmp_path / "b.nq", 60)[0] == told
    assert file.read_bytes() == (tmp_path / "b.nq").read_bytes()


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("favourite", [0, 1])
@pytest.mark.parametrize(("bpp", "other"), [(0.4, "vectors and key grids"), (0.15, "vectors and denser grids")])
def test_two_kinds_of_grids_are_tried_where_vectors_displace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, favourite: int, bpp: float, other: str
) -> None:
    """Key grids where there are bits enough for two, denser ones elsewhere. Too few bytes for a structure count as the
    worst."""
    monkeypatch.setattr(pyramid, "LEAST_KEY_FRAMES", 4)
    monkeypatch.setattr(segment_network, "motion_of", lambda task: (None, True))
    figures = iter([30.0, 31.0] if favourite else [30.0, None])
    monkeypatch.setattr(structure_trial, "_psnr", lambda *_: next(figures))
    settings = EncodeSettings(threads=1, iterations=60, metadata=False)
    report = encode(camera(tmp_path / "slow.y4m", 2), tmp_path / "a.nq", Rate(bpp=bpp), settings)
    program = probe(tmp_path / "a.nq").segment(0).network.program
    windows = [op for op in program.operations if isinstance(op, Window) and len(op.knots) > 1]
    assert all(map(shows_key_grids, windows))
    assert len(windows) == (favourite and bpp == 0.4)
    usual = pyramid.for_bytes(report.video, FRAMES, report.target or 0, None, True)
    assert (program.parameters > usual.parameters * 1.05) == bool(favourite)
    names = ["vectors", other]
    trial = {"iterations": 3, "psnr": dict(zip(names, [30.0, 31.0 if favourite else None], strict=True))}
    assert report.decisions[0]["trial"] == {**trial, "chosen": names[favourite]}
    assert report.decisions[0]["motion"].keys() == {"longest", "explained", "used"}


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("settings", [{"arch": "pyramid"}, {"motion": "none"}])
def test_a_network_that_was_asked_for_is_not_tried(tmp_path: Path, settings: dict[str, object]) -> None:
    assert not encoded(camera(tmp_path / "slow.y4m", 2), tmp_path / "a.nq", 60, **settings)[0]


def test_short_fits_leave_it_to_the_rule(tmp_path: Path) -> None:
    told, operations = encoded(camera(tmp_path / "slow.y4m", 2), tmp_path / "a.nq", 60)
    assert not told
    assert Warp in operations
