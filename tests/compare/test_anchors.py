"""Anchors: files that repeat, hold no remarks, decode to as many frames, and are reported when they do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fitting import small_clip

from nqcodec.compare import anchors
from nqcodec.compare.anchors import ANCHORS, anchor_named, check_anchor, decoded, encode_anchor
from nqcodec.compare.annexb import message_types, units, without_remarks
from nqcodec.errors import OutputError, UnsupportedError, UsageError
from nqcodec.media.metrics import QualityMeter
from nqcodec.media.video import Chroma, Frame

av = pytest.importorskip("av")
FAST = ["x264:ultrafast", "x265:ultrafast", "svt-av1:12"]


@pytest.fixture(scope="module", params=FAST)
def anchor(request: pytest.FixtureRequest) -> anchors.Anchor:
    """Each anchor at its fastest; skipped where this FFmpeg lacks it."""
    one = anchor_named(request.param)
    try:
        check_anchor(one, small_clip(64, 64)[0])
    except UnsupportedError as error:
        pytest.skip(str(error))
    return one


def luma(path: Path, width: int = 96, height: int = 80) -> float:
    """PSNR-Y of a decoded small clip, which must be of the right size and length."""
    video, frames = small_clip(width, height)
    meter = QualityMeter(video)
    for (frame, shown), original in zip(decoded(path), frames, strict=True):
        assert (shown.width, shown.height) == (width, height)
        meter.add(original, frame)
    return meter.means()["y"]


def encoded(anchor: anchors.Anchor, rate: float, path: Path, frames: list[Frame] | None = None) -> anchors.AnchorFile:
    video, clip = small_clip(96, 80)
    return encode_anchor(partial(iter, clip if frames is None else frames), video, anchor, rate, path)


def test_a_lower_factor_costs_more_and_looks_better(anchor: anchors.Anchor, tmp_path: Path) -> None:
    good, bad = (encoded(anchor, rate, tmp_path / f"{rate}.{anchor.stream}") for rate in (18, 44))
    assert (good.frames, good.key_frames) == (5, 1)
    assert good.size == good.path.stat().st_size > bad.size
    assert luma(good.path) > luma(bad.path) + 3


def test_the_same_settings_give_the_same_bytes(anchor: anchors.Anchor, tmp_path: Path) -> None:
    first, second = (encoded(anchor, 30, tmp_path / f"{n}.{anchor.stream}") for n in range(2))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_key_frames_come_as_often_as_the_gop_says(anchor: anchors.Anchor, tmp_path: Path) -> None:
    video, frames = small_clip(96, 80)
    done = encode_anchor(partial(iter, frames), video, anchor, 30, tmp_path / f"a.{anchor.stream}", gop=2)
    assert done.key_frames >= 2


@pytest.mark.parametrize("name", ["x264:ultrafast", "x265:ultrafast"])
def test_remarks_are_gone_and_pictures_unchanged(name: str, tmp_path: Path) -> None:
    one = anchor_named(name)
    done = encoded(one, 30, tmp_path / f"a.{one.stream}")
    data = done.path.read_bytes()
    assert done.removed > 100
    assert not [types for _, unit in units(data) if (types := message_types(unit, one.stream))]
    assert b"x264" not in data
    assert b"x265" not in data


def test_units_join_to_the_stream_and_other_messages_stay() -> None:
    user_data = b"\x06\x05\x12" + bytes(range(1, 19)) + b"\x80"
    recovery, slice_ = b"\x06\x06\x01\xc4\x80", b"\x65\x88\x80\x01\x02"
    stream = b"\x00\x00\x00\x01" + user_data + b"\x00\x00\x01" + recovery + b"\x00\x00\x01" + slice_
    assert b"".join(start + unit for start, unit in units(stream)) == stream
    assert [message_types(unit, "h264") for _, unit in units(stream)] == [[5], [6], []]
    assert without_remarks(stream, "h264") == b"\x00\x00\x01" + recovery + b"\x00\x00\x01" + slice_


def test_sizes_above_255_are_read() -> None:
    message = b"\x06\x05\xff\x2d" + b"\x07" * 300 + b"\x06\x01\xc4\x80"
    assert message_types(message, "h264") == [5, 6]


def test_a_decode_unlike_the_encoders_own_is_refused(tmp_path: Path) -> None:
    """x265 hashes its pictures; a hash that differs must stop the comparison."""
    one = anchor_named("x265:ultrafast")
    video, frames = small_clip(96, 80)
    packets, count, _ = anchors._encode(av, frames, video, one, 30, 250, "yuv420p")
    stream = bytearray(b"".join(data for data, _ in packets))
    anchors._check_decode(bytes(stream), one, count, tmp_path)
    place = stream.rindex(b"\x50\x01\x84")
    stream[place + 8] ^= 0x55
    with pytest.raises(OutputError, match="does not decode as it should"):
        anchors._check_decode(bytes(stream), one, count, tmp_path)


def test_a_lost_frame_is_noticed(tmp_path: Path) -> None:
    one = anchor_named("x264:ultrafast")
    video, frames = small_clip(96, 80)
    packets, count, _ = anchors._encode(av, frames, video, one, 30, 250, "yuv420p")
    with pytest.raises(OutputError, match="decodes to 4 frames instead of 5"):
        anchors._check_decode(b"".join(data for data, _ in packets[:-1]), one, count, tmp_path)


def test_names_choose_speed_and_tuning() -> None:
    assert anchor_named("x264") == replace(ANCHORS["x264"], label="x264 veryslow")
    tuned = anchor_named("x265:medium:psnr")
    assert (tuned.speed, tuned.options["tune"]) == ("medium", "psnr")
    assert anchor_named("x264:psnr").speed == "veryslow"
    assert anchor_named("x265").options_at(22)["crf"] == "22"
    for text in ("x266", "x264:a:b:c", ""):
        with pytest.raises(UsageError, match="there is no anchor"):
            anchor_named(text)


def test_clips_that_an_encoder_does_not_take_are_refused() -> None:
    video, _ = small_clip(64, 64)
    for name, other in (
        ("svt-av1", replace(video, chroma=Chroma.C444)),
        ("x264", replace(video, depth=12)),
        ("x264", replace(video, chroma=Chroma.C400)),
        ("x265", replace(video, width=63)),
    ):
        with pytest.raises(UnsupportedError, match="leave it out"):
            check_anchor(ANCHORS[name], other)


def test_deep_clips_keep_their_depth(tmp_path: Path) -> None:
    video, frames = small_clip(96, 80, depth=10)
    done = encode_anchor(partial(iter, frames), video, anchor_named("x265:ultrafast"), 4, tmp_path / "a.hevc")
    (first, shown), *_ = decoded(done.path)
    assert shown.depth == 10
    assert np.abs(first[0].astype(int) - frames[0][0].astype(int)).max() < 40
    assert len(np.unique(first[0] % 4)) > 1


def test_an_unknown_speed_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"x264:warp at 30 fails"):
        encoded(anchor_named("x264:warp"), 30, tmp_path / "a.h264")
    assert not list(tmp_path.iterdir())


def frames_noting_policies(frames: list[Frame], notes: Path) -> Iterator[Frame]:
    """Frames; once all are given, the scheduling policies of all threads of the process that takes them are noted."""
    yield from frames
    policies = {os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir()}
    notes.write_text(f"{os.getpid()} {sorted(policies)}")


def policy_of_a_child() -> int:
    """The scheduling policy that a process started now has."""
    words = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
    return int(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="needs scheduling policies")
@pytest.mark.skipif(os.geteuid() != 0, reason="SVT-AV1 takes real-time priority only as root")
def test_svt_av1_leaves_the_scheduling_policy_alone(tmp_path: Path) -> None:
    """As root it makes its process real-time, which every fit after it would inherit."""
    video, frames = small_clip(96, 80)
    one = anchor_named("svt-av1:12")
    try:
        check_anchor(one, video)
    except UnsupportedError as error:
        pytest.skip(str(error))
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    encode_anchor(partial(frames_noting_policies, frames, tmp_path / "notes"), video, one, 40, tmp_path / "a.obu")
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert policy_of_a_child() == os.SCHED_OTHER
    process, policies = (tmp_path / "notes").read_text().split(" ", 1)
    assert policies == f"[{os.SCHED_OTHER}]"
    assert not Path(f"/proc/{process}").exists()
