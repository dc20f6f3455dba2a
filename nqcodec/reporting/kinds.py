"""Every kind of finding: how its picture is drawn and how its numbers become a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqcodec.errors import InputError
from nqcodec.reporting.draw_curves import draw_errors, draw_fit, draw_frames
from nqcodec.reporting.draw_landscape import draw_hessian, draw_sensitivity, draw_surface
from nqcodec.reporting.draw_tensors import draw_bits, draw_histograms
from nqcodec.reporting.finding import Finding, Table, write_finding
from nqcodec.reporting.fitcurve import FIT_CURVE, fit_table
from nqcodec.reporting.frames import ERRORS, FRAMES, error_table, frame_table
from nqcodec.reporting.pictures import png
from nqcodec.reporting.tables import HESSIAN, SENSITIVITY, SURFACE, hessian_table, sensitivity_table, surface_table
from nqcodec.reporting.tensors import BITS, HISTOGRAMS, bits_table, histogram_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Kind:
    """What can be done with the numbers of a finding; `draw` takes its title too."""

    draw: Callable[[dict[str, Any], str], Figure]
    table: Callable[[dict[str, Any]], Table]


KINDS: dict[str, Kind] = {
    HISTOGRAMS: Kind(draw_histograms, histogram_table),
    BITS: Kind(draw_bits, bits_table),
    FRAMES: Kind(draw_frames, frame_table),
    ERRORS: Kind(draw_errors, error_table),
    SENSITIVITY: Kind(draw_sensitivity, sensitivity_table),
    HESSIAN: Kind(draw_hessian, hessian_table),
    SURFACE: Kind(draw_surface, surface_table),
    FIT_CURVE: Kind(draw_fit, fit_table),
}
"""By name."""


def publish(finding: Finding, folder: Path) -> None:
    """Write the numbers and the picture of a finding into `folder` (`write_finding`).

    Raises:
        InputError: its numbers are not those of its kind.
        OutputError: something cannot be written.
    """
    if finding.kind not in KINDS:
        raise InputError(f"there is no analysis {finding.kind}: these numbers are of another version")
    kind = KINDS[finding.kind]
    try:
        figure, table = kind.draw(finding.data, finding.title), kind.table(finding.data)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise InputError(f"{finding.title}: these numbers are not those of {finding.kind}: {error!r}") from error
    write_finding(finding, table, png(figure), folder)
