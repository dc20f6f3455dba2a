"""The curves of a comparison, drawn with matplotlib."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nqcodec.compare.curves import front
from nqcodec.compare.rows import OURS, RDPoint, codecs, curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"x264": "#7a7a7a", "x265": "#2b6cb0", "svt-av1": "#2f8f5b"}
OUR_COLOURS = ("#d1382c", "#e0862b", "#8e44ad", "#b5267b", "#8a5a2b", "#c2a000")
_MARKERS = "osD^vP"
_LINES = ("-", "--", "-.", ":")
_PANELS = {
    "yuv": "PSNR-YUV (6:1:1), dB",
    "rgb": "PSNR-RGB, dB",
    "ms_ssim": "MS-SSIM of luma, dB",
    "ssim": "SSIM of luma, dB",
    "vmaf": "VMAF",
}


def styles(rows: list[RDPoint]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line of each codec, the same in every picture: ours solid and warm, anchors thin and cool."""
    result: dict[str, dict[str, Any]] = {}
    ours = 0
    for number, (codec, group) in enumerate(codecs(rows).items()):
        if group[0].kind == OURS:
            colour = OUR_COLOURS[ours % len(OUR_COLOURS)]
            result[codec] = {"color": colour, "marker": _MARKERS[ours % len(_MARKERS)], "lw": 2.4, "ms": 7, "zorder": 3}
            ours += 1
        else:
            line = "--" if ":" in codec else "-"
            colour = COLOURS.get(codec.split(":")[0], f"C{number}")
            result[codec] = {"color": colour, "marker": ".", "lw": 1.4, "ls": line, "ms": 6}
    return result


def draw(rows: list[RDPoint], title: str) -> Figure:
    """Rate against quality: PSNR-YUV large, RGB, structural similarity and VMAF beside it; rate on a log scale."""
    from matplotlib.figure import Figure

    known = {name for row in rows for name in row.quality}
    similarity = "ms_ssim" if "ms_ssim" in known else "ssim"
    beside = [name for name in ("rgb", similarity, "vmaf") if name in known]
    figure = Figure(figsize=(12, max(6.4, 2.9 * len(beside))), layout="constrained")
    grid = figure.add_gridspec(max(1, len(beside)), 5)
    main = figure.add_subplot(grid[:, :3])
    _panel(main, rows, "yuv")
    main.legend(loc="lower right", fontsize=10, frameon=True)
    for number, metric in enumerate(beside):
        _panel(figure.add_subplot(grid[number, 3:]), rows, metric)
    figure.suptitle(title, fontsize=12)
    return figure


def draw_frames(rows: list[RDPoint]) -> Figure:
    """PSNR-YUV of each frame of some rows: a colour a codec, a dash a file."""
    from matplotlib.figure import Figure

    look, drawn = styles(rows), Counter[str]()
    figure = Figure(figsize=(12, max(3.4, 0.8 + 0.19 * len(rows))), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        style = {"color": look[row.codec]["color"], "lw": 1.6, "ls": _LINES[drawn[row.codec] % len(_LINES)]}
        drawn[row.codec] += 1
        psnrs = [frame["yuv"] for frame in row.frame_quality]
        axes.plot(range(len(psnrs)), psnrs, label=f"{row.label}, {row.bpp:.4f} bpp", **style)
    axes.set(xlabel="frame", ylabel=_PANELS["yuv"])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    return figure


def _panel(axes: Axes, rows: list[RDPoint], metric: str) -> None:
    """One metric's curves."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    look = styles(rows)
    for codec, group in codecs(rows).items():
        points = front(curve(group, metric))
        if not points:
            continue
        axes.plot(*zip(*points, strict=True), label=group[0].label, **look[codec])
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="bits a pixel, whole file", ylabel=_PANELS[metric])
    axes.grid(alpha=0.3, which="both")
