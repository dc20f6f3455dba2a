"""`nqcodec.encode`, the encoder for Python callers (docs/python.md): its keywords are the options of
`nqcodec.encoder.options`.

Of the other public names, `decode` and `probe` are in `nqcodec.decoder.decoder`.
"""

from __future__ import annotations

import functools
import inspect
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Protocol

from nqcodec.decoder.device import check_device
from nqcodec.encoder.options import AnyPath, ClipOptions, EncodeSettings, RateOptions, part_of
from nqcodec.errors import UsageError
from nqcodec.media.video import Video

if TYPE_CHECKING:
    from nqcodec.encoder.progress import Event
    from nqcodec.encoder.report import EncodeReport
    from nqcodec.media.clip import ClipInput
    from nqcodec.media.temp_clip import Pictures

RAW_OPTIONS = ("input_csp", "input_depth", "input_res")
"""Those that only a file can need."""


@dataclass(frozen=True, kw_only=True)
class EncodeOptions(EncodeSettings, ClipOptions, RateOptions[float]):
    """The keywords of `encode`: the options of `nqenc` of the same names with the same defaults, but for `jobs`, and
    what only Python has."""

    jobs: int | None = 1
    """More start processes, which import the calling script: keep its work under `if __name__ == "__main__":`."""
    video: Video | None = None
    """What frames in memory are, where the arrays do not say it."""
    progress: Callable[[Event], None] | None = None


Keywords = ParamSpec("Keywords")


class Encode(Protocol[Keywords]):
    """A function of a source, an output, and options as keywords."""

    def __call__(
        self, source: AnyPath | Pictures, output: AnyPath, *args: Keywords.args, **options: Keywords.kwargs
    ) -> EncodeReport: ...


def _takes_keywords(
    options: Callable[Keywords, EncodeOptions],
) -> Callable[[Callable[[AnyPath | Pictures, AnyPath, EncodeOptions], EncodeReport]], Encode[Keywords]]:
    """Let a function of `EncodeOptions` be called with their fields as keywords, whose types and defaults it shows."""

    def decorate(function: Callable[[AnyPath | Pictures, AnyPath, EncodeOptions], EncodeReport]) -> Encode[Keywords]:
        @functools.wraps(function)
        def call(
            source: AnyPath | Pictures, output: AnyPath, *args: Keywords.args, **given: Keywords.kwargs
        ) -> EncodeReport:
            if unknown := given.keys() - {one.name for one in fields(EncodeOptions)}:
                raise TypeError(f"{function.__name__}() has no option {', '.join(sorted(unknown))}")
            return function(source, output, options(*args, **given))

        own, keywords = inspect.signature(function), inspect.signature(options)
        shown = [*list(own.parameters.values())[:2], *keywords.parameters.values()]
        call.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
        return call

    return decorate


@_takes_keywords(EncodeOptions)
def encode(source: AnyPath | Pictures, output: AnyPath, options: EncodeOptions) -> EncodeReport:
    """Encode a clip to a .nq file, as `nqenc` does.

    Args:
        source: a clip's path (.y4m, .yuv, a folder of PNGs, anything FFmpeg reads), or frames in memory: an iterable
            of planes (Y, U, V), of arrays [H, W] (luma alone) or [H, W, 3] (R'G'B'), or an array [T, H, W] or
            [T, H, W, 3]; uint8, or uint16 with `video`. An iterable is walked once, a frame at a time. An array
            [H, W] or [H, W, 3] is one picture; [3, H, W] is a UsageError, as it could mean two things.
        output: the file to write; it appears when it is complete and has been decoded by the real decoder. An
            existing file is replaced then, but never one that is read, which is a UsageError.
        quality, psnr, bpp, bitrate, params: at most one: a quality of 1 to 100, PSNR-YUV in dB, bits a luma pixel of
            the whole file, kb/s (1000 bits), or parameters of the network. Without one, `nqenc`'s default quality, or
            the network's own size with the option `arch_preset`.
        preset: ultrafast, fast, medium, slow or placebo.
        video: what frames in memory are, where the arrays do not say it: depth, colour, rate. Its `frames` is ignored.
        fps: frame rate of raw video, of PNGs, and of frames in memory without `video`; default 25.
        progress: called with an event for every stage and iteration.
        options: the further fields of `EncodeOptions`; `nqenc --help` says what each does.

    Returns:
        Figures of the file written: `path`, `size` in bytes, `bpp`, `bitrate`, `psnr` (dB by plane, means over frames),
        `frame_psnr`, `metrics` (means of what the option of that name asks for), `parts` (bytes), `seconds`, `md5` of
        the decoded planes.

    Raises:
        InputError, OutputError, RateError, UsageError, UnsupportedError, LimitError: one clear line each.
        TypeError: an option that does not exist.
    """
    from nqcodec.encoder.encode import encode as encode_clip
    from nqcodec.encoder.rate import rate_of

    given = options.bpp, options.bitrate, options.params, options.quality, options.psnr
    rate = None if options.arch_preset and given == (None,) * 5 else rate_of(*given)
    # Frames in memory are written to a file first, which would be work for nothing.
    check_device(options.device)
    with tempfile.TemporaryDirectory(prefix="nqcodec.") as folder:
        clip = _clip(source, options, Path(folder))
        return encode_clip(clip, Path(output), rate, part_of(options, EncodeSettings), options.progress)


def _clip(source: AnyPath | Pictures, options: EncodeOptions, folder: Path) -> ClipInput:
    """The clip to encode; frames in memory are written to `folder`."""
    from nqcodec.media.temp_clip import write_temp_clip

    video = options.video
    if isinstance(source, str | os.PathLike):
        if video is not None:
            raise UsageError("video= describes frames in memory; of a file, say input_res=, fps= and the like")
        return options.clip(os.fspath(source))
    if raw := [name for name in RAW_OPTIONS if getattr(options, name) is not None]:
        raise UsageError(f"{', '.join(raw)}: of a raw file; of frames in memory, say video=")
    if video is not None and options.fps is not None:
        raise UsageError("fps: video= has the frame rate already")
    clip = write_temp_clip(source, video, options.frame_rate(), folder)
    return replace(clip, start=options.seek, count=options.frames, coded_csp=options.csp, coded_depth=options.depth)
