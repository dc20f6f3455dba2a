"""Pictures of the loss around a network: sensitivity by layer and bits, interactions, and a surface."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

PAIRS_LABEL = "term over the geometric mean of both alone"


def draw_sensitivity(data: dict[str, Any], title: str) -> Figure:
    """A heat map by tensor and width, the sum of its columns against all tensors together, and pairs if there are."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    names = [tensor["label"] for tensor in data["tensors"]]
    rises = 100 * np.array([tensor["rise"] for tensor in data["tensors"]])
    least = max(float(rises[rises > 0].min(initial=100.0)), 1e-4)
    with_pairs = "pairs" in data
    size = 12 + 6 * with_pairs, max(4.2, 1.5 + 0.29 * len(names))
    figure = Figure(figsize=size, layout="constrained")
    axes, sums, *others = figure.subplots(1, 2 + with_pairs, width_ratios=[2, 1, 2][: 2 + with_pairs])
    norm = LogNorm(least, max(float(rises.max()), 2 * least))
    image = axes.imshow(np.maximum(rises, least), norm=norm, aspect="auto", cmap="viridis")
    for (row, column), rise in np.ndenumerate(rises):
        dark = norm(max(rise, least)) < 0.6
        colour = "white" if dark else "black"
        axes.text(column, row, f"{rise:.2g}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(data["bits"])), [str(bits) for bits in data["bits"]])
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="bits", title="each tensor quantised alone")
    figure.colorbar(image, ax=axes, label="rise of the MSE, %")
    sums.plot(data["bits"], np.maximum(rises.sum(axis=0), least), "o-", label="sum of each alone")
    together = np.maximum(100 * np.array(data["together"]), least)
    sums.plot(data["bits"], together, "s--", color="#d1382c", label="all together")
    sums.set_yscale("log")
    sums.set(xlabel="bits", ylabel="rise of the MSE, %", title="terms between tensors")
    sums.grid(alpha=0.3, which="both")
    sums.legend()
    for panel in others:
        middle = len(data["bits"]) // 2
        image = _draw_pairs(panel, np.array(data["pairs"][middle]))
        panel.set_title(f"pairs of tensors at {data['bits'][middle]} bits")
        panel.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        panel.set_yticks(range(len(names)), names, fontsize=8)
        figure.colorbar(image, ax=panel, label=PAIRS_LABEL)
    figure.suptitle(title, fontsize=12)
    return figure


def _draw_pairs(axes: Axes, pairs: npt.NDArray[np.float64]) -> AxesImage:
    """Terms between pairs [n, n] over the geometric mean of what both cost alone."""
    alone = pairs.diagonal()
    scale = np.sqrt(np.abs(np.outer(alone, alone))).clip(min=np.finfo(float).tiny)
    return axes.imshow(pairs / scale, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")


def draw_hessian(data: dict[str, Any], title: str) -> Figure:
    """Terms between groups of channels over the geometric mean of what both cost alone; tensors are marked off."""
    from matplotlib.figure import Figure

    pairs = np.array(data["pairs"])
    side = max(8.5, 0.115 * len(pairs))  # labels of tensors with a single group stay apart
    figure = Figure(figsize=(side + 2.2, side + 1), layout="constrained")
    axes = figure.subplots()
    image = _draw_pairs(axes, pairs)
    runs = [(name, len(list(run))) for name, run in groupby(data["groups"], key=lambda group: group["tensor"])]
    ends = np.cumsum([length for _, length in runs])
    for end in ends[:-1]:
        axes.axhline(end - 0.5, color="black", lw=0.4)
        axes.axvline(end - 0.5, color="black", lw=0.4)
    middles = ends - np.array([length for _, length in runs]) / 2 - 0.5
    names = [name for name, _ in runs]
    axes.set_xticks(middles, names, rotation=90, fontsize=7)
    axes.set_yticks(middles, names, fontsize=7)
    figure.colorbar(image, ax=axes, label=PAIRS_LABEL, shrink=0.8)
    between = np.abs(pairs).sum() - np.abs(pairs.diagonal()).sum()
    alone = float(np.abs(pairs.diagonal()).sum()) or 1.0
    axes.set_title(
        f"all together cost {data['all_sum'] / (data['diagonal_sum'] or 1.0):.2f} of the sum of each alone; "
        f"off the diagonal, |terms| sum to {between / alone:.1f} of it",
        fontsize=10,
    )
    figure.suptitle(title, fontsize=12)
    return figure


def draw_surface(data: dict[str, Any], title: str) -> Figure:
    """The loss as contours with the solution in the middle, and as a surface."""
    from matplotlib.figure import Figure

    along, loss, psnr = (np.array(data[name]) for name in ("along", "loss", "psnr"))
    figure = Figure(figsize=(13, 5.6), layout="constrained")
    flat = figure.add_subplot(1, 2, 1)
    solid: Any = figure.add_subplot(1, 2, 2, projection="3d")
    contours = flat.contourf(along, along, loss, levels=24, cmap="viridis")
    lines = flat.contour(along, along, psnr, levels=8, colors="white", linewidths=0.8)
    flat.clabel(lines, fmt="%.1f dB", fontsize=7)
    flat.plot(0, 0, "*", color="#ff5040", ms=13)
    middle = len(along) // 2
    flat.set(xlabel="first direction, parts of each filter's norm", ylabel="second direction", aspect="equal")
    flat.set_title(f"solution: loss {loss[middle, middle]:.3f}, {psnr[middle, middle]:.2f} dB", fontsize=10)
    figure.colorbar(contours, ax=flat, label="mean of ln(MSE), planes 6:1:1")
    solid.plot_surface(*np.meshgrid(along, along), loss, cmap="viridis", rcount=len(along), ccount=len(along))
    solid.set(xlabel="first", ylabel="second", zlabel="mean of ln(MSE)")
    solid.view_init(35, -50)
    figure.suptitle(title, fontsize=12)
    return figure
