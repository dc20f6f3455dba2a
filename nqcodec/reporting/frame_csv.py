"""`nqenc --csv`: one line a frame of the decoded file."""

from __future__ import annotations

from pathlib import Path

from nqcodec.bitstream.file import read_file
from nqcodec.encoder.report import EncodeReport
from nqcodec.media.atomic import AtomicFile
from nqcodec.reporting.finding import Table, csv_text


def write_frame_csv(report: EncodeReport, path: Path) -> None:
    """Frame, time in seconds, segment, the segment's bytes a frame, PSNR in dB by plane, what --metrics named, MD5.

    A frame has no bytes of its own: all of a segment's serve all of its frames.

    Raises:
        OutputError: the table cannot be written.
        InputError: the encoded file is gone.
    """
    index = read_file(report.output).index
    places = [(entry.number, entry.size / entry.frames) for entry in index for _ in range(entry.frames)]
    more = report.frame_metrics or [{} for _ in report.frame_psnr]
    quality = [{**psnr, **metrics} for psnr, metrics in zip(report.frame_psnr, more, strict=True)]
    names = list(quality[0])
    rows = [
        [number, float(number / report.video.fps), segment, each, *row.values(), md5]
        for number, ((segment, each), row, md5) in enumerate(zip(places, quality, report.frame_md5, strict=True))
    ]
    table = Table(["frame", "seconds", "segment", "segment_bytes_a_frame", *names, "md5"], rows)
    with AtomicFile(path) as file:
        file.write(csv_text(table).encode())
