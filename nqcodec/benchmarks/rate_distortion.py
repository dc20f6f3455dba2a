"""A comparison as a result: our files, and their bits over those of other codecs at equal quality."""

from __future__ import annotations

from dataclasses import replace

from nqcodec.benchmarks.results import Cell, Cells, Column, Measurement
from nqcodec.compare.comparison import Comparison
from nqcodec.compare.curves import bits_ratio
from nqcodec.compare.rows import ANCHOR, OURS, RDPoint, codecs, curve
from nqcodec.media.text import counted

COLUMNS = (
    Column("codec", "codec"),
    Column("asked", "asked for", "bpp"),
    Column("bpp", "file", "bpp", 4),
    Column("parameters", "parameters"),
    Column("kmac_per_pixel", "arithmetic", "kMAC/pixel", 2),
    Column("psnr_y", "PSNR-Y", "dB", 2),
    Column("psnr_yuv", "PSNR-YUV", "dB", 2),
    Column("psnr_rgb", "PSNR-RGB", "dB", 2),
    Column("iterations", "iterations"),
    Column("fit_seconds", "fit and quantization", "s", 1),
    Column("decode_fps", "decoding", "frames/s", 0),
)


def measurement(comparison: Comparison, name: str, title: str, about: str) -> Measurement:
    """A comparison as a table: a row for each file of ours, and a column of bits for each anchor.

    Args:
        about: what was compared, in whole sentences.
    """
    anchors = {group[0].label: curve(group) for group in codecs(comparison.rows, ANCHOR).values()}
    bits = [Column(f"bits_{label}", f"bits over those of {label}", "", 2) for label in anchors]

    def row_of(file: RDPoint) -> Cells:
        ratios: dict[str, Cell] = {}
        for label, points in anchors.items():
            ratio = bits_ratio((file.bpp, file.quality["yuv"]), points)
            # The mark of a ratio outside the anchor's points makes it a text.
            ratios[f"bits_{label}"] = str(ratio) if ratio and ratio.extrapolated else ratio.value if ratio else None
        stages, iterations = file.facts["seconds_by_stage"], str(file.settings.get("iterations"))
        return {
            "codec": file.label,
            "asked": file.asked,
            "bpp": file.bpp,
            "parameters": file.facts["parameters"],
            "kmac_per_pixel": file.facts["kmac_per_pixel"],
            **{f"psnr_{plane}": file.quality.get(plane) for plane in ("y", "yuv", "rgb")},
            "iterations": int(iterations) if iterations.isdigit() else None,
            "fit_seconds": stages["fit"] + stages["quantize"],
            "decode_fps": file.decode_fps,
            **ratios,
        }

    video, clip_name = comparison.clip.video, comparison.clip.source.name
    note = " ".join(
        [
            f"The clip is {clip_name}, {video.width}x{video.height}, {counted(video.frames, 'frame')}.",
            about,
            "Bits are compared at equal PSNR-YUV; ~ marks a quality outside the anchor's points.",
            *(f"{text.rstrip('.')}." for text in comparison.notes),
        ]
    )
    rows = (row_of(row) for group in codecs(comparison.rows, OURS).values() for row in group)
    units = {"quality": "quality", "psnr": "dB"}
    asked = next((units[key] for row in comparison.rows for key in row.settings if key in units), "bpp")
    columns = [replace(column, unit=asked) if column.key == "asked" else column for column in COLUMNS]
    return Measurement(name, title, (*columns, *bits), rows, note)
