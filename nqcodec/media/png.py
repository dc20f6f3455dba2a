"""PNG pictures as frames: a folder, a numbered pattern such as frames/%05d.png, or one file.

Colour pictures are R'G'B' (planes G, B, R, full range, 8 bits); grey ones are full-range 4:0:0 of 8 bits, or of 12
from 16-bit files. Pixels pass through imageio with Pillow, which has no 16-bit RGB.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nqcodec.errors import InputError, OutputError, UnsupportedError
from nqcodec.media.atomic import output_error
from nqcodec.media.colour import relevel, to_rgb
from nqcodec.media.side_data import SideData
from nqcodec.media.stream import input_error
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Frame, Video

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NUMBER = re.compile(r"%(0\d+)?d")
_SRGB = Colour(primaries=1, transfer=13, matrix=MATRIX_IDENTITY, full_range=True)
"""A PNG that states no colour is sRGB: primaries of BT.709, the transfer function of IEC 61966-2-1."""
IN_FOLDER = "%05d.png"
"""Names of the pictures in a folder that is an output."""
FIRST_NUMBER = 0
"""Number of a clip's first picture: pictures are counted as frames are."""


def is_pattern(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a numbered pattern of PNGs."""
    name = os.fspath(path)
    return name.lower().endswith(".png") and _NUMBER.search(Path(name).name) is not None


def numbered(pattern: str | os.PathLike[str], number: int) -> Path:
    """The path of picture `number` under a pattern; only its last component counts."""
    path = Path(pattern)
    return path.with_name(_NUMBER.sub(lambda m: f"{number:{m.group(1) or ''}d}", path.name, count=1))


def present(pattern: Path) -> list[Path]:
    """The files that a pattern names, in order of their numbers; none where its folder cannot be read."""
    try:
        return [numbered(pattern, number) for number in sorted(_numbers(pattern))]
    except OSError:
        return []


def _numbers(pattern: Path) -> set[int]:
    """Numbers of the files that a pattern names; raises OSError."""
    match = _NUMBER.search(pattern.name)
    assert match is not None
    before, after = re.escape(pattern.name[: match.start()]), re.escape(pattern.name[match.end() :])
    digits = re.compile(f"{before}([0-9]+){after}")
    numbers = {int(m.group(1)) for entry in pattern.parent.iterdir() if (m := digits.fullmatch(entry.name))}
    return {number for number in numbers if numbered(pattern, number).is_file()}


@dataclass(frozen=True)
class _Picture:
    """The contents of a PNG's header."""

    width: int
    height: int
    grey: bool
    alpha: bool
    deep: bool

    @property
    def kind(self) -> tuple[int, int, bool, bool]:
        """The properties that all pictures of a clip must share."""
        return self.width, self.height, self.grey, self.deep

    def __str__(self) -> str:
        kind = ("grey" if self.grey else "RGB") + ("A" if self.alpha else "")
        return f"{self.width}x{self.height} {16 if self.deep else 8}-bit {kind}"


class PngReader:
    """Frames from PNGs in natural order of their names (2 before 10).

    A pattern needs every number from its smallest to its largest. An alpha channel is dropped where it is opaque.

    Attributes:
        video: the clip, its length known.
        side: the depth of 16-bit pictures.

    Raises:
        InputError: no PNG there, a number missing, a damaged picture, or pictures that differ in size or kind.
        UnsupportedError: 16-bit RGB, or imageio is missing.
    """

    def __init__(self, path: str | os.PathLike[str], fps: Fraction) -> None:
        self._pictures = [(name, _inspect(name)) for name in _find(Path(path))]
        first_path, first = self._pictures[0]
        for other, found in self._pictures:
            if found.kind != first.kind:
                raise InputError(f"{other}: is {found}, but {first_path.name} is {first}; all pictures must be alike")
        grey = Colour(_SRGB.primaries, _SRGB.transfer, full_range=True)
        chroma, colour = (Chroma.C400, grey) if first.grey else (Chroma.C444, _SRGB)
        depth = 12 if first.deep else 8
        self.side = SideData(depth=16 if first.deep else 0)
        self.video = Video(first.width, first.height, len(self._pictures), fps, chroma, depth, colour)

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Frames from number `start` on."""
        for path, picture in self._pictures[start:]:
            pixels = _read_pixels(path, picture)
            if picture.deep:
                yield (relevel(pixels, self.video.colour, 16, 12),)
            elif picture.grey:
                yield (pixels,)
            else:
                yield tuple(np.ascontiguousarray(pixels[:, :, channel]) for channel in (1, 2, 0))

    def close(self) -> None:
        """No file stays open."""


def _find(path: Path) -> list[Path]:
    """The pictures that a folder, pattern or file names, in order."""
    if not is_pattern(path):
        if not path.is_dir():
            return [path]
        found = [entry for entry in path.iterdir() if entry.suffix.lower() == ".png" and not entry.name.startswith(".")]
        if not found:
            raise InputError(f"{path}: the folder holds no PNG; give a folder of PNGs or a video file")
        return sorted(found, key=lambda entry: _natural(entry.name))
    try:
        numbers = _numbers(path)
    except OSError as error:
        raise input_error(str(path.parent), error) from error
    if not numbers:
        raise InputError(f"{path}: no file matches the pattern")
    for number in range(min(numbers), max(numbers)):
        if number not in numbers:
            raise InputError(f"{numbered(path, number)}: missing, though pictures up to number {max(numbers)} exist")
    return [numbered(path, number) for number in sorted(numbers)]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key: runs of digits as numbers."""
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _inspect(path: Path) -> _Picture:
    """Read a PNG's header chunk."""
    try:
        with path.open("rb") as stream:
            head = stream.read(26)
    except OSError as error:
        raise input_error(str(path), error) from error
    if not head:
        raise InputError(f"{path}: the file is empty")
    if len(head) < 26 or not head.startswith(_SIGNATURE) or head[12:16] != b"IHDR":
        raise InputError(f"{path}: not a PNG file, though its name says so")
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    depth, colour_type = head[24], head[25]
    picture = _Picture(width, height, grey=colour_type in {0, 4}, alpha=colour_type in {4, 6}, deep=depth == 16)
    if picture.deep and (not picture.grey or picture.alpha):
        raise UnsupportedError(f"{path}: {picture} PNG is not supported; convert it to 8 bits, or to a 12-bit .mkv")
    return picture


def _imageio() -> Any:
    try:
        import imageio.v3
    except ImportError as error:
        raise UnsupportedError("PNG needs imageio and Pillow, which are not installed; pip install imageio") from error
    return imageio.v3


def _read_pixels(path: Path, picture: _Picture) -> np.ndarray[Any, Any]:
    """Pixels [H, W] or [H, W, 3] of a picture, uint8, or uint16 where it is deep."""
    mode = "L" if picture.grey else "RGB"
    if picture.alpha:
        mode += "A"
    iio = _imageio()
    try:
        pixels = iio.imread(path, plugin="pillow", **({} if picture.deep else {"mode": mode}))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: damaged PNG: {error}") from error
    if pixels.shape[:2] != (picture.height, picture.width):
        raise InputError(f"{path}: damaged PNG: its pixels are not {picture.width}x{picture.height}")
    if mode.endswith("A"):
        if int(pixels[:, :, -1].min()) < 255:
            raise InputError(f"{path}: the picture is transparent in places; flatten it first")
        pixels = pixels[:, :, 0] if picture.grey else pixels[:, :, :3]
    return np.ascontiguousarray(pixels)


class PngWriter:
    """Writes frames as PNGs: R'G'B' of 8 bits, or grey of 8 bits, or of 16 where a 4:0:0 clip has more than 8; full
    range.

    Pictures wait in a hidden folder inside the destination and are moved to their names by `close`, replacing files of
    those names and leaving all others alone. The last folder of the path is made if it is missing.

    Attributes:
        video: the clip that `write` takes.
        depth: bits a sample of the pictures.

    Raises:
        OutputError: the system refuses, or one file name is given for a clip of many frames; nothing is left behind.
        UnsupportedError: see `colour.matrix_of`; imageio is missing.
    """

    def __init__(self, path: str | os.PathLike[str], video: Video, first: int = FIRST_NUMBER) -> None:
        """Write to a pattern, a single .png, or (any other path) a folder, in which pictures are named 00000.png
        on; `first` is the number of the first picture.
        """
        self.video, self._count, self._first = video, 0, first
        self.depth = 16 if video.chroma is Chroma.C400 and video.depth > 8 else 8
        self._single = Path(path).suffix.lower() == ".png" and not is_pattern(path)
        self._path = Path(path) if self._single or is_pattern(path) else Path(path) / IN_FOLDER
        self._folder = self._path.parent
        self._made = not self._folder.exists() and not self._single
        try:
            if self._made:
                self._folder.mkdir()
            self._temporary = Path(tempfile.mkdtemp(prefix=".nqcodec-", suffix=".tmp", dir=self._folder))
        except OSError as error:
            raise output_error(self._folder if self._made else self._path, error) from error

    def write(self, frame: Frame) -> None:
        """Write the next picture."""
        if self._single and self._count:
            self.abort()
            raise OutputError(
                f"{self._path}: names one picture, but the clip has more; use a pattern: {self._path.stem}_%05d.png"
            )
        video, depth = self.video, self.depth
        pixels: np.ndarray[Any, Any]
        if video.chroma is Chroma.C400:
            pixels = relevel(frame[0], video.colour, video.depth, depth).astype(np.uint8 if depth == 8 else np.uint16)
        else:
            pixels = to_rgb(frame, video, 8)
        target = self._temporary / numbered(self._path, self._first + self._count).name
        try:
            _imageio().imwrite(target, pixels, plugin="pillow", extension=".png")
        except OSError as error:
            self.abort()
            raise output_error(self._path, error) from error
        self._count += 1

    def close(self) -> None:
        """Move the pictures to their names."""
        try:
            for picture in sorted(self._temporary.iterdir()):
                os.replace(picture, self._folder / picture.name)
            self._temporary.rmdir()
        except OSError as error:
            self.abort()
            raise output_error(self._path, error) from error

    def abort(self) -> None:
        """Discard the pictures, and the folder if it was made here."""
        shutil.rmtree(self._temporary, ignore_errors=True)
        if self._made:
            with contextlib.suppress(OSError):
                self._folder.rmdir()
