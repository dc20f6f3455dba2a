"""Conventional codecs to compare with: libx264, libx265 and libsvtav1 through PyAV.

A file is the bare stream, without a container. What encoders write about themselves is taken out. One thread, since
the number of threads changes what x264 and x265 make; the same settings then give the same bytes.

Each encode has a process of its own, at the scheduling policy of the caller's: SVT-AV1, run as root, gives its process
and all its threads real-time priority, and a fit that inherited it would leave the machine no time for anything else.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nqcodec.compare.annexb import without_remarks
from nqcodec.compare.fresh_process import in_fresh_process
from nqcodec.errors import OutputError, UnsupportedError, UsageError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.libav import LibavReader, import_av, pixel_format, plane_views, reason
from nqcodec.media.scheduling import same_policy
from nqcodec.media.text import counted
from nqcodec.media.video import Chroma, Frame, Video

GOP = 250
"""Frames from one key frame to the next at most, the default of x264 and x265; encoders may add some at cuts."""


@dataclass(frozen=True)
class Anchor:
    """An encoder with its settings.

    Attributes:
        name: as the user calls it, with the speed where it is not the default one.
        label: for tables and legends.
        encoder: FFmpeg's name.
        stream: "h264", "hevc" or "obu", FFmpeg's name of the bare stream and the file's extension.
        speed: value of the encoder's option `preset`.
        rates: constant rate factors, from best to worst.
        options: further options, with {rate} where the rate factor goes. x265 hashes its pictures, which checks the
            decode; the hashes are then removed.
    """

    name: str
    label: str
    encoder: str
    stream: str
    speed: str
    rates: tuple[float, ...]
    options: Mapping[str, str]

    def options_at(self, rate: float) -> dict[str, str]:
        """The options for one rate factor."""
        return {name: value.format(rate=f"{rate:g}") for name, value in self.options.items()}

    @property
    def settings(self) -> dict[str, object]:
        """What decides the bytes beside frames, rate and GOP, as plain data."""
        return {"encoder": self.encoder, "preset": self.speed, "options": dict(self.options)}


_X26X_RATES = (18.0, 22.0, 26.0, 30.0, 34.0, 38.0, 42.0, 46.0)
_SVT_RATES = (20.0, 32.0, 42.0, 50.0, 56.0, 60.0, 63.0, 66.0, 70.0)
_X264 = {"crf": "{rate}", "threads": "1"}
_X265 = {"crf": "{rate}", "x265-params": "info=0:hash=1:pools=none:frame-threads=1:log-level=none"}
_SVT = {"svtav1-params": "lp=1:crf={rate}"}
"""FFmpeg's own option crf ends at 63, SVT-AV1's at 70."""

ANCHORS: dict[str, Anchor] = {
    anchor.name: anchor
    for anchor in (
        Anchor("x264", "x264", "libx264", "h264", "veryslow", _X26X_RATES, _X264),
        Anchor("x265", "x265", "libx265", "hevc", "veryslow", _X26X_RATES, _X265),
        Anchor("svt-av1", "SVT-AV1 preset", "libsvtav1", "obu", "2", _SVT_RATES, _SVT),
    )
}
"""By name: veryslow, and the preset of SVT-AV1 that takes about as long as x265's. Rates cover about 29 to 42 dB
PSNR-YUV of common clips."""

_TUNES = {"x264": {"tune": "psnr"}, "x265": {"tune": "psnr"}, "svt-av1": {}}
"""SVT-AV1 is tuned for PSNR by default, the others for the eye."""


FrameSource = Callable[[], Iterable[Frame]]
"""Gives a clip's frames anew at each call; goes through pickle."""


@dataclass(frozen=True)
class _Stream:
    """What an encoder made: `AnchorFile` has the same attributes; `data` are the bytes of the file."""

    data: bytes
    removed: int
    seconds: float
    frames: int
    key_frames: int


@dataclass(frozen=True)
class AnchorFile:
    """An encode that was written.

    Attributes:
        size: bytes of the file.
        removed: bytes of remarks and hashes that the encoder had written besides.
        seconds: wall clock in the encoder, without reading the clip.
        key_frames: how many frames start anew.
    """

    path: Path
    size: int
    removed: int
    seconds: float
    frames: int
    key_frames: int


def anchor_named(text: str) -> Anchor:
    """The anchor NAME[:SPEED][:psnr], such as x264, x264:medium, svt-av1:6 or x265:veryslow:psnr (tuned for PSNR).

    Raises:
        UsageError: there is no such anchor.
    """
    name, *rest = text.split(":")
    if name not in ANCHORS or len(rest) > 2:
        raise UsageError(f"there is no anchor {text}: choose of {', '.join(ANCHORS)}, each as NAME[:SPEED][:psnr]")
    anchor = ANCHORS[name]
    tuned = bool(rest) and rest[-1] == "psnr"
    speed = next((word for word in rest[: len(rest) - tuned]), anchor.speed)
    options = {**anchor.options, **(_TUNES[name] if tuned else {})}
    label = f"{anchor.label} {speed}" + (", tune psnr" if tuned else "")
    return replace(anchor, name=text, label=label, speed=speed, options=options)


def check_anchor(anchor: Anchor, video: Video) -> str:
    """The pixel format that an anchor takes `video` in, exactly as it is.

    Raises:
        UnsupportedError: PyAV or the encoder is missing, or it does not take such clips.
    """
    av = import_av()
    try:
        formats = {pixels.name for pixels in av.Codec(anchor.encoder, "w").video_formats or []}
    except (av.FFmpegError, ValueError) as error:
        raise UnsupportedError(f"this FFmpeg lacks {anchor.encoder}: leave {anchor.name} out") from error
    shown = "RGB" if video.is_rgb else video.chroma.label
    odd = video.width % video.chroma.sub[0] or video.height % video.chroma.sub[1]
    if odd and anchor.stream != "obu":
        raise UnsupportedError(f"{anchor.name} takes no {shown} of odd size {video.width}x{video.height}: leave it out")
    name = pixel_format(video)
    # FFmpeg's H.264 decoder gives grey back as 4:2:0.
    if name not in formats or (video.chroma is Chroma.C400 and anchor.stream == "h264"):
        raise UnsupportedError(f"{anchor.name} takes no {shown} of {video.depth} bits: leave it out")
    return name


def encode_anchor(
    frames: FrameSource, video: Video, anchor: Anchor, rate: float, path: Path, gop: int = GOP
) -> AnchorFile:
    """Encode frames to a bare stream at `path`, and check that it decodes to as many pictures.

    The encoder runs in a fresh process, which is gone afterwards; this process keeps its scheduling policy.

    Args:
        frames: gives the frames of `video`.
        rate: constant rate factor of the encoder.
        gop: most frames between key frames.

    Raises:
        UnsupportedError: as `check_anchor`.
        OutputError: the encoder fails, its stream does not decode, or the file cannot be written.
        NqError: as `frames` does, or where the encoder's process is killed.
    """
    check_anchor(anchor, video)
    name = f"{path}: {anchor.name} at {rate:g}"
    stream = in_fresh_process(_encoded, frames, video, anchor, rate, path, gop, name=name)
    with AtomicFile(path) as file:
        file.write(stream.data)
    return AnchorFile(path, len(stream.data), stream.removed, stream.seconds, stream.frames, stream.key_frames)


def _encoded(frames: FrameSource, video: Video, anchor: Anchor, rate: float, path: Path, gop: int) -> _Stream:
    """`encode_anchor` but for the file; `path` is named in errors."""
    av, pixels = import_av(), check_anchor(anchor, video)
    try:
        with _quiet_svt():
            packets, count, seconds = _encode(av, frames(), video, anchor, rate, gop, pixels)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise OutputError(f"{path}: {anchor.name} at {rate:g} fails: {reason(error)}") from error
    whole = b"".join(data for data, _ in packets)
    kept = whole if anchor.stream == "obu" else without_remarks(whole, anchor.stream)
    _check_decode(whole, anchor, count, path)
    return _Stream(kept, len(whole) - len(kept), seconds, count, sum(is_key for _, is_key in packets))


def decoded(path: Path) -> Iterator[tuple[Frame, Video]]:
    """Frames of a bare stream from its file, each with what it is a frame of; raises InputError."""
    reader = LibavReader(path)
    try:
        for frame in reader.frames():
            yield frame, reader.video
    finally:
        reader.close()


def _encode(
    av: Any, frames: Iterable[Frame], video: Video, anchor: Anchor, rate: float, gop: int, pixels: str
) -> tuple[list[tuple[bytes, bool]], int, float]:
    """(packets as bytes and whether they are key frames, frames given, seconds in the encoder)."""
    context = av.CodecContext.create(anchor.encoder, "w")
    context.width, context.height, context.pix_fmt = video.width, video.height, pixels
    context.time_base, context.framerate, context.sample_aspect_ratio = 1 / video.fps, video.fps, video.sar
    context.color_primaries, context.color_trc = video.colour.primaries, video.colour.transfer
    context.colorspace, context.color_range = video.colour.matrix, 2 if video.colour.full_range else 1
    context.gop_size = gop
    context.options = {"preset": anchor.speed, **anchor.options_at(rate)}
    packets: list[tuple[bytes, bool]] = []
    count, begin = 0, time.perf_counter()
    with same_policy():
        context.open()
    seconds = time.perf_counter() - begin

    def feed(picture: Any) -> float:
        begin = time.perf_counter()
        packets.extend((bytes(packet), packet.is_keyframe) for packet in context.encode(picture))
        return time.perf_counter() - begin

    for frame in frames:
        picture = av.VideoFrame(video.width, video.height, pixels)
        for view, plane in zip(plane_views(picture, video), frame, strict=True):
            view[: plane.shape[0], : plane.shape[1]] = plane
        picture.pts, picture.time_base = count, 1 / video.fps
        picture.color_range, picture.colorspace = context.color_range, context.colorspace
        seconds += feed(picture)
        count += 1
    return packets, count, seconds + feed(None)


def _check_decode(stream: bytes, anchor: Anchor, frames: int, path: Path) -> None:
    """Decode a stream as the encoder wrote it, comparing with the hashes of its pictures where it holds them.

    Raises:
        OutputError: it decodes to other pictures than the encoder's own (some options of x265 4.2 make such streams),
            to another number of them, or not at all.
    """
    av = import_av()
    count = 0
    try:
        with av.open(io.BytesIO(stream), format=anchor.stream) as container:
            source = container.streams.video[0]
            source.codec_context.options = {"err_detect": "crccheck+explode"}
            for _ in container.decode(source):
                count += 1
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise OutputError(f"{path}: what {anchor.name} made does not decode as it should: {reason(error)}") from error
    if count != frames:
        raise OutputError(f"{path}: what {anchor.name} made decodes to {counted(count, 'frame')} instead of {frames}")


@contextmanager
def _quiet_svt() -> Iterator[None]:
    """SVT-AV1 writes its settings to standard error unless this variable asks it for errors only."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
        else:
            os.environ["SVT_LOG"] = before
