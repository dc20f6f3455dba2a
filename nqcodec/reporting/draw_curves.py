"""Pictures along time: the fit curve, PSNR by frame, and error maps."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLANES = {"y": "#555555", "u": "#2b6cb0", "v": "#d1382c", "g": "#2f8f5b", "b": "#2b6cb0", "r": "#d1382c"}
_LEGEND = 12
"""Lines that a legend names at most."""

_PANELS = {
    "psnr": "training PSNR-YUV, dB",
    "loss": "training loss",
    "size": "estimated bytes",
    "lambda": "lambda, nats a bit",
}


def draw_fit(data: dict[str, Any], title: str) -> Figure:
    """Quality, loss, size, lambda and step sizes against the iterations of all stages in turn."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8), layout="constrained")
    panels = figure.subplots(3, 2).ravel()
    segments: dict[str, list[dict[str, Any]]] = {}
    for point in data["points"]:
        segments.setdefault(point["segment"], []).append(point)
    for number, (segment, points) in enumerate(sorted(segments.items(), key=lambda item: _number(item[0]))):
        places, stages = _places(points)
        for axes, name in zip(panels, _PANELS, strict=False):
            known = [(x, p[name]) for x, p in zip(places, points, strict=True) if p[name]]
            if known:
                label = segment.rpartition(" ")[2] if number < _LEGEND else None
                axes.plot(*zip(*known, strict=True), lw=1.4, color=f"C{number}", label=label)
        for axes in panels[: 5 if number == 0 else 0]:
            _mark_stages(axes, stages, named=axes in panels[:2])
        if number == 0:
            _draw_step_sizes(panels[4], places, points)
    for axes, label in zip(panels, _PANELS.values(), strict=False):
        axes.set(ylabel=label, xlabel="iteration")
        axes.grid(alpha=0.3)
        if not axes.lines:
            axes.text(0.5, 0.5, "not part of this fit", ha="center", transform=axes.transAxes, color="#888888")
    if len(segments) > 1:
        panels[0].legend(fontsize=8, title="segment", loc="lower right")
    if any(point["lambda"] for point in data["points"]):
        panels[3].set_yscale("log")
    panels[5].set_axis_off()
    handles, labels = panels[4].get_legend_handles_labels()
    panels[5].legend(handles, labels, fontsize=8, ncols=2, loc="center", title="step sizes of the first segment")
    figure.suptitle(title, fontsize=12)
    return figure


def _number(segment: str) -> int:
    """A segment's place in its clip, by its name: "clip.mkv [3/12]", or the clip's alone."""
    digits = segment.rpartition(" [")[2].partition("/")[0]
    return int(digits) if digits.isdigit() else 0


def _places(points: list[dict[str, Any]]) -> tuple[list[float], list[tuple[float, str]]]:
    """(x of each point, where each stage begins): stages follow one another, each from where the last ended."""
    places: list[float] = []
    stages: list[tuple[float, str]] = []
    offset = 0.0
    for (stage, _), run in groupby(points, key=lambda point: (point["stage"], point["rate"])):
        stages.append((offset, stage))
        iterations = [point["iteration"] for point in run]
        # A measurement of sensitivities counts tensors, not iterations of an optimizer.
        moves = stage != "sensitivity"
        places += [offset + iteration * moves for iteration in iterations]
        offset += max(iterations) * moves
    return places, stages


def _mark_stages(axes: Axes, stages: list[tuple[float, str]], named: bool) -> None:
    """Lines where stages begin."""
    for place, stage in stages:
        if stage == "sensitivity":
            continue
        axes.axvline(place, color="#aaaaaa", lw=0.8, ls=":")
        if named and len(stages) > 1:
            axes.annotate(stage, (place, 1), xycoords=("data", "axes fraction"), fontsize=8, va="bottom")


def _draw_step_sizes(axes: Axes, places: list[float], points: list[dict[str, Any]]) -> None:
    """Every tensor's quantizer step size."""
    keys = list(dict.fromkeys(key for point in points for key in point["step_indices"]))
    colours = _colours(len(keys))
    for number, key in enumerate(keys):
        known = [
            (x, 2 ** (p["step_indices"][key] / 8))
            for x, p in zip(places, points, strict=True)
            if key in p["step_indices"]
        ]
        label = key if number < 2 * _LEGEND else None
        style = "--" if key.endswith("_bias") else "-"
        axes.plot(*zip(*known, strict=True), lw=1.2, ls=style, color=colours[number], label=label)
    if keys:
        axes.set_yscale("log", base=2)
    axes.set(ylabel="step size", xlabel="iteration")
    axes.grid(alpha=0.3)


def _colours(count: int) -> list[Any]:
    import matplotlib as mpl

    return [mpl.colormaps["turbo"](place) for place in np.linspace(0.05, 0.95, max(count, 1))]


def draw_frames(data: dict[str, Any], title: str) -> Figure:
    """PSNR of each frame, together and by plane."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = data["rows"]
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    axes = figure.subplots()
    for name in ("y", "u", "v", "g", "b", "r"):
        if name in rows[0]:
            label = f"{name.upper()}, mean {data['means'][name]:.2f}"
            axes.plot([row[name] for row in rows], lw=1, color=PLANES[name], label=label)
    axes.plot(
        [row["yuv"] for row in rows], lw=2.4, color="#8e44ad", label=f"YUV 6:1:1, mean {data['means']['yuv']:.2f}"
    )
    for start in data["starts"][1:]:
        axes.axvline(start - 0.5, color="#aaaaaa", ls=":", lw=1)
    worst = min(range(len(rows)), key=lambda number: rows[number]["yuv"])
    axes.plot(worst, rows[worst]["yuv"], "v", color="#8e44ad")
    axes.annotate(
        f"worst: frame {worst}, {rows[worst]['yuv']:.2f} dB",
        (worst, rows[worst]["yuv"]),
        xytext=(0, -14),
        textcoords="offset points",
        ha="right" if worst > len(rows) / 2 else "left",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="frame", ylabel="PSNR, dB")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
    figure.suptitle(title, fontsize=12)
    return figure


def draw_errors(data: dict[str, Any], title: str) -> Figure:
    """The clip's root mean square error by place, and that of single frames, all on one scale."""
    from matplotlib.figure import Figure

    mean, frames = np.array(data["mean"]), data["frames"]
    top = max(float(np.percentile([one["map"] for one in frames], 99.5)), 1.0)
    columns = 4
    rows = -(-len(frames) // columns)
    ratio = mean.shape[0] / mean.shape[1]
    figure = Figure(figsize=(13, 1.2 + 13 * ratio * (0.42 if rows > 1 else 0.3) + 0.35 * rows), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.35])[0]
    axes = left.subplots()
    image = axes.imshow(mean, vmin=0, vmax=top, cmap="inferno")
    axes.set_title("whole clip", fontsize=10)
    panels = right.subplots(rows, columns, squeeze=False).ravel()
    for place in panels:
        place.set_axis_off()
    for place, one in zip(panels, frames, strict=False):
        place.imshow(one["map"], vmin=0, vmax=top, cmap="inferno")
        place.set_title(f"frame {one['frame']}", fontsize=8)
    axes.set_axis_off()
    label = f"root mean square error of luma, 8-bit levels, by {data['cell']}x{data['cell']} pixels"
    left.colorbar(image, ax=axes, label=label, orientation="horizontal")
    figure.suptitle(title, fontsize=12)
    return figure
