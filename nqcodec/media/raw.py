"""Raw planar video (.yuv): streaming reader and writer.

The file is frames and nothing else: planes in order, rows in order, little-endian 16-bit samples above 8 bits
(`planar.py`). Options must say what it holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from nqcodec.errors import InputError
from nqcodec.media.output import ByteOutput
from nqcodec.media.planar import cut_short, read_planes
from nqcodec.media.stream import ByteStream
from nqcodec.media.text import counted
from nqcodec.media.video import Chroma, Frame, Video, frame_bytes

CSP = {"i400": Chroma.C400, "i420": Chroma.C420, "i422": Chroma.C422, "i444": Chroma.C444, "gbr": Chroma.C444}
"""Names of --input-csp; `gbr` is 4:4:4 whose planes are G, B, R."""


def csp_name(video: Video) -> str:
    """The --input-csp name of a clip's layout."""
    return "gbr" if video.is_rgb else f"i{video.chroma.name[1:]}"


class RawReader:
    """Frames of a raw stream.

    Attributes:
        video: the clip; `frames` is 0 for a pipe.

    Raises:
        InputError: the file's size is not a whole number of frames, or a pipe ends inside a frame.
    """

    def __init__(self, stream: ByteStream, video: Video) -> None:
        """Read `stream` as frames of `video`, whose `frames` is ignored."""
        self._stream, self.video = stream, video.with_frames(0)
        if stream.size is not None:
            self.video = video.with_frames(self._count(stream.size))

    def _count(self, size: int) -> int:
        count, rest = divmod(size, self.video.frame_bytes)
        if rest:
            v = self.video
            raise InputError(
                f"{self._stream.name}: {size} bytes are not a whole number of frames: a frame of {v.width}x{v.height} "
                f"{csp_name(v)} at {v.depth} bits has {v.frame_bytes} bytes, and {rest} bytes are left "
                f"after {counted(count, 'frame')}; check --input-res, --input-csp and --input-depth"
            )
        return count

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Frames from number `start` on, in order; may be called once."""
        passed = self._stream.skip(start * self.video.frame_bytes)
        if passed % self.video.frame_bytes:
            self._cut(passed // self.video.frame_bytes, passed % self.video.frame_bytes)
        index = start
        while self._stream.peek(1):
            yield read_planes(self._stream, self.video, index)
            index += 1

    def _cut(self, index: int, taken: int) -> None:
        size = self.video.frame_bytes
        raise cut_short(self._stream.name, index, index * size, taken, size)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


class RawWriter:
    """Writes planes as they are, so that the file's MD5 is the clip's hash (formats/nq.md 7): an RGB clip gives
    planes G, B, R, which FFmpeg calls gbrp and this package reads back as --input-csp gbr.
    """

    def __init__(self, output: ByteOutput, video: Video) -> None:
        self._output, self.video = output, video

    def write(self, frame: Frame) -> None:
        """Append a frame."""
        self._output.write(frame_bytes(frame))

    def close(self) -> None:
        """Finish the file."""
        self._output.commit()

    def abort(self) -> None:
        """Discard the file."""
        self._output.abort()
