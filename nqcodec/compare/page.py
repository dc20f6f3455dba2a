"""The pictures and the page of a comparison, from its results alone; nothing is encoded here."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from nqcodec.compare.comparison import Comparison, against_anchors, write_csv
from nqcodec.compare.curves import METHOD
from nqcodec.compare.figure import draw, draw_frames
from nqcodec.compare.quality import DEFINITIONS
from nqcodec.compare.rows import ANCHOR, OURS, RDPoint, codecs
from nqcodec.compare.viewer import CROP, pictures, shown_rows
from nqcodec.errors import NqError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.text import counted
from nqcodec.reporting.html import cell, definitions, filled, notes, subtitle, table, table_row, video_text, write_page
from nqcodec.reporting.pictures import GAIN, png, svg

PAGE, CURVES, TABLE = "index.html", "curves.png", "results.csv"
_PACKAGE = "nqcodec.compare"
_SOLID_POINTS, _SOLID_SHARE = 4, 0.5
"""A Bjontegaard delta of fewer points, or over a smaller part of what both curves cover, is shown as weak."""
_METRICS = ("y", "u", "v", "g", "b", "r", "yuv", "yuv_mse", "rgb", "ssim", "ms_ssim", "vmaf")


def publish(comparison: Comparison, folder: Path) -> list[str]:
    """Write curves.png, results.csv and index.html into `folder`.

    Returns what had to be left out, a line each: pictures, where the clip or the encoded files are gone.

    Raises:
        OutputError: something cannot be written.
        UnsupportedError: matplotlib, bjontegaard or scipy is missing.
    """
    title = _title(comparison)
    figure = draw(comparison.rows, title)
    with AtomicFile(folder / CURVES) as file:
        file.write(png(figure))
    write_csv(comparison.rows, folder / TABLE)
    viewer, left_out = _viewer(comparison, folder)
    fields = {
        "title": html.escape(title),
        "subtitle": subtitle(_subtitle(comparison)),
        "notes": notes([*comparison.notes, *left_out]),
        "curves": svg(figure),
        "ratios": ratio_table(comparison.rows),
        "deltas": delta_table(comparison.rows),
        "method": f"Interpolation: {METHOD} over log rate, package bjontegaard.",
        "viewer": viewer,
        "by_frame": svg(draw_frames(shown_rows(comparison.rows) or comparison.rows)),
        "machine": html.escape(_machine(comparison)),
        "files": file_table(comparison.rows),
        "definitions": definitions(DEFINITIONS),
        "settings": html.escape(_settings(comparison)),
    }
    write_page(folder / PAGE, _PACKAGE, "page.html", fields)
    return left_out


def ratio_table(rows: list[RDPoint]) -> str:
    """Our files by the anchors: bits over the anchor's at equal PSNR-YUV."""
    anchors = codecs(rows, ANCHOR)
    head = ["file of ours", "bytes", "bits a pixel", "PSNR-YUV, dB", *(f"/ {g[0].label}" for g in anchors.values())]
    by_file = {(ratio["file"], one["anchor"]): ratio for one in against_anchors(rows) for ratio in one["bits_ratio"]}
    body = []
    for group in codecs(rows, OURS).values():
        for row in group:
            cells = [cell(row.label), cell(row.size), cell(f"{row.bpp:.4f}"), cell(f"{row.quality['yuv']:.2f}")]
            cells += [_ratio_cell(by_file[row.file, anchor]) for anchor in anchors]
            body.append(table_row(cells))
    return table(head, body)


def delta_table(rows: list[RDPoint]) -> str:
    """BD-rate and BD-PSNR of each codec of ours against each anchor, with the range that they are over."""
    labels = {codec: group[0].label for codec, group in codecs(rows).items()}
    head = ["codec", "against", "BD-rate, %", "BD-PSNR, dB", "over PSNR-YUV, dB", "points", "BD-rate in RGB, %"]
    head += ["in MS-SSIM, %", "in VMAF, %"]
    body = []
    for one in against_anchors(rows):
        deltas = [one["bjontegaard"].get(name) for name in ("yuv", "rgb", "ms_ssim", "vmaf")]
        first, *others = deltas
        cells = [cell(labels[one["codec"]]), cell(labels[one["anchor"]]), _rate_cell(first)]
        if first is None:
            cells += [cell("")] * 3
        else:
            cells.append(cell("" if first["quality"] is None else f"{first['quality']:+.2f}"))
            cells.append(cell(f"{first['low']:.2f} to {first['high']:.2f}, {100 * first['share']:.0f} %"))
            cells.append(cell("{} / {}".format(*first["points"])))
        cells += map(_rate_cell, others)
        body.append(table_row(cells))
    return table(head, body)


def file_table(rows: list[RDPoint]) -> str:
    """Every file with all its figures."""
    metrics = [name for name in _METRICS if any(name in row.quality for row in rows)]
    names = {"yuv_mse": "YUV of MSE", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "vmaf": "VMAF"}
    head = ["codec", "asked", "bytes", "bpp", "kb/s", *(names.get(name, name.upper()) for name in metrics)]
    head += ["encode, s", "decode, fps", "key frames"]
    body = []
    for group in codecs(rows).values():
        for number, row in enumerate(group):
            cells = [row.label, row.asked_text, row.size, f"{row.bpp:.4f}"]
            cells.append(f"{row.kbps:.1f}")
            cells += [_figure(name, row.quality.get(name)) for name in metrics]
            cells += [f"{row.encode_seconds:.1f}", f"{row.decode_fps:.0f}", row.facts.get("key_frames", "")]
            kind = " ".join(["ours"] * (row.kind == OURS) + ["group"] * (number == 0))
            body.append(table_row(map(cell, cells), kind))
    return table(head, body)


def _viewer(comparison: Comparison, folder: Path) -> tuple[str, list[str]]:
    """The viewer's HTML, and why it is missing if it is."""
    rows = shown_rows(comparison.rows)
    try:
        data = pictures(comparison.clip, rows, folder) if rows else None
    except NqError as error:
        return "", [f"no pictures to look at: {error}"]
    if data is None:
        return '<p class="sub">There are no files of ours to look at.</p>', []
    video, window = comparison.clip.video, data["window"]
    whole = (window["width"], window["height"]) == (video.width, video.height)
    part = "Whole frames." if whole else f"Crops of at most {CROP[0]}x{CROP[1]}, where all codecs together err most."
    what = (
        f"{part} Files of ours with the anchors' nearest in size. Below: |error| of luma, black 0 to white "
        f"{255 // GAIN} of 255 and more. Arrow keys change the frame."
    )
    return filled(_PACKAGE, "viewer.html", {"what": what, "data": json.dumps(data)}), []


def _title(comparison: Comparison) -> str:
    return f"{Path(comparison.clip.source.name).name}: {video_text(comparison.clip.video)}"


def _subtitle(comparison: Comparison) -> list[str]:
    gop, vmaf = comparison.settings["gop"], comparison.settings.get("vmaf")
    keys = "one key frame" if comparison.clip.video.frames <= gop else f"a key frame every {gop} frames at most"
    return [
        f"The same {counted(comparison.clip.video.frames, 'frame')} into every codec and out of every file (MD5 of the "
        f"planes {comparison.clip.md5}); whole files, real decodes of them. Anchors: bare streams without container "
        f"and encoder info, {keys} and those that the encoder adds at cuts; "
        "x264 and x265 with their default tuning, for the eye, unless named tune psnr, which needs fewer bits "
        "for the same PSNR.",
        f"{comparison.settings['date']} on {_machine(comparison)}" + (f"; VMAF by {vmaf}" if vmaf else ""),
    ]


def _machine(comparison: Comparison) -> str:
    known = comparison.settings["machine"]
    return f"{known['cpu']}, {known['cores']} cores"


def _settings(comparison: Comparison) -> str:
    """Settings of each codec's files, one block a codec."""
    lines = [json.dumps({"comparison": {k: v for k, v in comparison.settings.items() if k != "machine"}})]
    for group in codecs(comparison.rows).values():
        lines.append(f"\n{group[0].label}")
        lines += [json.dumps(row.settings) for row in group]
    return "\n".join(lines)


def _ratio_cell(ratio: dict[str, Any]) -> str:
    value = ratio["value"]
    if value is None:
        return cell("")
    text = f"{'~' if ratio['extrapolated'] else ''}{value:.2f}"
    return cell(text, "big win" if value <= 1 else "big lose")


def _rate_cell(delta: dict[str, Any] | None) -> str:
    """A BD-rate, grey where it rests on little overlap."""
    if delta is None:
        return cell("none shared")
    weak = min(delta["points"]) < _SOLID_POINTS or delta["share"] < _SOLID_SHARE
    return cell(f"{delta['rate']:+.1f}", "weak" if weak else "")


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if metric.endswith("ssim") else f"{value:.2f}"
