"""Decoding: .nq file -> segments -> integer networks -> frames. Nothing here needs torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from nqcodec.bitstream.file import NqFile, read_file
from nqcodec.bitstream.stream import NqStream, SegmentEntry
from nqcodec.errors import HashError, LimitError, UsageError
from nqcodec.media.video import Frame, frame_bytes
from nqcodec.native.cpu import available_cores
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Limits
from nqcodec.synthesis.backends import Synthesizer, frames_of, open_frames
from nqcodec.synthesis.frame_parallel import FrameParallelSynthesizer


def plane_md5() -> hashlib._Hash:
    """A fresh MD5 for decoded planes: a checksum here, not a protection."""
    return hashlib.md5(usedforsecurity=False)


class EntryDecoder:
    """Decodes segments, whatever file or stream they come from.

    Args:
        backend: "cuda", "native" or "reference"; None takes the best present.
        threads: for entropy decoding and synthesis; None takes all cores.
        limits: what the file may ask for.
        verify: compare with the hashes in the file: frames with theirs, whole segments with theirs.
        low_memory: cut frames into bands: maps of a fraction of the memory, for more work (backend native).
    """

    def __init__(
        self,
        *,
        backend: str | None = None,
        threads: int | None = None,
        limits: Limits | None = None,
        verify: bool = True,
        low_memory: bool = False,
    ):
        self.backend, self.threads = backend, threads
        self.limits, self.verify, self.low_memory = limits or Limits(), verify, low_memory

    def open_entry(self, entry: SegmentEntry, count: int = 1) -> tuple[Synthesizer | FrameParallelSynthesizer, bytes]:
        """(synthesizer, MD5 in the file) of a segment, entropy-decoded and ready for `count` of its frames in order."""
        segment = entry.decode(self.limits, self.threads or available_cores())
        return self._open(entry, segment.network, count), segment.md5

    def _open(self, entry: SegmentEntry, network: IntegerNetwork, count: int) -> Synthesizer | FrameParallelSynthesizer:
        video, low = entry.video, self.low_memory
        try:
            return open_frames(
                network, video, entry.frames, count, self.backend, self.threads, self.limits, low_memory=low
            )
        except LimitError as error:
            raise LimitError(f"{entry.path}: {error}") from error

    def stream_frames(self, stream: NqStream) -> Iterator[Frame]:
        """All frames of a file as it arrives, those of a segment before the next one is waited for.

        Raises:
            OSError: as the stream does.
            FormatError, LimitError, UnsupportedError, HashError: as the file gives cause, once all frames before that
                have been given.
        """
        for entry in stream.segments():
            yield from self.entry_frames(entry, 0, entry.frames)

    def frames_of(self, file: NqFile, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames start..stop-1 of a file in order; raises as `Decoder.frames`."""
        stop = file.video.frames if stop is None else stop
        if not 0 <= start < stop <= file.video.frames:
            raise UsageError(f"{file.path}: frames {start}:{stop} are not within 0:{file.video.frames}")
        for entry in file.index:
            begin, end = max(start, entry.first) - entry.first, min(stop, entry.stop) - entry.first
            if begin < end:
                yield from self.entry_frames(entry, begin, end)

    def entry_frames(self, entry: SegmentEntry, begin: int, end: int) -> Iterator[Frame]:
        """Frames begin..end-1 of a segment, counted from its own first; raises as `Decoder.frames`."""
        digest, whole = plane_md5(), begin == 0 and end == entry.frames
        synthesizer, expected = self.open_entry(entry, end - begin)
        with synthesizer:
            for t, frame in enumerate(frames_of(synthesizer, begin, end), begin):
                if self.verify:
                    _check_frame(entry, t, frame)
                    if whole:
                        digest.update(frame_bytes(frame))
                yield frame
        if self.verify and whole and digest.digest() != expected:
            raise HashError(
                f"{entry.path}: segment {entry.number} decodes to MD5 {digest.hexdigest()}, "
                f"and the file says {expected.hex()}"
            )


def _check_frame(entry: SegmentEntry, t: int, frame: Frame) -> None:
    if not entry.frame_md5:
        return
    digest = plane_md5()
    digest.update(frame_bytes(frame))
    if digest.digest() != entry.frame_md5[t]:
        raise HashError(f"{entry.path}: frame {entry.first + t} differs from its hash in the file")


class Decoder(EntryDecoder):
    """Decodes any frames of one file; arguments as those of `EntryDecoder`."""

    def __init__(
        self,
        file: NqFile,
        *,
        backend: str | None = None,
        threads: int | None = None,
        limits: Limits | None = None,
        verify: bool = True,
        low_memory: bool = False,
    ):
        super().__init__(backend=backend, threads=threads, limits=limits, verify=verify, low_memory=low_memory)
        self.file = file

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames start..stop-1 in order, each decoded when asked for.

        Raises:
            UsageError: a range outside the clip.
            FormatError, LimitError, UnsupportedError: as the file gives cause.
            HashError: decoded planes differ from the file's hash.
        """
        return self.frames_of(self.file, start, stop)

    def open_segment(self, number: int, count: int = 1) -> tuple[Synthesizer | FrameParallelSynthesizer, bytes]:
        """(synthesizer, MD5 in the file) of a segment, entropy-decoded and ready for `count` of its frames in order."""
        return self.open_entry(self.file.index[number], count)

    def open_network(
        self, number: int, network: IntegerNetwork, count: int = 1
    ) -> Synthesizer | FrameParallelSynthesizer:
        """A synthesizer for a segment's network, for `count` frames in order."""
        return self._open(self.file.index[number], network, count)


def probe(path: str | Path) -> NqFile:
    """Describe a .nq file without decoding it.

    Returns:
        `video` (size, frames, fps, chroma format, depth, colour), `size` in bytes, `bpp`, `version`, and `index`, one
        entry a segment with its number of `frames`.

    Raises:
        InputError, FormatError, UnsupportedError, LimitError: as `nqcodec.bitstream.file.read_file`.
    """
    return read_file(path)


def decode(
    path: str | Path,
    *,
    start: int = 0,
    stop: int | None = None,
    backend: Literal["cuda", "native", "reference"] | None = None,
    threads: int | None = None,
    verify: bool = True,
) -> Iterator[Frame]:
    """Frames start..stop-1 of a .nq file, each decoded when asked for.

    Args:
        start, stop: half-open range of frames; `stop` None is the end. Any frame decodes alone.
        backend: None takes NQCODEC_BACKEND, else the best present; all give the same samples.
        threads: CPU threads; None takes all.
        verify: compare with the hashes in the file: a segment's when its last frame has been taken, a frame's, where
            the file has them, at once.

    Yields:
        A tuple of planes, (Y,) for 4:0:0, else (Y, U, V), or (G, B, R) where `probe(path).video.is_rgb`; each [H, W],
        uint8 at depth 8 and uint16 above, of the shapes in `probe(path).video.plane_shapes`. `nqcodec.to_rgb` makes an
        array [H, W, 3] of them.

    Raises:
        InputError, FormatError, UnsupportedError, LimitError: as the file gives cause.
        UsageError: a range outside the clip.
        HashError: the decoded planes differ from the file's hash.
    """
    return Decoder(read_file(path), backend=backend, threads=threads, verify=verify).frames(start, stop)
