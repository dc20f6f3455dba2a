"""Making rows: encode, decode from the file written, measure. The same frames go into every encoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nqcodec.bitstream.file import read_file
from nqcodec.compare.anchors import GOP, Anchor, decoded, encode_anchor
from nqcodec.compare.configurations import Configuration
from nqcodec.compare.quality import measure
from nqcodec.compare.rows import ANCHOR, OURS, RDPoint, digest
from nqcodec.decoder.decoder import Decoder, plane_md5
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate, segment_budgets
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.errors import OutputError, UsageError
from nqcodec.media.clip import ClipInput
from nqcodec.media.colour import convert
from nqcodec.media.libav import import_av
from nqcodec.media.text import counted
from nqcodec.media.video import Frame, Video, frame_bytes
from nqcodec.version import __version__

Progress = Callable[[Event], None]
STREAMS = "streams"
"""Folder of the encoded files, within a comparison's."""
_OWN_RATE = "own"
_DECODES, _DECODE_SECONDS = 3, 2.0
"""Decodes that are timed at most, and seconds after which no further one begins."""


@dataclass(frozen=True)
class Clip:
    """The clip that all codecs are given, as it will be coded.

    Attributes:
        md5: of its planes, as `nqdec --md5` counts it.
    """

    source: ClipInput
    video: Video
    md5: str

    @classmethod
    def of(cls, source: ClipInput) -> Clip:
        """Read a clip once; raises InputError, and UsageError for standard input, which can be read only once."""
        if source.path == "-":
            raise UsageError("a comparison reads its clip many times: name a file instead of -")
        video, planes = source.describe(), plane_md5()
        for frame in source.frames():
            planes.update(frame_bytes(frame))
        return cls(source, video, planes.hexdigest())


def anchor_settings(clip: Clip, anchor: Anchor, rate: float, gop: int) -> dict[str, object]:
    """Everything that decides an anchor's bytes."""
    versions = import_av().library_versions
    made_by = f"libavcodec {'.'.join(map(str, versions['libavcodec']))}"
    return {"clip_md5": clip.md5, **anchor.settings, "rate": rate, "gop": gop, "made_by": made_by}


def anchor_row(clip: Clip, anchor: Anchor, rate: float, folder: Path, gop: int = GOP) -> RDPoint:
    """Encode a clip with an anchor at one rate factor and measure the file.

    Raises:
        UnsupportedError, InputError, OutputError: as `encode_anchor` and `decoded`.
    """
    name = f"{STREAMS}/{anchor.name.replace(':', '-')}_{rate:g}.{anchor.stream}"
    path = _made(folder, name)
    done = encode_anchor(clip.source.frames, clip.video, anchor, rate, path, gop)
    pictures = (_as(frame, video, clip.video) for frame, video in decoded(path))
    facts = {"key_frames": done.key_frames, "remarks_removed_bytes": done.removed}
    return _row(
        clip,
        pictures,
        folder,
        codec=anchor.name,
        label=anchor.label,
        kind=ANCHOR,
        asked=rate,
        settings=anchor_settings(clip, anchor, rate, gop),
        file=name,
        encode_seconds=done.seconds,
        decode_seconds=decode_seconds(path, lambda: decoded(path), clip.video.frames),
        facts=facts,
    )


def whole_task(clip: Clip, configuration: Configuration, bpp: float) -> SegmentTask:
    """The whole clip as the one segment that the encoder makes of it; raises RateError if headers do not fit."""
    video, size = clip.video, Rate(bpp=bpp).file_bytes(clip.video)
    assert size is not None
    budgets = tuple(segment_budgets(size, [video.frames], False, video))
    settings = configuration.encode_settings()
    return SegmentTask(clip.source.name, clip.source, 0, 0, video, video, budgets, None, settings, Path())


def configuration_settings(
    clip: Clip, configuration: Configuration, rates: tuple[Rate | None, ...], rate: Rate | None
) -> dict[str, object]:
    """Everything that decides the bytes of a file of ours at `rate`, fitted once for `rates`."""
    fields = configuration.encode_settings().fingerprint()
    made_by = f"nqcodec {__version__}"
    return {
        "clip_md5": clip.md5,
        **fields,
        "csp": configuration.csp,
        (rate.name if rate else "bpp"): rate and rate.value,
        "rates_of_fit": [one and one.value for one in rates],
        "made_by": made_by,
    }


def configuration_rows(
    clip: Clip,
    configuration: Configuration,
    rates: tuple[Rate | None, ...],
    folder: Path,
    progress: Progress | None = None,
) -> list[RDPoint]:
    """Encode a clip with nqcodec at several rates from one fit, and measure the files.

    Args:
        rates: of one kind; None is the network's own size.

    Raises:
        NqError: as `nqcodec.encoder.encode.encode_clips`.
    """
    from nqcodec.encoder.clip_job import ClipJob, Output
    from nqcodec.encoder.encode import encode_clips

    safe = configuration.name.replace("/", "-").replace(" ", "_")
    names = [f"{STREAMS}/{safe}_{_rate_word(rate)}.nq" for rate in rates]
    outputs = [Output(_made(folder, name), rate) for name, rate in zip(names, rates, strict=True)]
    source = replace(clip.source, coded_csp=configuration.csp or clip.source.coded_csp)
    begin = time.perf_counter()
    reports = encode_clips([ClipJob(source, tuple(outputs))], configuration.encode_settings(), progress)
    seconds = time.perf_counter() - begin
    rows = []
    for name, rate, report in zip(names, rates, reports, strict=True):
        facts = {
            "parameters": report.parameters,
            "kmac_per_pixel": report.macs_per_pixel / 1000,
            "planes_md5": report.md5,
            "segments": report.segments,
            "seconds_by_stage": report.seconds,
            "files_of_this_encode": len(rates),
        }
        settings = configuration_settings(clip, configuration, rates, rate)
        rows.append(_nq_row(clip, configuration, rate, folder, name, seconds, settings, facts))
    return rows


def _rate_word(rate: Rate | None) -> str:
    """A rate in the name of a file: a number alone is bpp."""
    if rate is None:
        return _OWN_RATE
    return f"{'' if rate.name == 'bpp' else rate.name}{rate.value:g}"


def _nq_row(
    clip: Clip,
    configuration: Configuration,
    rate: Rate | None,
    folder: Path,
    name: str,
    seconds: float,
    settings: dict[str, object],
    facts: dict[str, Any],
) -> RDPoint:
    path = folder / name
    return _row(
        clip,
        file_frames(path, clip.video),
        folder,
        codec=configuration.name,
        label=configuration.label,
        kind=OURS,
        asked=rate.value if rate else None,
        settings=settings,
        file=name,
        encode_seconds=seconds,
        decode_seconds=decode_seconds(path, lambda: Decoder(read_file(path), verify=False).frames(), clip.video.frames),
        facts=facts,
    )


def decode_seconds(path: Path, frames: Callable[[], Iterator[Any]], count: int) -> float:
    """Wall clock of a decode to planes in memory: the shortest of up to three, as long as they are short.

    Raises:
        OutputError: it gives another number of frames than `count`.
    """
    times: list[float] = []
    while len(times) < _DECODES and sum(times) < _DECODE_SECONDS:
        begin = time.perf_counter()
        given = sum(1 for _ in frames())
        times.append(time.perf_counter() - begin)
        if given != count:
            raise OutputError(f"{path}: decodes to {counted(given, 'frame')} instead of {count}")
    return min(times)


def file_frames(path: Path, video: Video) -> Iterator[Frame]:
    """Frames of any file of a comparison, in the format of the clip; raises as its decoder does."""
    if path.suffix == ".nq":
        file = read_file(path)
        return (_as(frame, file.video, video) for frame in Decoder(file).frames())
    return (_as(frame, shown, video) for frame, shown in decoded(path))


def _row(clip: Clip, pictures: Iterator[Frame], folder: Path, **known: Any) -> RDPoint:
    """A row from what is known of a file and its decoded pictures."""
    path, video = folder / known["file"], clip.video
    quality = measure(clip.source.frames(), pictures, video)
    size = path.stat().st_size
    return RDPoint(
        size=size,
        digest=digest(path),
        bpp=8 * size / video.pixels,
        kbps=8 * size / 1000 * float(video.fps) / video.frames,
        frames=video.frames,
        quality=quality.means(),
        frame_quality=quality.rows,
        **known,
    )


def _as(frame: Frame, shown: Video, video: Video) -> Frame:
    """A decoded frame in the clip's own format: planes as they are where chroma and depth are the clip's."""
    if (shown.chroma, shown.depth, shown.is_rgb) == (video.chroma, video.depth, video.is_rgb):
        return frame
    return convert(frame, replace(shown, fps=video.fps), video)


def _made(folder: Path, name: str) -> Path:
    """The path of a file in a folder that exists from now on; raises OutputError."""
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror}") from error
    return path
