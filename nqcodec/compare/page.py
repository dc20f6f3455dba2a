"""The pictures and the page of a comparison, from its results alone; nothing is encoded here."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from nqcodec.compare.comparison import Results, against_anchors, write_csv
from nqcodec.compare.curves import METHOD
from nqcodec.compare.figure import draw, draw_frames, png, svg
from nqcodec.compare.quality import DEFINITIONS
from nqcodec.compare.rows import ANCHOR, OURS, Row, codecs
from nqcodec.compare.viewer import CROP, GAIN, pictures, shown_rows
from nqcodec.errors import NqError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.text import counted

PAGE, CURVES, TABLE = "index.html", "curves.png", "results.csv"
_SOLID_POINTS, _SOLID_SHARE = 4, 0.5
"""A Bjontegaard delta of fewer points, or over a smaller part of what both curves cover, is shown as weak."""
_METRICS = ("y", "u", "v", "g", "b", "r", "yuv", "yuv_mse", "rgb", "ssim", "ms_ssim", "vmaf")


def publish(results: Results, folder: Path) -> list[str]:
    """Write curves.png, results.csv and index.html into `folder`.

    Returns what had to be left out, a line each: pictures, where the clip or the encoded files are gone.

    Raises:
        OutputError: something cannot be written.
        UnsupportedError: matplotlib, bjontegaard or scipy is missing.
    """
    title = _title(results)
    figure = draw(results.rows, title)
    with AtomicFile(folder / CURVES) as file:
        file.write(png(figure))
    write_csv(results.rows, folder / TABLE)
    viewer, left_out = _viewer(results, folder)
    fields = {
        "title": html.escape(title),
        "subtitle": "".join(f'<p class="sub">{html.escape(line)}</p>' for line in _subtitle(results)),
        "notes": "".join(f'<p class="note">{html.escape(line)}</p>' for line in [*results.notes, *left_out]),
        "curves": svg(figure),
        "ratios": ratio_table(results.rows),
        "deltas": delta_table(results.rows),
        "method": f"Interpolation: {METHOD} over log rate, package bjontegaard.",
        "viewer": viewer,
        "by_frame": svg(draw_frames(shown_rows(results.rows) or results.rows)),
        "machine": html.escape(_machine(results)),
        "files": file_table(results.rows),
        "definitions": "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in DEFINITIONS.items()),
        "settings": html.escape(_settings(results)),
    }
    with AtomicFile(folder / PAGE) as file:
        file.write(_template("page.html").substitute(fields).encode())
    return left_out


def ratio_table(rows: list[Row]) -> str:
    """Our files by the anchors: bits over the anchor's at equal PSNR-YUV."""
    anchors = codecs(rows, ANCHOR)
    head = ["file of ours", "bytes", "bits a pixel", "PSNR-YUV, dB", *(f"/ {g[0].label}" for g in anchors.values())]
    by_file = {(ratio["file"], one["anchor"]): ratio for one in against_anchors(rows) for ratio in one["bits_ratio"]}
    body = []
    for group in codecs(rows, OURS).values():
        for row in group:
            cells = [_cell(row.label), _cell(row.size), _cell(f"{row.bpp:.4f}"), _cell(f"{row.quality['yuv']:.2f}")]
            cells += [_ratio_cell(by_file[row.file, anchor]) for anchor in anchors]
            body.append(f"<tr>{''.join(cells)}</tr>")
    return _table(head, body)


def delta_table(rows: list[Row]) -> str:
    """BD-rate and BD-PSNR of each codec of ours against each anchor, with the range that they are over."""
    labels = {codec: group[0].label for codec, group in codecs(rows).items()}
    head = ["codec", "against", "BD-rate, %", "BD-PSNR, dB", "over PSNR-YUV, dB", "points", "BD-rate in RGB, %"]
    head += ["in MS-SSIM, %", "in VMAF, %"]
    body = []
    for one in against_anchors(rows):
        deltas = [one["bjontegaard"].get(name) for name in ("yuv", "rgb", "ms_ssim", "vmaf")]
        first, *others = deltas
        cells = [_cell(labels[one["codec"]]), _cell(labels[one["anchor"]]), _rate_cell(first)]
        if first is None:
            cells += [_cell("")] * 3
        else:
            cells.append(_cell("" if first["quality"] is None else f"{first['quality']:+.2f}"))
            cells.append(_cell(f"{first['low']:.2f} to {first['high']:.2f}, {100 * first['share']:.0f} %"))
            cells.append(_cell("{} / {}".format(*first["points"])))
        cells += map(_rate_cell, others)
        body.append(f"<tr>{''.join(cells)}</tr>")
    return _table(head, body)


def file_table(rows: list[Row]) -> str:
    """Every file with all its figures."""
    metrics = [name for name in _METRICS if any(name in row.quality for row in rows)]
    names = {"yuv_mse": "YUV of MSE", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "vmaf": "VMAF"}
    head = ["codec", "asked", "bytes", "bpp", "kb/s", *(names.get(name, name.upper()) for name in metrics)]
    head += ["encode, s", "decode, fps", "key frames"]
    body = []
    for group in codecs(rows).values():
        for number, row in enumerate(group):
            cells = [row.label, "" if row.asked is None else f"{row.asked:g}", row.size, f"{row.bpp:.4f}"]
            cells.append(f"{row.kbps:.1f}")
            cells += [_figure(name, row.quality.get(name)) for name in metrics]
            cells += [f"{row.encode_seconds:.1f}", f"{row.decode_fps:.0f}", row.facts.get("key_frames", "")]
            kind = " ".join(["ours"] * (row.kind == OURS) + ["group"] * (number == 0))
            body.append(f'<tr class="{kind}">{"".join(map(_cell, cells))}</tr>')
    return _table(head, body)


def _viewer(results: Results, folder: Path) -> tuple[str, list[str]]:
    """The viewer's HTML, and why it is missing if it is."""
    rows = shown_rows(results.rows)
    try:
        data = pictures(results.clip, rows, folder) if rows else None
    except NqError as error:
        return "", [f"no pictures to look at: {error}"]
    if data is None:
        return '<p class="sub">There are no files of ours to look at.</p>', []
    video, window = results.clip.video, data["window"]
    whole = (window["width"], window["height"]) == (video.width, video.height)
    part = "Whole frames." if whole else f"Crops of at most {CROP[0]}x{CROP[1]}, where all codecs together err most."
    what = (
        f"{part} Files of ours with the anchors' nearest in size. Below: |error| of luma, black 0 to white "
        f"{255 // GAIN} of 255 and more. Arrow keys change the frame."
    )
    return _template("viewer.html").substitute(what=what, data=json.dumps(data)), []


def _title(results: Results) -> str:
    video = results.clip.video
    shape = "RGB" if video.is_rgb else video.chroma.label
    name = Path(results.clip.source.name).name
    frames = counted(video.frames, "frame")
    return f"{name}: {video.width}x{video.height} {shape} {video.depth} bit, {frames} at {video.fps} fps"


def _subtitle(results: Results) -> list[str]:
    gop, vmaf = results.settings["gop"], results.settings.get("vmaf")
    keys = "one key frame" if results.clip.video.frames <= gop else f"a key frame every {gop} frames at most"
    return [
        f"The same {counted(results.clip.video.frames, 'frame')} into every codec and out of every file (MD5 of the "
        f"planes {results.clip.md5}); whole files, real decodes of them. Anchors: bare streams without container "
        f"and encoder info, {keys} and those that the encoder adds at cuts; "
        "x264 and x265 with their default tuning, for the eye, unless named tune psnr, which needs fewer bits "
        "for the same PSNR.",
        f"{results.settings['date']} on {_machine(results)}" + (f"; VMAF by {vmaf}" if vmaf else ""),
    ]


def _machine(results: Results) -> str:
    known = results.settings["machine"]
    return f"{known['cpu']}, {known['cores']} cores"


def _settings(results: Results) -> str:
    """Settings of each codec's files, one block a codec."""
    lines = [json.dumps({"comparison": {k: v for k, v in results.settings.items() if k != "machine"}})]
    for group in codecs(results.rows).values():
        lines.append(f"\n{group[0].label}")
        lines += [json.dumps(row.settings) for row in group]
    return "\n".join(lines)


def _template(name: str) -> Template:
    return Template((files("nqcodec.compare") / name).read_text("utf-8"))


def _cell(value: Any) -> str:
    return f"<td>{html.escape(str(value))}</td>"


def _ratio_cell(ratio: dict[str, Any]) -> str:
    value = ratio["value"]
    if value is None:
        return "<td></td>"
    kind = "win" if value <= 1 else "lose"
    return f'<td class="big {kind}">{"~" if ratio["extrapolated"] else ""}{value:.2f}</td>'


def _rate_cell(delta: dict[str, Any] | None) -> str:
    """A BD-rate, grey where there is little to lean on."""
    if delta is None:
        return _cell("none shared")
    weak = min(delta["points"]) < _SOLID_POINTS or delta["share"] < _SOLID_SHARE
    return f"<td{' class=weak' if weak else ''}>{delta['rate']:+.1f}</td>"


def _figure(metric: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if metric.endswith("ssim") else f"{value:.2f}"


def _table(head: list[str], body: list[str]) -> str:
    titles = "".join(f"<th>{html.escape(title)}</th>" for title in head)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(body)}</tbody></table>"
