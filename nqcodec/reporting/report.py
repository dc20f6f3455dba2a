"""The page of one encode (`nqenc --report`): settings, fit curve, bytes by part, quality, frames and originals."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nqcodec.bitstream.file import NqFile, read_file
from nqcodec.decoder.decoder import Decoder
from nqcodec.encoder.report import DEFINITIONS, EncodeReport
from nqcodec.errors import NqError
from nqcodec.media.clip import ClipInput
from nqcodec.media.colour import to_rgb
from nqcodec.media.metrics import psnr
from nqcodec.media.video import Frame, Video
from nqcodec.reporting.finding import Finding, embedded
from nqcodec.reporting.fitcurve import Point, fit_finding
from nqcodec.reporting.frames import FRAMES
from nqcodec.reporting.html import cell, definitions, notes, subtitle, table_row, video_text, write_page
from nqcodec.reporting.kinds import KINDS
from nqcodec.reporting.pictures import GAIN, data_uri, error_colours, luma_error, svg
from nqcodec.reporting.tensors import bits_by_layer
from nqcodec.reporting.vectors import described, displacements, lines

SHOWN = 3
"""Frames on the page."""

_WHAT = (
    f"Left the original, in the middle what the file decodes to, right the error of luma, {GAIN} times as bright: "
    f"black 0 to white {255 // GAIN} of 255 and more."
)


@dataclass(frozen=True)
class PageSource:
    """What a page is made of.

    Attributes:
        report: of the encode.
        clip: where the originals come from; None where they cannot be read again.
        settings: what the encode was asked for, by name.
        points: its fit curve.
    """

    report: EncodeReport
    clip: ClipInput | None
    settings: Mapping[str, Any]
    points: list[Point]


def write_report(source: PageSource, path: Path) -> None:
    """Write the page to `path`, everything within it.

    Raises:
        OutputError: it cannot be written.
        InputError: the encoded file is gone.
        UnsupportedError: matplotlib, imageio or Pillow is missing.
    """
    report = source.report
    file = read_file(report.output)
    findings = [_frame_finding(report, file), bits_by_layer(file, Path(report.output).name)]
    findings.append(fit_finding(source.points, report.name))
    pictures, missing = _pictures(source, file)
    motion = _motion(file)
    drawn = [svg(KINDS[one.kind].draw(one.data, "")) if _has_data(one) else "" for one in findings]
    fields = {
        "title": html.escape(f"{Path(report.name).name} at {report.bpp:.4f} bpp"),
        "subtitle": subtitle([_subtitle(report)]),
        "notes": notes(missing),
        "figures": "".join(
            f"<div><b>{value}</b><span>{html.escape(name)}</span></div>" for name, value in _tiles(report)
        ),
        "what": _WHAT if pictures else "",
        "frames": pictures,
        "about_motion": html.escape(_about_motion(report, motion)),
        "motion": motion,
        "by_frame": drawn[0],
        "bytes": drawn[1],
        "about_fit": _about_fit(source),
        "fit": drawn[2],
        "settings": "".join(table_row([cell(name), cell(value)]) for name, value in source.settings.items()),
        "definitions": definitions(DEFINITIONS),
        "findings": embedded(findings),
    }
    write_page(path, "nqcodec.reporting", "report.html", fields)


def _frame_finding(report: EncodeReport, file: NqFile) -> Finding:
    """PSNR by frame as `nqtool analyse` has it, from the encode's own measurement of the decoded file."""
    data = {
        "rows": [{name: round(value, 4) for name, value in row.items()} for row in report.frame_psnr],
        "starts": [file.start(number) for number in range(len(file.index))],
        "means": report.psnr,
        "fps": float(report.video.fps),
    }
    return Finding(FRAMES, f"PSNR by frame: {Path(report.output).name}", data)


def _has_data(finding: Finding) -> bool:
    return bool(finding.data.get("points", True))


def _tiles(report: EncodeReport) -> list[tuple[str, str]]:
    """The figures to see first: (name, value)."""
    tiles = [
        ("bytes", f"{report.size}"),
        ("bits a pixel", f"{report.bpp:.4f}"),
        ("kb/s", f"{report.bitrate:.1f}"),
        ("PSNR-YUV (6:1:1), dB", f"{report.psnr['yuv']:.2f}"),
    ]
    tiles += [(f"PSNR-{name.upper()}, dB", f"{value:.2f}") for name, value in report.psnr.items() if name != "yuv"]
    tiles += [(name.upper().replace("_", "-"), f"{value:.4f}") for name, value in report.metrics.items()]
    tiles.append(("parameters", f"{report.parameters}"))
    tiles.append(("kMAC a pixel", f"{report.macs_per_pixel / 1000:.3f}"))
    return [*tiles, ("seconds in all", f"{report.seconds['total']:.1f}")]


def _subtitle(report: EncodeReport) -> str:
    asked = "" if report.target is None else f", {100 * report.size / report.target:.2f} % of the bytes asked for"
    parts = f"{report.segments} segments" if report.segments > 1 else "one segment"
    return (
        f"{report.name}: {video_text(report.video)} → {report.output}, {parts}{asked}; MD5 of decoded planes "
        f"{report.md5}"
    )


def _about_fit(source: PageSource) -> str:
    """What the fit's curves are, and what they lack."""
    if not source.points:
        return "There is none to show: the fits had ended before this encode was resumed."
    resumed = " The encode was resumed: what came before is not shown." if source.settings.get("resume") else ""
    return (
        "PSNR and loss are means over recent training frames; size is the estimate that the fit is steered by; "
        f"dotted lines mark where stages begin.{resumed}"
    )


def _pictures(source: PageSource, file: NqFile) -> tuple[str, list[str]]:
    """(the frames as HTML, notes on what is missing)."""
    if source.clip is None:
        return "", ["no frames to look at: the clip came from standard input, which is read only once"]
    video = file.video
    decoder = Decoder(file)
    try:
        parts = []
        for number in _shown(video):
            original = next(source.clip.frames(number, 1))
            parts.append(_views(number, original, next(decoder.frames(number, number + 1)), video))
    except (NqError, StopIteration) as error:
        return "", [f"no frames to look at: {error or 'the clip is shorter than it was'}"]
    return "".join(parts), []


def _shown(video: Video) -> list[int]:
    """Numbers of the frames on the page."""
    return sorted({round(place * (video.frames - 1) / (SHOWN + 1)) for place in range(1, SHOWN + 1)})


def _motion(file: NqFile) -> str:
    """The shown frames that the file displaces its grids in, as it shows them, with the vectors, as HTML."""
    parts, decoder = list[str](), Decoder(file)
    holding = {
        number: next(one for one in range(len(file.index)) if number < file.start(one) + file.index[one].frames)
        for number in _shown(file.video)
    }
    # Entropy decoding of a large segment takes a second, so each is decoded once.
    networks = {segment: file.segment(segment).network for segment in set(holding.values())}
    for number, segment in holding.items():
        video = file.video.with_frames(file.index[segment].frames)
        found = displacements(networks[segment], video, number - file.start(segment))
        if found is not None:
            picture = to_rgb(next(decoder.frames(number, number + 1)), video, 8)
            image = f'<img alt="frame {number}" src="{data_uri(picture)}">'
            parts.append(f'<div>frame {number}<div class="moved">{image}{lines(found, video)}</div></div>')
    return "".join(parts)


def _about_motion(report: EncodeReport, motion: str) -> str:
    what = (
        "A line leads from each block to where the middle frame of its segment shows what is there."
        if motion
        else "The file displaces nothing: it has neither vectors nor a path of the camera."
    )
    return f"{what} {described(report.decisions)}".strip()


def _views(number: int, original: Frame, decoded: Frame, video: Video) -> str:
    """One frame: original, decoded, error."""
    first_psnr = psnr(original[0], decoded[0], video.depth)
    error = luma_error(decoded, original, video)
    views = [
        ("original", to_rgb(original, video, 8)),
        (f"decoded: PSNR-{'G' if video.is_rgb else 'Y'} {first_psnr:.2f} dB", to_rgb(decoded, video, 8)),
        ("error", error_colours(error)),
    ]
    cells = (f'<div>{name}<img alt="{name}" src="{data_uri(pixels)}"></div>' for name, pixels in views)
    return f'<div class="number">frame {number}</div>{"".join(cells)}'


def settings_shown(settings: Any, job: Any) -> dict[str, Any]:
    """What the page lists: every field of `EncodeSettings` and of the clip's `ClipInput` that was set."""
    options = {name: value for name, value in asdict(settings).items() if value is not None}
    clip = {f"input {name}": value for name, value in asdict(job.clip).items() if value not in {None, ""}}
    return {**clip, **options}
