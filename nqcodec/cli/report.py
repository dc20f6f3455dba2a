"""`EncodeReport` as a table for people."""

from __future__ import annotations

from nqcodec.encoder.report import EncodeReport
from nqcodec.media.text import counted

USED_SHARE = 0.97
"""Part of the bytes asked for below which a file says why it is smaller."""


def report_lines(report: EncodeReport) -> list[str]:
    """The table that nqenc ends with."""
    video = report.video
    lines = [
        "",
        f"{report.name} -> {'standard output' if report.output == '-' else report.output}",
        f"  video      {video.width}x{video.height} {'RGB' if video.is_rgb else video.chroma.label} {video.depth} bit, "
        f"{counted(video.frames, 'frame')} at {video.fps} fps, {counted(report.segments, 'segment')}",
        "  bytes      part                        bytes   share",
    ]
    lines += [_part_line(name, size, report.size) for name, size in report.parts.items()]
    lines.append(_part_line("total", report.size, report.size))
    lines.append(f"  rate       {_rate(report)}")
    quality = "  ".join(f"{name.upper()} {value:.2f}" for name, value in report.psnr.items())
    lines.append(f"  PSNR       {quality} dB (mean of per-frame dB; YUV = 6:1:1), decoded from the file")
    lines.append(f"             the fit ended with YUV {report.fit_psnr:.2f} dB")
    if report.metrics:
        shown = "  ".join(f"{name.upper().replace('_', '-')} {value:.4g}" for name, value in report.metrics.items())
        lines.append(f"  metrics    {shown} (mean over frames), decoded from the file")
    bits = 8 * report.size / report.parameters
    lines.append(
        f"  network    {report.parameters} parameters at {bits:.2f} bits, {report.macs_per_pixel / 1000:.3f} kMAC/pixel"
    )
    lines.append("  seconds    " + "  ".join(f"{stage} {value:.1f}" for stage, value in report.seconds.items()))
    lines.append(f"  MD5        {report.md5} (decoded planes)")
    return lines


def _part_line(name: str, size: int, total: int) -> str:
    return f"             {name:<24} {size:>8}  {100 * size / total:5.1f} %"


def _rate(report: EncodeReport) -> str:
    text = f"{report.bpp:.5f} bpp, {report.bitrate:.1f} kb/s"
    if report.asked and report.asked[0] == "quality":
        return f"{text}, at quality {report.asked[1]:g}"
    if report.asked and report.asked[0] == "psnr":
        text += f", for {report.asked[1]:g} dB PSNR-YUV"
        return f"{text}: warning: {report.missed_psnr}" if report.missed_psnr else text
    if report.target is None:
        return text
    text += f": {100 * report.size / report.target:.2f} % of the {report.target} bytes asked for"
    return f"{text}; the fit found no use for more" if report.size < USED_SHARE * report.target else text
