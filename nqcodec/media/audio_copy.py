"""Copies the audio of another file beside the pictures that are written: its packets, not coded again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from nqcodec.errors import InputError, OutputError
from nqcodec.media.libav import import_av, reason

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet


class AudioCopy:
    """The audio streams of a file, cut to what its pictures show.

    Packets keep their distance from the pictures: time 0 of the output is that of the first picture written.

    Raises:
        InputError: it cannot be read, or holds no audio.
    """

    def __init__(self, path: str | os.PathLike[str], begin: Fraction, length: Fraction) -> None:
        """Copy the audio from `begin` seconds after the first picture of `path` on, for `length` seconds."""
        self._av, self.name = import_av(), os.fspath(path)
        self._length, self._whole_start = length, not begin
        self._zero = self._first_picture() + begin
        self._container = self._open()
        self._streams = list(self._container.streams.audio)
        if not self._streams:
            self.close()
            raise InputError(f"{self.name}: holds no audio stream to copy")
        self._packets = self._shifted()
        self._next: tuple[Fraction, Packet[Any]] | None = None
        self._outputs: dict[int, Any] = {}

    def _open(self) -> Any:
        try:
            return self._av.open(self.name, mode="r")
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{self.name}: is no file that FFmpeg reads audio from ({reason(error)})") from error

    def _first_picture(self) -> Fraction:
        """Time of the first picture in seconds; 0 if there is none."""
        with self._open() as container:
            if not container.streams.video:
                return Fraction(0)
            try:
                picture = next(container.decode(container.streams.video[0]), None)
            except (self._av.FFmpegError, OSError) as error:
                raise InputError(f"{self.name}: its first picture cannot be decoded: {reason(error)}") from error
            if picture is None or picture.pts is None:
                return Fraction(0)
            return Fraction(picture.pts * picture.time_base)

    def attach(self, output: OutputContainer, path: str) -> None:
        """Give the output its audio streams, before anything is written; raises OutputError if it cannot hold them."""
        for stream in self._streams:
            codec = stream.codec_context.name if stream.codec_context else "unknown"
            try:
                self._outputs[stream.index] = output.add_stream_from_template(stream)
            except (self._av.FFmpegError, OSError, ValueError) as error:
                raise OutputError(
                    f"{path}: cannot hold the audio of {self.name} ({codec}) as it is: write .mkv"
                ) from error

    def write_until(self, output: OutputContainer, seconds: Fraction) -> None:
        """Write the packets that begin before `seconds` and have not been written."""
        while (found := self._next or next(self._packets, None)) is not None:
            self._next = found
            begin, packet = found
            if begin >= seconds:
                return
            output.mux(packet)
            self._next = None

    def _shifted(self) -> Iterator[tuple[Fraction, Packet[Any]]]:
        """(begin in seconds, packet) of the packets within the length, with the output's time stamps and stream."""
        try:
            for packet in self._container.demux(self._streams):
                if packet.pts is None or packet.time_base is None:
                    continue
                unit = Fraction(packet.time_base)
                begin = packet.pts * unit - self._zero
                # Packets before the first picture of the file are kept with it, because decoders need them to start.
                if begin + (packet.duration or 0) * unit <= 0 and not self._whole_start:
                    continue
                if begin >= self._length:
                    continue
                shift = round(self._zero / unit)
                packet.pts -= shift
                packet.dts = packet.pts if packet.dts is None else packet.dts - shift
                packet.stream = self._outputs[packet.stream.index]
                yield begin, packet
        except (self._av.FFmpegError, OSError) as error:
            raise InputError(f"{self.name}: its audio cannot be read: {reason(error)}") from error

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(self._av.FFmpegError, OSError, ValueError):
            self._container.close()
