"""What the rates that users ask for give: size, PSNR and time, and the rate factors of other codecs of equal PSNR
(`nqtool bench rates`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.compare.anchors import GOP, Anchor
from nqcodec.compare.comparison import Comparison, ComparisonConfig, run
from nqcodec.compare.configurations import Configuration
from nqcodec.compare.rows import ANCHOR, OURS, RDPoint, codecs
from nqcodec.encoder.rate import Rate
from nqcodec.media.clip import ClipInput
from nqcodec.media.text import counted

COLUMNS = (
    Column("clip", "clip"),
    Column("asked", "asked for"),
    Column("bpp", "file", "bpp", 4),
    Column("psnr_yuv", "PSNR-YUV", "dB", 2),
    Column("seconds", "time", "s", 0),
)


@dataclass(frozen=True)
class RatesConfig:
    """What is measured.

    Attributes:
        clips: their paths.
        frames: most frames of each.
        rates: what is asked for, one encode each.
        configuration: how it is encoded.
        anchors: other codecs, with the rate factors between which those of equal PSNR are sought.
    """

    clips: Sequence[str]
    frames: int
    rates: Sequence[Rate]
    configuration: Configuration
    anchors: Sequence[Anchor]


def measurement(config: RatesConfig, folder: Path, log: Callable[[str], None]) -> Measurement:
    """A row for each clip and rate; `folder` gets the files."""
    factors = [Column(f"crf_{one.name}", f"CRF of {one.label} of equal PSNR-YUV", "", 1) for one in config.anchors]
    note = (
        f"The first {counted(config.frames, 'frame')} of each clip, encoded as {config.configuration.label}. Rate "
        f"factors are interpolated between those of files with a key frame every {GOP} frames at most. Times are those "
        "of whole encodes, on a machine that others used as well."
    )
    return Measurement("rates", "Rates as they are asked for", (*COLUMNS, *factors), _rows(config, folder, log), note)


def _rows(config: RatesConfig, folder: Path, log: Callable[[str], None]) -> Iterator[Cells]:
    for clip in config.clips:
        source = ClipInput(clip, count=config.frames).in_frames()
        for rate in config.rates:
            wanted = ComparisonConfig(source, (rate,), (config.configuration,), tuple(config.anchors), GOP)
            yield from _rows_of(run(wanted, folder / Path(clip).stem, log), config.anchors)


def _rows_of(comparison: Comparison, anchors: Sequence[Anchor]) -> Iterator[Cells]:
    points = codecs(comparison.rows, ANCHOR)
    for group in codecs(comparison.rows, OURS).values():
        for row in group:
            psnr = row.quality["yuv"]
            yield {
                "clip": Path(comparison.clip.source.name).stem,
                "asked": row.asked_text if " " in row.asked_text else f"bpp {row.asked_text}",
                "bpp": row.bpp,
                "psnr_yuv": psnr,
                "seconds": row.encode_seconds,
                **{f"crf_{one.name}": rate_factor(points[one.name], psnr) for one in anchors},
            }


def rate_factor(rows: Sequence[RDPoint], psnr: float) -> float | None:
    """The rate factor at which a codec has `psnr` dB of PSNR-YUV, between those of its files; None outside of them."""
    found = sorted((row.quality["yuv"], row.asked) for row in rows if row.asked is not None)
    quality = [point for point, _ in found]
    if not quality or not quality[0] <= psnr <= quality[-1]:
        return None
    return float(np.interp(psnr, quality, [factor for _, factor in found]))
