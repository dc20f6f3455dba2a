"""The fit curve of an encode: every progress event with figures, kept as a point."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from nqcodec.encoder.progress import Event
from nqcodec.reporting.finding import Finding, Table

FIT_CURVE = "fit"
"""Kind of finding."""

_STEP_INDEX = "step_index "
"""Before a tensor's key in the figures of an event."""


@dataclass(frozen=True)
class Point:
    """One event of a segment's fit.

    Attributes:
        segment: the name of the segment, that of the clip where it has one alone.
        stage: "fit", "further" or "again" (rate-aware), "sensitivity" or "finetune" (plain).
        rate: number of the output that the stage is for, None where it serves them all.
        iteration, iterations: of the stage.
        seconds: since the encode began.
        psnr: mean PSNR-YUV of recent training frames in dB, or None.
        size: estimated bytes of the segment, or None.
        loss: mean loss since the last point, or None.
        lmbda: lambda in nats of the loss a bit, or None.
        step_indices: mean step index of each tensor, by key; the step size is 2^(index / 8).
    """

    segment: str
    stage: str
    rate: int | None
    iteration: int
    iterations: int
    seconds: float
    psnr: float | None
    size: int | None
    loss: float | None
    lmbda: float | None
    step_indices: dict[str, float]

    @staticmethod
    def of(event: Event, seconds: float) -> Point:
        """The point of an event that comes `seconds` after the encode began."""
        figures = event.figures
        return Point(
            event.name,
            event.stage,
            event.rate,
            event.iteration,
            event.iterations,
            seconds,
            event.psnr,
            event.size,
            figures.get("loss"),
            figures.get("lambda"),
            {name.removeprefix(_STEP_INDEX): value for name, value in figures.items() if name.startswith(_STEP_INDEX)},
        )

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name as JSON values; `lmbda` is spelled "lambda", which Python reserves."""
        return {"lambda" if name == "lmbda" else name: value for name, value in asdict(self).items()}


@dataclass
class CurveRecorder:
    """Receives the events of an encode, keeps the points, and passes events on.

    Attributes:
        onward: called with every event, and `watch` with every point and its number within its segment.
    """

    onward: Callable[[Event], None] | None = None
    watch: Callable[[Point, int], None] | None = None
    points: list[Point] = field(default_factory=list)
    _begin: float = field(default_factory=time.monotonic)
    _counts: dict[str, int] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        if self.onward:
            self.onward(event)
        if not event.iterations:
            return
        point = Point.of(event, time.monotonic() - self._begin)
        self.points.append(point)
        self._counts[point.segment] = self._counts.get(point.segment, 0) + 1
        if self.watch:
            self.watch(point, self._counts[point.segment])

    def curve(self, clip: str, rate: int) -> list[Point]:
        """The points that led to output number `rate` of a clip: those for it, and those that serve all.

        A rate-aware fit for one rate is where the others start from, so every "fit" counts.
        """
        return [
            point
            for point in self.points
            if (point.segment == clip or point.segment.startswith(f"{clip} ["))
            and (point.rate in {None, rate} or point.stage == "fit")
        ]


def fit_finding(points: list[Point], subject: str) -> Finding:
    """The curve as a finding; empty where an encode was resumed after its fits had ended."""
    return Finding(FIT_CURVE, f"Fit of {subject}", {"points": [point.as_dict() for point in points]})


def fit_table(data: dict[str, Any]) -> Table:
    """One row a point; the last columns are the step indices, one for each tensor."""
    points = data["points"]
    keys = list(dict.fromkeys(key for point in points for key in point["step_indices"]))
    names = ["segment", "stage", "rate", "iteration", "iterations", "seconds", "psnr", "size", "loss", "lambda"]
    rows = [[*(point[name] for name in names), *(point["step_indices"].get(key) for key in keys)] for point in points]
    return Table([*names, *(f"step_index_{key}" for key in keys)], rows)
