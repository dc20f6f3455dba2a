"""The numbers of what `nqcodec.reporting.landscape` finds as tables; no torch here, so they can be read without it."""

from __future__ import annotations

from typing import Any

from nqcodec.reporting.finding import Table

SENSITIVITY, HESSIAN, SURFACE = "sensitivity", "hessian", "surface"
"""Kinds of finding."""


def sensitivity_table(data: dict[str, Any]) -> Table:
    """One row a tensor and width: rise of the MSE relative to the float network's, and coded bits."""
    rows: list[list[Any]] = []
    for tensor in data["tensors"]:
        figures = zip(data["bits"], tensor["rise"], tensor["coded_bits"], strict=True)
        rows += [[tensor["label"], bits, rise, coded] for bits, rise, coded in figures]
    rows += [["all together", bits, rise, None] for bits, rise in zip(data["bits"], data["together"], strict=True)]
    return Table(["tensor", "bits", "rise_of_mse", "coded_bits"], rows)


def group_name(group: dict[str, Any]) -> str:
    """A group of channels: its tensor, and the half-open range of channels."""
    first, stop = group["channels"]
    return f"{group['tensor']} {first}:{stop}"


def hessian_table(data: dict[str, Any]) -> Table:
    """The whole symmetric matrix, a row and a column a group of channels."""
    names = [group_name(group) for group in data["groups"]]
    return Table(["group", *names], [[name, *row] for name, row in zip(names, data["pairs"], strict=True)])


def surface_table(data: dict[str, Any]) -> Table:
    """One row a point: how far it lies along either direction, loss, and PSNR-YUV in dB."""
    along = data["along"]
    rows = [
        [a, b, data["loss"][row][column], data["psnr"][row][column]]
        for row, b in enumerate(along)
        for column, a in enumerate(along)
    ]
    return Table(["first", "second", "loss", "psnr"], rows)
