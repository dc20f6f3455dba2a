"""--seek and --frames by frame number and by time: every form, what each means, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from fitting import small_clip
from formats_clips import write
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.nqenc import main as nqenc
from nqcodec.decoder.decoder import decode
from nqcodec.encoder.encode import Plan
from nqcodec.errors import UsageError
from nqcodec.media.clip import ClipInput
from nqcodec.media.positions import Time, parse_position, parse_range
from nqcodec.media.video import frame_bytes

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0", 0),
        ("150", 150),
        ("1.5s", Time(Fraction(3, 2))),
        (".5s", Time(Fraction(1, 2))),
        ("2s", Time(Fraction(2))),
        ("200ms", Time(Fraction(1, 5))),
        ("12.5ms", Time(Fraction(1, 80))),
        ("40000us", Time(Fraction(1, 25))),
        ("1:30", Time(Fraction(90))),
        ("00:00:02", Time(Fraction(2))),
        ("00:00:02.040", Time(Fraction(51, 25))),
        ("1:02:03.5", Time(Fraction(7447, 2))),
        ("100:00:00", Time(Fraction(360000))),
    ],
)
def test_a_place_is_a_number_or_a_time(text: str, place: int | Time) -> None:
    assert parse_position(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1.5",
        "-1",
        "1,5s",
        "s",
        "1 s",
        "1m",
        "1:60",
        "60:00",
        "1:2:3:4",
        ":30",
        "1:",
        "1.5:30",
        "²",
        "9" * 5000,
    ],
)
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_position(text)


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("5:8", (5, 8)),
        (":8", (0, 8)),
        ("90:", (90, 100)),
        (":", (0, 100)),
        ("7", (7, 8)),
        ("1:30", (1, 30)),  # always frames, never a minute and a half
        ("1s:2s", (25, 50)),
        ("10:1s", (10, 25)),
        ("3.5s:", (88, 100)),
        ("1s", (25, 26)),
        ("00:00:02", (50, 51)),
        ("00:00:01-00:00:02.5", (25, 63)),
        ("0:01-0:02", (25, 50)),
        ("0:03-", (75, 100)),
        ("10-0:02", (10, 50)),
        ("200ms-1s", (5, 25)),
        ("4s:100", None),
        ("0s:4.1s", None),
    ],
)
def test_a_range_is_half_open(text: str, frames: tuple[int, int] | None) -> None:
    if frames is None:
        with pytest.raises(UsageError, match=r"not within 0:100 \(4.00 s at 25 frames a second\)"):
            parse_range(text, 100, Fraction(25))
    else:
        assert parse_range(text, 100, Fraction(25)) == frames


@pytest.mark.parametrize("text", ["3-5", "-5", "-0:02", "0:02.5", "1:2:3:4", "a:b", "1.5:3", "1s:2s:3s", ""])
def test_a_range_that_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="write A:B with frame numbers or times"):
        parse_range(text, 100, Fraction(25))


def test_a_frame_belongs_to_the_time_that_it_is_shown_at() -> None:
    """At 29.97 frames a second frame 30 is the first of the second second, shown at 1.001 s."""
    assert parse_range("0s:1s", 300, NTSC) == (0, 30)
    assert parse_range("1s:2s", 300, NTSC) == (30, 60)
    assert parse_range("1.001s:", 300, NTSC) == (30, 300)
    assert parse_range("1001001us:", 300, NTSC) == (31, 300)


@given(
    cuts=st.lists(st.integers(1, 9999), min_size=1, max_size=5, unique=True).map(sorted),
    fps=st.sampled_from([Fraction(24000, 1001), Fraction(25), NTSC, Fraction(1, 3) + 12]),
)
def test_ranges_that_follow_one_another_hold_every_frame_once(cuts: list[int], fps: Fraction) -> None:
    frames = Time(Fraction(10)).frame(fps)
    places = ["0", *(f"{cut}ms" for cut in cuts), str(frames)]
    found: list[int] = []
    for start, stop in pairwise(places):
        with suppress(UsageError):  # shorter than a frame: an empty range
            found += range(*parse_range(f"{start}:{stop}", frames, fps))
    assert found == list(range(frames))


def test_nqdec_decodes_a_range_of_times(sample: Path, tmp_path: Path) -> None:
    whole = [frame_bytes(frame) for frame in decode(sample)]
    out = tmp_path / "part.yuv"
    for text, start, stop in (("200ms:0.4s", 5, 10), ("00:00:01.2-", 30, 32), ("1s", 25, 26)):
        done = CliRunner().invoke(nqdec, [str(sample), "--frames", text, "-o", str(out), "-q"])
        assert done.exit_code == 0, done.output
        assert out.read_bytes() == b"".join(whole[start:stop])
    done = CliRunner().invoke(nqdec, [str(sample), "--frames", "3s:", "-o", str(out), "-q"])
    assert done.exit_code == 2
    assert done.stderr == "error: --frames 3s:: not within 0:32 (1.28 s at 25 frames a second)\n"


@pytest.fixture(scope="module")
def ntsc_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 frames at 30000/1001 frames a second."""
    video, frames = small_clip(16, 16, frames=12)
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    write(path, replace(video, fps=NTSC), frames)
    return path


def test_a_clip_by_time_is_the_same_clip_by_frames(ntsc_clip: Path) -> None:
    by_time = ClipInput(str(ntsc_clip), start=Time(Fraction(1, 10)), count=Time(Fraction(1, 10)))
    by_frames = ClipInput(str(ntsc_clip), start=3, count=3)
    assert by_time.in_frames() == by_frames
    assert by_frames.in_frames() == by_frames
    assert by_time.describe() == by_frames.describe()
    read = [[frame_bytes(frame) for frame in clip.frames()] for clip in (by_time, by_frames)]
    assert read[0] == read[1]
    with by_time.open(1, 1) as one:
        assert [frame_bytes(frame) for frame in one] == read[0][1:2]


def planned(words: list[str], stdin: bytes | None, monkeypatch: pytest.MonkeyPatch) -> ClipInput:
    """The clip that an encode with these words has planned to take its frames from."""
    from nqcodec.encoder import encode as encoding

    plans: list[Plan] = []
    plan = encoding.plan

    def watched(*arguments: object) -> Plan:
        plans.append(plan(*arguments))  # type: ignore[arg-type]
        raise UsageError("far enough")

    monkeypatch.setattr(encoding, "plan", watched)
    done = CliRunner().invoke(nqenc, words, input=stdin)
    assert done.stderr.endswith("error: far enough\n"), done.output
    return plans[0].clip


@pytest.mark.parametrize("piped", [False, True])
def test_nqenc_takes_a_time_and_a_duration(
    ntsc_clip: Path, piped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["-" if piped else str(ntsc_clip), "--params", "2000", "-o", str(tmp_path / "a.nq")]
    stdin = ntsc_clip.read_bytes() if piped else None
    clip = planned([*words, "--seek", "100ms", "--frames", "0.2s"], stdin, monkeypatch)
    assert (clip.start, clip.count) == (3, 6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seek", "1.5"], "write a frame number, or a time such as 1.5s"),
        (["--frames", "0"], "at least one frame"),
        (["--frames", "0ms"], "at least one frame"),
        (["--frames", "5:8"], "--seek A --frames COUNT"),
        (["--frames", "soon"], "write a number of frames, or a duration such as 2s"),
    ],
)
def test_nqenc_refuses_what_is_no_time(ntsc_clip: Path, words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(nqenc, [str(ntsc_clip), "--bpp", "1", "-o", str(tmp_path / "a.nq"), *words])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_a_time_after_the_end_is_refused(ntsc_clip: Path, tmp_path: Path) -> None:
    words = [str(ntsc_clip), "--bpp", "1", "-o", str(tmp_path / "a.nq"), "--seek", "00:00:02"]
    done = CliRunner().invoke(nqenc, words)
    assert done.exit_code == 1
    assert "--seek 60 asks for a frame, but the clip has only 12 frames" in done.stderr


def test_times_load_nothing_more() -> None:
    code = "import sys, nqcodec.media.positions; print({'click', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
