"""What a network's tensors look like: histograms by layer and by channel in both domains, and bytes by layer.

Needs numpy alone. The Hadamard domain is that of formats/nq.md, 6.3.1: orthonormal, along a weight's input channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.bitstream.file import NqFile
from nqcodec.bitstream.segment import COMMON_SEQUENCE
from nqcodec.network.hadamard import block_stages, transform
from nqcodec.network.integer_network import channel_axis
from nqcodec.network.operations import Conv
from nqcodec.network.program import Limits, Program
from nqcodec.reporting.finding import Finding, Table

Float64 = npt.NDArray[np.float64]

HISTOGRAMS, BITS = "histograms", "bits"
"""Kinds of finding."""

BINS = 20
"""Bins on either side of the one around zero."""

INPUT_CHANNELS = 1
SPATIAL, TRANSFORMED = "spatial", "hadamard"


@dataclass(frozen=True)
class TensorView:
    """A tensor to look at.

    Attributes:
        label: its operation's number and name, and its own name.
        values: float64, shaped as in the file, in any unit; of a coded tensor, its symbols.
        coded: the domain of `values`, `SPATIAL` or `TRANSFORMED`.
        other: the same in the other domain, None where there is none.
        whole: whether `values` are whole numbers.
    """

    label: str
    name: str
    values: Float64
    coded: str
    other: Float64 | None
    whole: bool


def coded_views(file: NqFile, segment: int) -> list[TensorView]:
    """The tensors of a file's segment, in symbols: a unit is the step size of the tensor or channel."""
    network = file.segment(segment).network
    views = []
    for index, layer in enumerate(network.layers):
        for name, tensor in layer.tensors.items():
            domain = SPATIAL if tensor.hadamard is None else TRANSFORMED
            views.append(_view(network.program, index, name, tensor.values.astype(np.float64), domain, whole=True))
    return views


def float_views(program: Program, tensors: dict[tuple[int, str], Float64]) -> list[TensorView]:
    """The tensors of a float network by (operation, name), in its own units."""
    return [_view(program, index, name, value, SPATIAL, whole=False) for (index, name), value in tensors.items()]


def _view(program: Program, index: int, name: str, values: Float64, domain: str, whole: bool) -> TensorView:
    op = program.operations[index]
    transforms = isinstance(op, Conv) and not op.depthwise and name == "weight" and values.shape[INPUT_CHANNELS] > 1
    other = block_hadamard(values) if transforms else None
    return TensorView(f"{index} {op.name} {name}", name, values, domain, other, whole)


def block_hadamard(weight: Float64) -> Float64:
    """The orthonormal block transform of a weight [out, in, k, k] along `in`; its own inverse."""
    channels = weight.shape[INPUT_CHANNELS]
    matrix = transform(np.eye(channels, dtype=np.int32)) * np.exp2(-block_stages(channels) / 2)
    return np.moveaxis(np.moveaxis(weight, INPUT_CHANNELS, -1) @ matrix, -1, INPUT_CHANNELS)


def histograms(views: Iterable[TensorView], subject: str, unit: str) -> Finding:
    """Histograms of each tensor and of each of its channels, before and after the transform.

    Args:
        unit: of the values, for people.
    """
    tensors = [_histogram(view) for view in views if view.values.size]
    return Finding(HISTOGRAMS, f"Values by layer and channel: {subject}", {"unit": unit, "tensors": tensors})


def _histogram(view: TensorView) -> dict[str, Any]:
    """One tensor's counts as JSON values; both domains share their bins."""
    domains = {view.coded: view.values}
    if view.other is not None:
        domains[SPATIAL if view.coded == TRANSFORMED else TRANSFORMED] = view.other
    peak = max(float(np.abs(values).max()) for values in domains.values())
    width = max(1.0, math.ceil(peak / BINS)) if view.whole else (peak or 1.0) / BINS
    axis = channel_axis(view.name)
    return {
        "label": view.label,
        "name": view.name,
        "shape": list(view.values.shape),
        "coded": view.coded,
        "bin_width": width,
        "entropy": _entropy(view.values) if view.whole else None,
        "domains": {domain: _counts(domains[domain], width, axis) for domain in sorted(domains, reverse=True)},
    }


def _counts(values: Float64, width: float, axis: int) -> dict[str, Any]:
    """Counts by channel in bins of `width` around 0, and what tells a heavy tail from a Gaussian."""
    rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    places = np.clip(np.rint(rows / width), -BINS, BINS).astype(np.int64) + BINS
    channels = [np.bincount(row, minlength=2 * BINS + 1) for row in places]
    squares = np.square(values - values.mean())
    variance = float(squares.mean())
    return {
        "std": math.sqrt(variance),
        "peak_over_rms": float(np.abs(values).max() / (np.sqrt(np.square(values).mean()) or 1.0)),
        "excess_kurtosis": float(np.square(squares).mean() / variance**2 - 3) if variance else 0.0,
        "channels": [counts.tolist() for counts in channels],
    }


def _entropy(symbols: Float64) -> float:
    """Empirical entropy in bits a value, of the tensor as a whole: no model, no neighbours."""
    _, counts = np.unique(symbols, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def histogram_table(data: dict[str, Any]) -> Table:
    """One row a tensor, domain and channel; channel "all" sums them."""
    centres = [f"bin_{place:+d}" for place in range(-BINS, BINS + 1)]
    names = ["tensor", "domain", "channel", "bin_width", "std", "peak_over_rms", "excess_kurtosis", *centres]
    rows: list[list[Any]] = []
    for tensor in data["tensors"]:
        for domain, found in tensor["domains"].items():
            head = [tensor["label"], domain]
            figures = [found["std"], found["peak_over_rms"], found["excess_kurtosis"]]
            total = np.sum(found["channels"], axis=0).tolist()
            rows.append([*head, "all", tensor["bin_width"], *figures, *total])
            rows += [
                [*head, number, tensor["bin_width"], None, None, None, *counts]
                for number, counts in enumerate(found["channels"])
            ]
    return Table(names, rows)


def bits_by_layer(file: NqFile, subject: str) -> Finding:
    """Bytes of each tensor over all segments, beside the values that they code, and of everything else in the file.

    What the common sequence has of a tensor cannot be told from the rest of it: small tensors have bytes of no pieces.
    """
    tensors: dict[str, dict[str, Any]] = {}
    parts = file.parts()
    rest = {
        part: parts[part] for part in ("header", "metadata", "program", "step sizes", COMMON_SEQUENCE) if part in parts
    }
    for number in range(len(file.index)):
        layout = file.layout(number, Limits())
        for entry in layout.tensors:
            label = f"{entry.index} {layout.program.operations[entry.index].name} {entry.name}"
            row = tensors.setdefault(label, {"label": label, "kind": entry.name, "values": 0, "bytes": 0})
            row["values"] += math.prod(entry.shape)
            row["bytes"] += entry.data_bytes
            row.setdefault("alphabet_bits", []).append(entry.record.bits)
            row.setdefault("model", []).append(entry.record.model)
    data = {"bytes": file.size, "tensors": list(tensors.values()), "rest": rest, "segments": len(file.index)}
    return Finding(BITS, f"Bytes by layer: {subject}, {file.size} bytes", data)


def bits_table(data: dict[str, Any]) -> Table:
    """One row a tensor, then the rest of the file; with several segments widths and models are those of all."""
    names = ["part", "kind", "values", "bytes", "bits_a_value", "alphabet_bits", "model"]
    rows: list[list[Any]] = []
    for row in data["tensors"]:
        widths = "/".join(map(str, dict.fromkeys(row["alphabet_bits"])))
        models = "/".join(dict.fromkeys(row["model"]))
        each = 8 * row["bytes"] / row["values"]
        rows.append([row["label"], row["kind"], row["values"], row["bytes"], each, widths, models])
    rows += [[part, "rest", None, size, None, None, None] for part, size in data["rest"].items()]
    return Table(names, rows)
