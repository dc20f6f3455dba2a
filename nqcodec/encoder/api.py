"""`nqcodec.encode`, the encoder for Python callers (docs/python.md): options become the settings of
`nqcodec.encoder.encode`.

Of the other public names, `decode` and `probe` are in `nqcodec.decoder.decoder`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from nqcodec.decoder.device import check_device
from nqcodec.errors import UsageError
from nqcodec.media.video import Video

if TYPE_CHECKING:
    from nqcodec.encoder.report import EncodeReport
    from nqcodec.encoder.segment_job import EncodeSettings, Event
    from nqcodec.media.clip import ClipInput
    from nqcodec.media.temp_clip import Pictures

AnyPath = str | os.PathLike[str]


class EncodeOptions(TypedDict, total=False):
    """What else `encode` may be told; the same as `nqenc`'s options of these names, and the same defaults."""

    steps: int
    """Optimizer steps of a fit, instead of the preset's."""
    arch: str
    """Backbone."""
    arch_preset: str
    """A published network exactly as published; then no rate is needed."""
    method: Literal["auto", "rate-aware", "plain"]
    motion: Literal["auto", "none"]
    segment: int | Literal["auto"] | None
    """Segments begin at scene cuts ("auto"), there and after at most so many frames, or there is one (None)."""
    hashes: Literal["segment", "frame"]
    """`nqenc --hash`."""
    metadata: bool
    """Keep what the source has beside its pictures, and name encoder and settings; False is `nqenc --no-metadata`."""
    save_fit: AnyPath
    fit: AnyPath
    resume: bool
    """Go on from the checkpoints that an interrupted encode to this output left."""
    fresh: bool
    """Start anew although there are such checkpoints; without either they are a UsageError."""
    seed: int
    device: str
    threads: int
    jobs: int
    """Segments fitted at the same time, default 1. More start processes, which import the calling script: keep its work
    under `if __name__ == "__main__":`."""
    coder: Literal["native", "python", "torchac"]
    metrics: Sequence[str]
    """What else to measure of the decoded frames of the finished file, of "ssim", "ms-ssim" and "vmaf"."""
    recipe: str
    """This and the next eight: how a plain fit departs from the preset, `nqcodec.encoder.segment_job.FitOptions`."""
    loss: str
    optimizer: str
    schedule: str
    ema: float
    coarse: float
    prune: float
    quant_noise: int
    patch: tuple[int, int]
    """(width, height)."""
    input_res: tuple[int, int]
    """(width, height) of a raw .yuv."""
    input_csp: str
    input_depth: int
    seek: int
    frames: int
    csp: str
    depth: int


CLIP_OPTIONS = {
    "input_res": "input_res",
    "input_csp": "csp",
    "input_depth": "depth",
    "seek": "start",
    "frames": "count",
    "csp": "coded_csp",
    "depth": "coded_depth",
}
"""Options that are fields of `nqcodec.media.clip.ClipInput`, with the fields' names."""
RAW_OPTIONS = {"input_res", "input_csp", "input_depth"}
"""Those that only a file can need."""


def encode(
    source: AnyPath | Pictures,
    output: AnyPath,
    *,
    bpp: float | None = None,
    bitrate: float | None = None,
    params: int | None = None,
    preset: str = "medium",
    video: Video | None = None,
    fps: Fraction | float | str | None = None,
    progress: Callable[[Event], None] | None = None,
    **options: Unpack[EncodeOptions],
) -> EncodeReport:
    """Encode a clip to a .nq file, as `nqenc` does.

    Args:
        source: a clip's path (.y4m, .yuv, a folder of PNGs, anything FFmpeg reads), or frames in memory: an iterable
            of planes (Y, U, V), of arrays [H, W] (luma alone) or [H, W, 3] (R'G'B'), or an array [T, H, W] or
            [T, H, W, 3]; uint8, or uint16 with `video`. An iterable is walked once, a frame at a time. An array
            [H, W] or [H, W, 3] is one picture; [3, H, W] is a UsageError, as it could mean two things.
        output: the file to write; it appears when it is complete and has been decoded by the real decoder. An
            existing file is replaced then, but never one that is read, which is a UsageError.
        bpp, bitrate, params: exactly one: bits a luma pixel of the whole file, kb/s (1000 bits), or parameters of the
            network. None with the option `arch_preset`.
        preset: ultrafast, fast, medium, slow or placebo.
        video: what frames in memory are, where the arrays do not say it: depth, colour, rate. Its `frames` is ignored.
        fps: frame rate of raw video, of PNGs, and of frames in memory without `video`; default 25.
        progress: is told of every stage and step.
        options: the fields of `EncodeOptions`.

    Returns:
        Figures of the file written: `path`, `size` in bytes, `bpp`, `bitrate`, `psnr` (dB by plane, means over frames),
        `frame_psnr`, `metrics` (means of what the option of that name asks for), `parts` (bytes), `seconds`, `md5` of
        the decoded planes.

    Raises:
        InputError, OutputError, RateError, UsageError, UnsupportedError, LimitError: one clear line each.
        TypeError: an option that does not exist.
    """
    from nqcodec.encoder.encode import encode as encode_clip
    from nqcodec.encoder.rate import Rate

    unknown = options.keys() - EncodeOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"encode() has no option {', '.join(sorted(unknown))}")
    unsized = "arch_preset" in options and (bpp, bitrate, params) == (None, None, None)
    rate = None if unsized else Rate(bpp, bitrate, params)
    # Frames in memory are written to a file first, which would be work for nothing.
    check_device(options.get("device", "cpu"))
    with tempfile.TemporaryDirectory(prefix="nqcodec.") as folder:
        clip = _clip(source, video, fps, dict(options), Path(folder))
        return encode_clip(clip, Path(output), rate, _settings(preset, dict(options)), progress)


def _settings(preset: str, options: dict[str, Any]) -> EncodeSettings:
    """The options that all segments share, as the encoder takes them."""
    from nqcodec.encoder.segment_job import EncodeSettings, FitOptions

    plain = {field.name for field in fields(FitOptions)} & options.keys()
    values = {name: value for name, value in options.items() if name not in {*CLIP_OPTIONS, *plain}}
    values["fit_options"] = FitOptions(**{name: options[name] for name in plain})
    if "fit" in values:
        values["fit_file"] = values.pop("fit")
    for name in ("save_fit", "fit_file"):
        if values.get(name) is not None:
            values[name] = Path(values[name])
    return EncodeSettings(**{"preset": preset, "jobs": 1, **values})


def _clip(
    source: AnyPath | Pictures,
    video: Video | None,
    fps: Fraction | float | str | None,
    options: dict[str, Any],
    folder: Path,
) -> ClipInput:
    """The clip to encode; frames in memory are written to `folder`."""
    from nqcodec.media.clip import ClipInput
    from nqcodec.media.temp_clip import spool

    rate = None if fps is None else _rational(fps)
    said = {CLIP_OPTIONS[name]: value for name, value in options.items() if name in CLIP_OPTIONS}
    if isinstance(source, str | os.PathLike):
        if video is not None:
            raise UsageError("video= describes frames in memory; of a file, say input_res=, fps= and the like")
        return ClipInput(os.fspath(source), fps=rate, **said)
    if raw := RAW_OPTIONS & options.keys():
        raise UsageError(f"{', '.join(sorted(raw))}: of a raw file; of frames in memory, say video=")
    if video is not None and fps is not None:
        raise UsageError("fps: video= has the frame rate already")
    return replace(spool(source, video, rate, folder), **said)


def _rational(fps: Fraction | float | str) -> Fraction:
    """A frame rate; a float as it is written, so 29.97 is 2997/100. Raises UsageError."""
    try:
        rate = Fraction(str(fps))
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"fps={fps!r}: write a number or a fraction, such as '30000/1001'") from error
    if rate <= 0:
        raise UsageError(f"fps={fps}: a frame rate is positive")
    return rate
