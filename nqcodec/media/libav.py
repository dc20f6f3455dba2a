"""Clips that FFmpeg reads (mp4, mkv, webm, ...), through PyAV.

Pixel formats. Planar gray, YUV 4:2:0, 4:2:2, 4:4:4 and GBR of 8, 9, 10 or 12 bits pass untouched (the J formats are
their full-range twins). Anything else goes through FFmpeg's swscale to the nearest of them that loses nothing, or
least: RGB and palettes to GBR; otherwise the coarsest chroma format that is at least as fine both ways (4:1:1 gives
4:2:2, 4:4:0 gives 4:4:4, 4:1:0 gives 4:2:0), at the smallest of these depths that is enough, or 12. Alpha is dropped.

Frames come in display order, one a coded picture; the rate is the stream's average one. Neither time stamps nor
rotation are applied: they are in `side`, with what else there is beside the pictures. PyAV does not give chroma
sample locations: they are taken as left (0), but centre (1) for Motion JPEG.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from nqcodec.errors import InputError, UnsupportedError
from nqcodec.media.side_data import SideData
from nqcodec.media.stream import ByteStream
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Frame, Plane, Video

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

DEPTHS = (8, 9, 10, 12)
"""Depths at which FFmpeg has every planar format."""
_LAYOUTS = {
    "gray": Chroma.C400,
    "yuv420p": Chroma.C420,
    "yuv422p": Chroma.C422,
    "yuv444p": Chroma.C444,
    "gbrp": Chroma.C444,
}
_TEXT_DEMUXERS = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""FFmpeg demuxers that render any text file as video."""
_RANGE_FULL = 2
"""AVCOL_RANGE_JPEG; limited range is 1, unspecified 0."""


def import_av() -> Any:
    """PyAV's module.

    Its `logging.set_level` must stay unused: the callback that it installs needs the interpreter's lock, so a decoder
    thread that logs while the lock's holder waits for that thread to end hangs for ever.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise UnsupportedError("this file needs PyAV, which is missing; pip install av, or use .y4m or .yuv") from error
    return av


def pixel_format(video: Video) -> str:
    """FFmpeg's name for a clip's planes; its depth is one of `DEPTHS`."""
    layout = "gbrp" if video.is_rgb else next(name for name, chroma in _LAYOUTS.items() if chroma is video.chroma)
    return layout + ("" if video.depth == 8 else f"{video.depth}le")


def layout_of(name: str) -> tuple[Chroma, int, bool] | None:
    """(chroma format, depth, is RGB) of an FFmpeg pixel format whose planes are ours as they stand, else None."""
    for layout, chroma in _LAYOUTS.items():
        for depth in DEPTHS:
            if name.replace("yuvj", "yuv") == layout + ("" if depth == 8 else f"{depth}le"):
                return chroma, depth, layout == "gbrp"
    return None


def nearest_layout(pixels: av.VideoFormat) -> tuple[Chroma, int, bool]:
    """(chroma format, depth, is RGB) of the planar format that any pixel format is converted to."""
    native = layout_of(pixels.name)
    if native is not None:
        return native
    colours = [component for component in pixels.components if not component.is_alpha]
    bits = max(component.bits for component in colours)
    depth = next((depth for depth in DEPTHS if depth >= bits), DEPTHS[-1])
    if pixels.is_rgb or pixels.has_palette:
        return Chroma.C444, depth, True
    if len(colours) < 3:
        return Chroma.C400, depth, False
    # chroma_width of 16 luma samples gives the subsampling.
    coarse_x, coarse_y = pixels.chroma_width(16) < 16, pixels.chroma_height(16) < 16
    if not coarse_x:
        return Chroma.C444, depth, False
    return (Chroma.C420 if coarse_y else Chroma.C422), depth, False


class LibavReader:
    """Frames of the first video stream of anything FFmpeg reads.

    Attributes:
        video: the clip; `frames` is 0, since containers only estimate it. `has_rate` is false where the file states
        none. `side` is what there is beside the pictures, as far as frames have been read.

    Raises:
        InputError: not a video, no video stream, damaged data, or a size that changes on the way.
    """

    def __init__(self, source: str | os.PathLike[str] | ByteStream) -> None:
        self._av = import_av()
        self.name = source.name if isinstance(source, ByteStream) else os.fspath(source)
        try:
            self._container: InputContainer = self._av.open(
                _Readable(source) if isinstance(source, ByteStream) else self.name, mode="r"
            )
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"{self.name}: not a video that FFmpeg reads ({reason(error)}); raw video needs the extension .yuv or "
                "--input-res"
            ) from error
        try:
            self._stream, self.video, self.has_rate = self._describe()
            self.side = self._beside(self._av.VideoFormat(self._stream.codec_context.pix_fmt))
        except BaseException:
            self._container.close()
            raise

    def _describe(self) -> tuple[VideoStream, Video, bool]:
        """The first video stream and what it holds."""
        if self._container.format.name in _TEXT_DEMUXERS:
            raise InputError(f"{self.name}: is text, not a video")
        if not self._container.streams.video:
            raise InputError(f"{self.name}: holds no video stream")
        stream = self._container.streams.video[0]
        context = stream.codec_context
        if context is None or not context.width or not context.height or context.pix_fmt is None:
            raise InputError(f"{self.name}: the video stream is damaged, or this FFmpeg has no decoder for it")
        chroma, depth, is_rgb = nearest_layout(self._av.VideoFormat(context.pix_fmt))
        matrix = int(context.colorspace)
        colour = Colour(
            primaries=int(context.color_primaries) or 2,
            transfer=int(context.color_trc) or 2,
            matrix=MATRIX_IDENTITY if is_rgb else matrix or 2,
            full_range=is_rgb or context.color_range == _RANGE_FULL or "yuvj" in context.pix_fmt,
            chroma_location=1 if context.name == "mjpeg" and chroma is Chroma.C420 else 0,
        )
        rate = stream.average_rate or stream.guessed_rate
        video = Video(context.width, context.height, 0, Fraction(rate or 25), chroma, depth, colour)
        sar = stream.sample_aspect_ratio or context.sample_aspect_ratio
        stream.thread_type = "AUTO"
        return stream, replace(video, sar=Fraction(sar or 1)), bool(rate)

    def _beside(self, pixels: av.VideoFormat) -> SideData:
        """What the container and the pixel format state beside the pictures."""
        streams = self._container.streams
        bits = max((component.bits for component in pixels.components if not component.is_alpha), default=0)
        return SideData(
            audio=tuple(map(_codec_name, streams.audio)),
            subtitles=tuple(map(_codec_name, streams.subtitles)),
            alpha=any(component.is_alpha for component in pixels.components),
            depth=bits if bits > DEPTHS[-1] else 0,
        )

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Frames from number `start` on, in display order; may be called once. Those before are decoded and
        dropped.
        """
        index = 0
        wanted = pixel_format(self.video)
        try:
            for picture in self._container.decode(self._stream):
                self.side.see(picture)
                if index >= start:
                    yield self._planes(picture, wanted, index)
                index += 1
        except (self._av.FFmpegError, OSError) as error:
            raise InputError(f"{self.name}: frame {index} cannot be decoded: {reason(error)}") from error

    def _planes(self, picture: av.VideoFrame, wanted: str, index: int) -> Frame:
        if (picture.width, picture.height) != (self.video.width, self.video.height):
            raise InputError(
                f"{self.name}: frame {index} is {picture.width}x{picture.height}, but the stream says "
                f"{self.video.width}x{self.video.height}; cut the clip where its size changes"
            )
        if picture.format.name.replace("yuvj", "yuv") != wanted:
            picture = picture.reformat(format=wanted)
        return tuple(
            view[: shape[0], : shape[1]].copy()
            for view, shape in zip(plane_views(picture, self.video), self.video.plane_shapes, strict=True)
        )

    def close(self) -> None:
        """Close the container."""
        self._container.close()


def _codec_name(stream: av.stream.Stream) -> str:
    """The codec of a stream; "unknown" where this FFmpeg has no decoder for it."""
    return stream.codec_context.name if stream.codec_context else "unknown"


class _Readable:
    """A forward-only file object for PyAV, which would seek if it could."""

    def __init__(self, stream: ByteStream) -> None:
        self.name, self.read = stream.name, stream.read


def plane_views(picture: av.VideoFrame, video: Video) -> list[Plane]:
    """Writable views [H, line] of a planar picture's memory, lines padded as FFmpeg wants, in the order of our
    planes.
    """
    size = video.dtype.itemsize
    return [
        np.frombuffer(plane, video.dtype).reshape(-1, plane.line_size // size)  # type: ignore[call-overload]
        for plane in picture.planes
    ]


def reason(error: Exception) -> str:
    """The message of FFmpeg or the system, without the file's name."""
    return getattr(error, "strerror", None) or str(error)
