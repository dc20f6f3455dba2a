"""Pictures of tensors: histograms in both domains, and bytes by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nqcodec.reporting.tensors import BINS, SPATIAL, TRANSFORMED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 14
"""Tensors in a picture at most: weights and latents of most values. The numbers hold all."""

COLOURS = {SPATIAL: "#2b6cb0", TRANSFORMED: "#d1382c"}
TITLES = {SPATIAL: "as used", TRANSFORMED: "Hadamard"}
KINDS = {"weight": "#2b6cb0", "latent": "#2f8f5b", "bias": "#e0862b", "rest": "#999999"}


def draw_histograms(data: dict[str, Any], title: str) -> Figure:
    """A row a tensor: counts on a log scale, then each channel's share of them, before and after the transform."""
    from matplotlib.figure import Figure

    sizes = {n: int(np.prod(one["shape"])) for n, one in enumerate(data["tensors"]) if one["name"] != "bias"}
    largest = sorted(sorted(sizes, key=lambda number: -sizes[number])[:SHOWN])
    tensors = [data["tensors"][number] for number in largest]
    figure = Figure(figsize=(13, 1.2 + 1.75 * len(tensors)), layout="constrained")
    panels = figure.subplots(len(tensors), 3, squeeze=False, width_ratios=[1.25, 1, 1])
    for number, (row, tensor) in enumerate(zip(panels, tensors, strict=True)):
        _counts(row[0], tensor, data["unit"], last=number == len(tensors) - 1)
        for axes, domain in zip(row[1:], (SPATIAL, TRANSFORMED), strict=True):
            _channels(axes, tensor, domain)
    left_out = len(data["tensors"]) - len(tensors)
    more = f" ({left_out} smaller tensors and biases in the numbers alone)" if left_out else ""
    figure.suptitle(f"{title}{more}", fontsize=12)
    return figure


def _counts(axes: Axes, tensor: dict[str, Any], unit: str, last: bool) -> None:
    """Both domains' histograms of one tensor."""
    places = np.arange(-BINS, BINS + 1) * tensor["bin_width"]
    for domain, found in tensor["domains"].items():
        total = np.sum(found["channels"], axis=0)
        mark = ", coded" if domain == tensor["coded"] and tensor["entropy"] is not None else ""
        label = (
            f"{TITLES[domain]}{mark}: kurtosis {found['excess_kurtosis']:+.1f}, peak {found['peak_over_rms']:.1f} rms"
        )
        edges = np.append(places, places[-1] + tensor["bin_width"]) - tensor["bin_width"] / 2
        axes.stairs(total, edges, color=COLOURS[domain], label=label)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.6)
    shape = "x".join(map(str, tensor["shape"]))
    entropy = "" if tensor["entropy"] is None else f", entropy {tensor['entropy']:.2f} bits"
    axes.set_title(f"{tensor['label']}  {shape}{entropy}", fontsize=9, loc="left")
    top = max(int(np.sum(found["channels"], axis=0).max()) for found in tensor["domains"].values())
    axes.set_ylim(0.6, 30.0 * top)  # leaves room above for the legend
    axes.legend(fontsize=7, loc="upper left", frameon=False, borderaxespad=0.1)
    axes.tick_params(labelsize=7)
    axes.set_ylabel("values", fontsize=8)
    if last:
        axes.set_xlabel(unit, fontsize=8)


def _channels(axes: Axes, tensor: dict[str, Any], domain: str) -> None:
    """Each channel's histogram as a row of a picture."""
    from matplotlib.ticker import MaxNLocator

    found = tensor["domains"].get(domain)
    if found is None:
        axes.set_axis_off()
        return
    counts = np.asarray(found["channels"], dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    edge = (BINS + 0.5) * tensor["bin_width"]
    axes.imshow(
        np.sqrt(shares),
        aspect="auto",
        cmap="magma",
        interpolation="nearest",
        extent=(-edge, edge, len(counts) - 0.5, -0.5),
    )
    axes.set_title(f"{TITLES[domain]}, by channel", fontsize=8, loc="left")
    axes.tick_params(labelsize=7)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("channel", fontsize=8)


def draw_bits(data: dict[str, Any], title: str) -> Figure:
    """Bytes of each tensor as bars, and beside them what a value costs against the width of its alphabet."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows = [*data["tensors"], *({"label": name, "kind": "rest", "bytes": size} for name, size in data["rest"].items())]
    figure = Figure(figsize=(12, 1.4 + 0.27 * len(rows)), layout="constrained")
    bars, costs = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
    places = np.arange(len(rows))
    sizes = [row["bytes"] for row in rows]
    bars.barh(places, sizes, color=[KINDS[row["kind"]] for row in rows])
    for place, size in zip(places, sizes, strict=True):
        bars.text(size, place, f" {size}, {100 * size / data['bytes']:.1f} %", va="center", fontsize=8)
    bars.set_yticks(places, [row["label"] for row in rows], fontsize=8)
    bars.set(xlabel="bytes", xlim=(0, 1.18 * max(sizes)), ylim=(len(rows) - 0.4, -0.6))
    sums = {kind: sum(row["bytes"] for row in rows if row["kind"] == kind) for kind in KINDS}
    handles = [
        Patch(color=KINDS[kind], label=f"{kind}: {size} bytes, {100 * size / data['bytes']:.0f} %")
        for kind, size in sums.items()
    ]
    bars.legend(handles=handles, loc="lower right", fontsize=9)
    coded = [(place, row) for place, row in enumerate(rows) if row["kind"] != "rest"]
    each = [8 * row["bytes"] / row["values"] for _, row in coded]
    costs.barh([place for place, _ in coded], each, color=[KINDS[row["kind"]] for _, row in coded])
    widths = [max(row["alphabet_bits"]) for _, row in coded]
    costs.plot(widths, [place for place, _ in coded], "k|", ms=9, label="width of the alphabet")
    costs.set(xlabel="coded bits a value", xlim=(0, 1.05 * max([*widths, *each])))
    costs.legend(loc="lower right", fontsize=8)
    for axes in (bars, costs):
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    figure.suptitle(title, fontsize=12)
    return figure
