"""The progress that nqenc shows: one remaining time, and none from iterations of an earlier run."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from nqcodec import encode
from nqcodec.cli.progress import EncodeProgress
from nqcodec.encoder.progress import LEAST_SECONDS, Event, RemainingTime


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def left_after(points: list[tuple[int, float]], total: int = 10_000, stage: str = "fit") -> list[float | None]:
    """The remaining times of events at (iteration, seconds)."""
    times = iter([seconds for _, seconds in points])
    remaining = RemainingTime(lambda: next(times))
    return [remaining(Event("clip", stage, iteration, total)).eta for iteration, _ in points]


def test_remaining_time_follows_the_pace_of_this_run() -> None:
    # Resumed at iteration 9000, after half a minute of set-up: an iteration takes a hundredth of a second.
    assert left_after([(9010, 30.0), (9020, 30.1), (9410, 34.0), (10_000, 39.9)]) == [
        None,
        None,
        pytest.approx(5.9),
        0.0,
    ]


def test_stages_have_paces_of_their_own() -> None:
    times = iter([0.0, LEAST_SECONDS, LEAST_SECONDS, 3 * LEAST_SECONDS])
    remaining = RemainingTime(lambda: next(times))
    fit = [remaining(Event("clip", "fit", iteration, 100)).eta for iteration in (10, 20)]
    other = [remaining(Event("clip", "fit", iteration, 100, rate=1)).eta for iteration in (10, 20)]
    assert fit == [None, pytest.approx(8 * LEAST_SECONDS)]
    assert other == [None, pytest.approx(16 * LEAST_SECONDS)]
    note = Event("clip", "read", text="32 frames")
    assert remaining(note) is note


def test_the_bar_has_one_remaining_time(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with EncodeProgress(quiet=False, bar=True) as progress:
        progress(Event("clip", "fit", 9000, 10_000, psnr=30.0, eta=None))
        for bar in progress.open_bars.values():
            bar.mininterval = 0
            bar.miniters = 0
        progress(Event("clip", "fit", 9100, 10_000, psnr=30.5, eta=83.0))
    last = next(line for line in screen.getvalue().split("\r") if "9100/10000" in line)
    assert "1:23 left" in last
    assert "<" not in last
    assert len(re.findall(r"\d:\d\d", last)) == 2, "elapsed, and what is left"


def test_an_encode_tells_no_time_left_before_its_pace_is_known(tmp_path: Path) -> None:
    events: list[Event] = []
    picture = np.tile(np.arange(16, dtype=np.uint8) * 9, (1, 16, 1))
    encode(picture, tmp_path / "a.nq", params=1500, iterations=40, preset="ultrafast", progress=events.append)
    fits = [event for event in events if event.iterations]
    assert fits[0].eta is None or fits[0].iteration == fits[0].iterations
    assert all(event.eta is None or event.eta < 600 for event in fits)
