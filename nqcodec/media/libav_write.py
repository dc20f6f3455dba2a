"""Clips written by FFmpeg through PyAV: .mp4, .mov, .m4v, .mkv, .webm. Lossless unless a codec is asked for.

Without a codec the first candidate of `_LOSSLESS` is taken that this FFmpeg has, that the container takes and that
holds the clip exactly; 9-bit and 11-bit clips may be held at the next depth that the codec knows, which loses
nothing. For a clip whose samples are not square, candidates that keep the aspect ratio in that container come first,
and for one with HDR10 values those that write them.
A chosen codec gets the nearest pixel format that it takes: chroma format and depth at least the clip's if it has one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nqcodec.errors import OutputError, UsageError
from nqcodec.media.atomic import REASONS, AtomicFile, output_error
from nqcodec.media.audio_copy import AudioCopy
from nqcodec.media.colour import as_rgb, as_yuv
from nqcodec.media.libav import DEPTHS, import_av, layout_of, pixel_format, plane_views, reason
from nqcodec.media.libav_metadata import HDR, MOST_RATE, FrameClock, representable, with_hdr
from nqcodec.media.metadata import Metadata
from nqcodec.media.scheduling import same_policy
from nqcodec.media.video import Chroma, Frame, Video

if TYPE_CHECKING:
    import av
    from av.packet import Packet

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's muxer by file extension."""
_PACKED_RGB = ("rgb24", "bgr24", "bgr0")
"""Packed twins of 8-bit gbrp, which swscale reaches exactly."""
_ISO = frozenset({"mp4", "mov"})
_MATROSKA = frozenset({"matroska"})
_X265 = {"x265-params": "lossless=1:keyint=1:log-level=none"}
"""Every frame intra: x265 4.2 says lossless of predicted frames too, but some noisy ones come back altered."""
_Layout = tuple[Chroma, int, bool]


@dataclass(frozen=True)
class _Candidate:
    """A codec that can be lossless, with the options that make it so."""

    codec: str
    muxers: frozenset[str]
    options: Mapping[str, str]
    sar_in: frozenset[str] = _ISO
    """Containers that keep its sample aspect ratio: PyAV cannot set Matroska's own, but a codec may carry one."""
    smallest: int = 1
    """Least width and height taken."""
    odd_sizes: bool = False
    """Whether a width or height that is no multiple of the chroma subsampling is taken."""
    grey: bool = True
    """Whether 4:0:0 comes back as such: FFmpeg's H.264 decoder makes 4:2:0 of it."""

    def takes(self, video: Video) -> bool:
        """Whether size and chroma format suit, whatever the depth."""
        sub_x, sub_y = video.chroma.sub
        even = video.width % sub_x == 0 and video.height % sub_y == 0
        large = min(video.width, video.height) >= self.smallest
        return large and (even or self.odd_sizes) and (self.grey or video.chroma is not Chroma.C400)


_LOSSLESS = (
    # FFV1 chooses its own number of slices, for threads, and finds none for some tiny pictures.
    _Candidate("ffv1", _MATROSKA, {"level": "3"}, smallest=32, odd_sizes=True),
    _Candidate("ffv1", _MATROSKA, {"level": "3", "slices": "1"}, odd_sizes=True),
    _Candidate("libx264", _ISO | _MATROSKA, {"qp": "0"}, _ISO | _MATROSKA, grey=False),
    _Candidate("libx264rgb", _ISO | _MATROSKA, {"qp": "0"}, _ISO | _MATROSKA),
    _Candidate("libx265", _ISO | _MATROSKA, _X265, _ISO | _MATROSKA, smallest=16),
    _Candidate("libvpx-vp9", frozenset({"mp4", "webm"}), {"lossless": "1"}, odd_sizes=True),
)


class LibavWriter:
    """Writes frames through an FFmpeg encoder, one every 1/fps or at the times of the metadata. `video` is the clip as
    written: frames given to `write` are frames of it. `written_metadata` is what of the metadata is written.

    Raises:
        OutputError: no codec can hold the clip, the codec refuses it or its options, or the system refuses; nothing
            is left behind then.
        UsageError: the codec has no option of a name given.
        UnsupportedError: PyAV is missing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        video: Video,
        codec: str | None = None,
        options: Mapping[str, str] | None = None,
        metadata: Metadata | None = None,
        audio: AudioCopy | None = None,
    ) -> None:
        """Open `path`; `codec` is an FFmpeg encoder's name and `options` its options, without which it is lossless.

        `audio` is written beside the pictures, and closed with the file.
        """
        self._av, self._path, self._count = import_av(), os.fspath(path), 0
        self._audio, metadata = audio, metadata or Metadata()
        if max(video.fps.numerator, video.fps.denominator) > MOST_RATE:
            raise OutputError(f"{self._path}: FFmpeg has no frame rate of {video.fps}: write .y4m or .yuv")
        muxer = CONTAINERS[os.path.splitext(self._path)[1].lower()]
        times = metadata.times if metadata.times and representable(metadata.times) else None
        self._clock, self._durations = FrameClock(video.fps, times), dict[int, int]()
        if codec is None:
            hdr = bool(metadata.mastering or metadata.light)
            self._codec, lossless, self._format = self._lossless(muxer, video, hdr)
            options = {**lossless, **(options or {})}
        else:
            self._codec, self._format = codec, self._nearest(codec, video)
        self.video = _written(video, _layout(self._format))
        options = with_hdr(self._codec, options or {}, metadata)
        self._file = AtomicFile(path)
        try:
            self._container = self._av.open(os.fspath(self._file.temporary), mode="w", format=muxer)
            self._stream = self._container.add_stream(self._codec, rate=video.fps, options=options)
            self._describe()
            self.written_metadata = self._describe_beside(replace(metadata, times=times, encoder=""))
            if audio:
                audio.attach(self._container, self._path)
            with same_policy():
                unknown = self._open_encoder(options or {})
        except (self._av.FFmpegError, OSError, ValueError) as error:
            self.abort()
            raise self._error(error) from error
        except BaseException:
            self.abort()
            raise
        if unknown:
            self.abort()
            raise UsageError(
                f"{self._path}: {self._codec} has no option {', '.join(unknown)}; "
                f"ffmpeg -h encoder={self._codec} lists those that it has"
            )

    def write(self, frame: Frame) -> None:
        """Encode the next frame."""
        try:
            picture = self._picture(frame)
            self._mux(self._stream.encode(picture))
            if self._audio:
                end = self._clock.stamp(self._count + 1) * self._clock.time_base
                self._audio.write_until(self._container, end)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            self.abort()
            raise self._error(error) from error
        self._count += 1

    def close(self) -> None:
        """Finish the stream and give the file its name."""
        try:
            self._mux(self._stream.encode(None))
            self._container.close()
        except (self._av.FFmpegError, OSError, ValueError) as error:
            self.abort()
            raise self._error(error) from error
        if self._audio:
            self._audio.close()
        self._file.commit()

    def abort(self) -> None:
        """Discard the file."""
        if hasattr(self, "_container"):
            with contextlib.suppress(self._av.FFmpegError, OSError, ValueError):
                self._container.close()
            # Encoders report when they are freed, which must not wait for whoever handles the error.
            vars(self).pop("_stream", None)
            del self._container
        if self._audio:
            self._audio.close()
        self._file.abort()

    def _mux(self, packets: list[Packet[Any]]) -> None:
        """Write packets, each with the duration of its frame, which encoders do not all pass on."""
        for packet in packets:
            if packet.pts in self._durations and packet.time_base == self._clock.time_base:
                packet.duration = self._durations.pop(packet.pts)
            self._container.mux(packet)

    def _describe_beside(self, metadata: Metadata) -> Metadata:
        """Set the container's display matrix; returns the part of the metadata that is written."""
        takes_matrix = hasattr(self._stream, "set_display_matrix")  # PyAV before version 18 has no such thing
        if metadata.matrix and takes_matrix:
            self._stream.set_display_matrix(metadata.matrix.values)
        kept = metadata if takes_matrix else replace(metadata, matrix=None)
        return kept if self._codec in HDR else replace(kept, mastering=None, light=None)

    def _describe(self) -> None:
        """Set the size, pixel format, time base, colour and aspect of the encoder."""
        video, context = self.video, self._stream.codec_context
        context.width, context.height, context.pix_fmt = video.width, video.height, self._format
        context.time_base = self._clock.time_base
        context.sample_aspect_ratio = video.sar
        context.color_primaries, context.color_trc = video.colour.primaries, video.colour.transfer
        context.colorspace, context.color_range = video.colour.matrix, 2 if video.colour.full_range else 1
        if video.chroma is Chroma.C420:
            # AVCHROMA_LOC_LEFT is 1 where type 0 of H.265 is.
            context.options = {**context.options, "chroma_sample_location": str(video.colour.chroma_location + 1)}

    def _open_encoder(self, options: Mapping[str, str]) -> list[str]:
        """Open the encoder, which takes the options that it knows; gives the names of those that it leaves."""
        context = self._stream.codec_context
        context.open(strict=False)
        return [name for name in options if name in context.options]

    def _picture(self, frame: Frame) -> av.VideoFrame:
        """A frame in FFmpeg's memory, with its time stamp."""
        video = self.video
        picture: av.VideoFrame = self._av.VideoFrame(video.width, video.height, pixel_format(video))
        for view, plane in zip(plane_views(picture, video), frame, strict=True):
            view[: plane.shape[0], : plane.shape[1]] = plane
        if self._format in _PACKED_RGB:
            picture = picture.reformat(format=self._format)
        picture.color_range, picture.colorspace = 2 if video.colour.full_range else 1, video.colour.matrix
        picture.pts, picture.time_base = self._clock.stamp(self._count), self._clock.time_base
        self._durations[picture.pts] = self._clock.duration(self._count)
        return picture

    def _lossless(self, muxer: str, video: Video, hdr: bool) -> tuple[str, Mapping[str, str], str]:
        """(codec, options, pixel format) of the first candidate that holds the clip exactly."""
        suited = [candidate for candidate in _LOSSLESS if muxer in candidate.muxers and candidate.takes(video)]
        if hdr:
            suited.sort(key=lambda candidate: candidate.codec not in HDR)
        if video.sar != 1:
            suited.sort(key=lambda candidate: muxer not in candidate.sar_in)
        for candidate in suited:
            formats = self._formats(candidate.codec)
            for depth in (depth for depth in DEPTHS if depth >= video.depth):
                wanted = (video.chroma, depth, video.is_rgb)
                exact = next((name for name in formats if _layout(name) == wanted), None)
                if exact is not None:
                    return candidate.codec, candidate.options, exact
        raise OutputError(
            f"{self._path}: this FFmpeg has no lossless codec for {video.width}x{video.height} {video.depth}-bit "
            f"{'RGB' if video.is_rgb else video.chroma.label} in {muxer}; write .mkv, .y4m or .yuv, or choose a codec"
        )

    def _formats(self, codec: str) -> list[str]:
        """Pixel formats that an encoder takes and that we can give; none where FFmpeg lacks the encoder."""
        try:
            formats = self._av.Codec(codec, "w").video_formats or []
        except (self._av.FFmpegError, ValueError):
            return []
        return [pixels.name for pixels in formats if _layout(pixels.name) is not None]

    def _nearest(self, codec: str, video: Video) -> str:
        """The pixel format of a chosen encoder that loses least: RGB or not, chroma, depth, in this order."""
        formats = self._formats(codec)
        if not formats:
            raise OutputError(f"{self._path}: this FFmpeg has no video encoder {codec}; choose another codec")

        def loss(name: str) -> tuple[bool, bool, bool, int, int]:
            chroma, depth, is_rgb = _layout(name) or (video.chroma, 0, False)
            distance = abs(chroma - video.chroma), abs(depth - video.depth)
            return is_rgb != video.is_rgb, chroma < video.chroma, depth < video.depth, *distance

        return min(formats, key=loss)

    def _error(self, error: Exception) -> OutputError:
        number: int = getattr(error, "errno", None) or 0
        if number in REASONS:
            return output_error(self._path, OSError(number, os.strerror(number)))
        return OutputError(f"{self._path}: {self._codec} cannot write this clip: {reason(error)}")


def _layout(name: str) -> _Layout | None:
    """`layout_of`, and the packed formats that stand for gbrp."""
    return (Chroma.C444, 8, True) if name in _PACKED_RGB else layout_of(name)


def _written(video: Video, layout: _Layout | None) -> Video:
    """The clip in a pixel format's chroma, depth and colour model."""
    assert layout is not None
    chroma, depth, is_rgb = layout
    if is_rgb:
        return video if video.is_rgb and depth == video.depth else as_rgb(video, depth)
    return replace(as_yuv(video), chroma=chroma, depth=depth)
