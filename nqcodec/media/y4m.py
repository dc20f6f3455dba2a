"""YUV4MPEG2 (.y4m): streaming reader and writer.

A text line describes the clip, and each frame is a line that begins with FRAME followed by raw planes. The format
holds size, rational rate, sample aspect ratio, chroma format and depth, chroma sample location (of 8-bit 4:2:0 only)
and range; it has no RGB and no other colour description. Tags are those that FFmpeg, mpv, x264 and dav1d read:
C420jpeg, C420mpeg2, C420paldv, C422, C444, Cmono, with p<depth> (mono: the bare depth) above 8 bits. Of interlacing
only the fact is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from nqcodec.errors import InputError
from nqcodec.media.colour import as_yuv
from nqcodec.media.output import ByteOutput
from nqcodec.media.planar import cut_short, read_planes
from nqcodec.media.side_data import SideData
from nqcodec.media.stream import ByteStream
from nqcodec.media.video import Chroma, Colour, Frame, Video, frame_bytes

MAGIC = b"YUV4MPEG2"
_INTERLACED = frozenset("tbm")
"""Top or bottom field first, or both kinds of pictures; p is progressive."""
_LINE_LIMIT = 1 << 12
_COLOUR_TAG = re.compile(r"(420|422|444|mono)(?:(jpeg|mpeg2|paldv)|p?(9|10|11|12))?")
_CHROMA = {"mono": Chroma.C400, "420": Chroma.C420, "422": Chroma.C422, "444": Chroma.C444}
_LOCATION = {"mpeg2": 0, "jpeg": 1, "paldv": 2}
# A location that y4m cannot name takes the tag with its horizontal place: top and bottom centre, bottom left.
_TAG_OF_LOCATION = {0: "mpeg2", 1: "jpeg", 2: "paldv", 3: "jpeg", 4: "mpeg2", 5: "jpeg"}


class Y4mReader:
    """Frames of a y4m stream. In a regular file every frame header is visited first, so its length is known and a
    file that was cut is refused before any work is done.

    Attributes:
        video: the clip; `frames` is 0 for a pipe. `has_rate` is false where the stream says F0:0.
        side: whether it is interlaced.

    Raises:
        InputError: not y4m, a tag that is wrong or not supported, or a frame cut short.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.has_rate = True
        self.video = self._header()
        self._starts: list[int] = []
        if stream.size is not None:
            self._starts = self._index()
            self.video = self.video.with_frames(len(self._starts))

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Frames from number `start` on, in order; may be called once."""
        if self._stream.size is not None:
            for index in range(start, len(self._starts)):
                self._stream.seek(self._starts[index])
                yield read_planes(self._stream, self.video, index)
            return
        index = 0
        while self._frame_line(index):
            if index >= start:
                yield read_planes(self._stream, self.video, index)
            else:
                self._pass_over(index)
            index += 1

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def _index(self) -> list[int]:
        """Byte offset of the samples of each frame."""
        starts: list[int] = []
        while self._frame_line(len(starts)):
            starts.append(self._stream.offset)
            self._pass_over(len(starts) - 1)
        return starts

    def _pass_over(self, index: int) -> None:
        start = self._stream.offset
        taken = self._stream.skip(self.video.frame_bytes)
        if taken < self.video.frame_bytes:
            raise cut_short(self._stream.name, index, start, taken, self.video.frame_bytes)

    def _frame_line(self, index: int) -> bool:
        """Take the header line of frame `index`; False at the end of the stream."""
        start = self._stream.offset
        line = self._stream.line(_LINE_LIMIT)
        if not line:
            return False
        if line.endswith(b"\n") and line.rstrip(b"\n").split(b" ")[0] == b"FRAME":
            return True
        place = f"{self._stream.name}: frame {index} at byte {start}"
        if len(line) < _LINE_LIMIT and not line.endswith(b"\n") and b"FRAME".startswith(line[:5]):
            raise InputError(f"{place} is cut short inside its header; copy the whole clip")
        raise InputError(f"{place} does not begin with FRAME: the file is damaged, or its size or chroma tag is wrong")

    def _header(self) -> Video:
        line = self._stream.line(_LINE_LIMIT)
        if line.split(b" ")[0].rstrip(b"\n") != MAGIC:
            raise InputError(f"{self._stream.name}: not a y4m file: it does not begin with {MAGIC.decode()}")
        if not line.endswith(b"\n"):
            raise InputError(f"{self._stream.name}: the y4m header is cut short or longer than {_LINE_LIMIT} bytes")
        tags: dict[str, str] = {}
        for word in line.decode("ascii", "replace").split()[1:]:
            key, value = (word[0], word[1:]) if word[0] != "X" else (word.partition("=")[0], word.partition("=")[2])
            tags[key] = value
        rate, sar = self._ratio(tags, "F"), self._ratio(tags, "A")
        self.has_rate = rate is not None
        self.side = SideData(interlaced=tags.get("I") in _INTERLACED)
        chroma, depth, location = self._colour_tag(tags.get("C", "420"))
        colour = Colour(full_range=tags.get("XCOLORRANGE") == "FULL", chroma_location=location)
        width, height = self._size(tags, "W"), self._size(tags, "H")
        return Video(width, height, 0, rate or Fraction(25), chroma, depth, colour, sar or Fraction(1))

    def _bad_tag(self, key: str, value: str, wanted: str) -> InputError:
        return InputError(f"{self._stream.name}: y4m header tag {key}{value}: {wanted}")

    def _size(self, tags: dict[str, str], key: str) -> int:
        value = tags.get(key, "")
        if not re.fullmatch(r"0*[1-9][0-9]{0,9}", value):
            raise self._bad_tag(key, value, "a size of at least 1 is needed")
        return int(value)

    def _ratio(self, tags: dict[str, str], key: str) -> Fraction | None:
        """A tag of the form a:b; None where it is absent or says unknown (0:0)."""
        value = tags.get(key, "0:0")
        if not re.fullmatch(r"[0-9]{1,10}:[0-9]{1,10}", value):
            raise self._bad_tag(key, value, "a ratio such as 30000:1001 is needed")
        numerator, denominator = map(int, value.split(":"))
        return Fraction(numerator, denominator) if numerator and denominator else None

    def _colour_tag(self, value: str) -> tuple[Chroma, int, int]:
        """Chroma format, depth and chroma sample location of a C tag."""
        match = _COLOUR_TAG.fullmatch(value)
        if match is None:
            raise self._bad_tag(
                "C", value, "only 4:0:0, 4:2:0, 4:2:2 and 4:4:4 of 8 to 12 bits are supported; convert the clip first"
            )
        name, location, depth = match.groups()
        # Bare C420 means C420jpeg, as in mjpegtools and FFmpeg; above 8 bits the tag says nothing, hence 0.
        default = "jpeg" if value == "420" else "mpeg2"
        return _CHROMA[name], int(depth or 8), _LOCATION[location or default]


class Y4mWriter:
    """Writes frames as y4m. RGB clips are written as limited-range 4:4:4 (formats/nq.md 9), since y4m has no RGB:
    `video` is the clip as written, and frames given to `write` are frames of it.
    """

    def __init__(self, output: ByteOutput, video: Video) -> None:
        self._output, self.video = output, as_yuv(video)
        output.write(header(self.video))

    def write(self, frame: Frame) -> None:
        """Append a frame."""
        self._output.write(b"FRAME\n" + frame_bytes(frame))

    def close(self) -> None:
        """Finish the file."""
        self._output.commit()

    def abort(self) -> None:
        """Discard the file."""
        self._output.abort()


def header(video: Video) -> bytes:
    """The header line of a YUV clip."""
    name = "mono" if video.chroma is Chroma.C400 else video.chroma.name[1:]
    if video.depth > 8:
        name += str(video.depth) if video.chroma is Chroma.C400 else f"p{video.depth}"
    elif video.chroma is Chroma.C420:
        name += _TAG_OF_LOCATION.get(video.colour.chroma_location, "mpeg2")
    fps, sar = video.fps, video.sar
    level = "FULL" if video.colour.full_range else "LIMITED"
    return (
        f"{MAGIC.decode()} W{video.width} H{video.height} F{fps.numerator}:{fps.denominator} Ip "
        f"A{sar.numerator}:{sar.denominator} C{name} XCOLORRANGE={level}\n"
    ).encode("ascii")
