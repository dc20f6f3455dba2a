"""Cutting and joining .nq files at the borders of segments, whose bytes stay as they are (formats/nq.md, 2)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nqcodec.bitstream.chunks import Chunk, pack_chunk
from nqcodec.bitstream.file import NqFile
from nqcodec.bitstream.header import VIDEO_FIELDS
from nqcodec.bitstream.metadata import CLIP, ENCODER, PARSERS, ClipStart, pack_clip
from nqcodec.bitstream.stream import PROGRAM, SegmentEntry
from nqcodec.bitstream.writer import NqWriter
from nqcodec.errors import InputError, LimitError, UsageError
from nqcodec.network.program import Limits

Write = Callable[[bytes], object]


@dataclass(frozen=True)
class Part:
    """A segment of a file to be written, and the clip that begins with it there."""

    entry: SegmentEntry
    clip: ClipStart | None


def cut_file(file: NqFile, start: int, stop: int, write: Write) -> None:
    """Write frames start..stop-1 of a file as a file of their own.

    A clip that was under way goes on under its name, and says with which of its frames.

    Raises:
        UsageError: there is no border of segments at one of the two; the text names the nearest.
    """
    borders = [0, *(entry.stop for entry in file.index)]
    if not {start, stop} <= set(borders):
        nearest = " and ".join(_nearest(borders, frame) for frame in (start, stop) if frame not in borders)
        raise UsageError(
            f"{file.path}: {start}:{stop} does not begin and end at borders of segments, which alone can be cut: "
            f"nearest are {nearest}"
        )
    entries = [entry for entry in file.index if start <= entry.first < stop]
    parts = [Part(entry, entry.clip) for entry in entries]
    if file.clips and not entries[0].clip:
        under_way = next(clip for clip in reversed(file.clips) if clip.first <= start)
        if under_way.name:
            parts[0] = Part(entries[0], ClipStart(under_way.name, under_way.start + start - under_way.first))
    _write(file.chunks, parts, write)


def _nearest(borders: Sequence[int], frame: int) -> str:
    """The borders on both sides of a frame, in words."""
    before, after = borders[bisect_left(borders, frame) - 1], borders[bisect_right(borders, frame)]
    return f"{before} and {after} for {frame}"


def join_files(files: Sequence[NqFile], write: Write, *, clips: bool = False) -> list[str]:
    """Write several files as one, their frames one after another; returns a line for each thing that is left out.

    Args:
        files: of one picture format.
        write: takes the bytes.
        clips: begin a clip, named as the file, where a file does not say that one begins; so it is in any case where
            the file would else seem to be a part of the clip before it.

    Raises:
        InputError: the files' pictures or display differ.
        LimitError: more frames than a file may have.
    """
    first = files[0]
    for file in files[1:]:
        _check_format(first, file)
    frames = sum(file.video.frames for file in files)
    try:
        Limits().check(frames=frames)
    except LimitError as error:
        raise LimitError(f"joined, {error}") from error
    parts: list[Part] = []
    named = False
    for file in files:
        begins = _begins(file, parts, named=clips or named)
        parts.append(Part(file.index[0], begins))
        parts += [Part(entry, entry.clip) for entry in file.index[1:]]
        named = named or any(part.clip for part in parts)
    about, lost = _about(files)
    _write(about, parts, write)
    return lost


def _begins(file: NqFile, before: Sequence[Part], *, named: bool) -> ClipStart | None:
    """The clip that begins with a file which follows others; None where one goes on that was cut there."""
    begins = file.index[0].clip
    if begins is None:
        return ClipStart(Path(file.path).stem) if named else None
    return None if before and begins == _follow_up(before) else begins


def _follow_up(parts: Sequence[Part]) -> ClipStart | None:
    """What a clip that is under way after these segments would say of its next one."""
    frames = 0
    for part in reversed(parts):
        frames += part.entry.frames
        if part.clip:
            return ClipStart(part.clip.name, part.clip.start + frames)
    return None


def _check_format(first: NqFile, other: NqFile) -> None:
    """Raise InputError unless two files have pictures of one format, shown alike."""
    for field in VIDEO_FIELDS:
        one, two = field.get(first.video), field.get(other.video)
        if one != two:
            raise InputError(
                f"{other.path}: {field.name} is {two}, and {one} in {first.path}: only files of one picture format "
                "can be joined"
            )
    for kind in (kind for kind in PARSERS if kind != ENCODER):
        if _payload(first, kind) != _payload(other, kind):
            raise InputError(
                f"{other.path}: its {kind} ({PARSERS[kind][0]}) is not that of {first.path}, and a file has one for "
                "all of its frames: encode one of them again with --no-metadata"
            )


def _payload(file: NqFile, kind: str) -> bytes | None:
    return next((chunk.payload for chunk in file.chunks if chunk.kind == kind), None)


def _about(files: Sequence[NqFile]) -> tuple[tuple[Chunk, ...], list[str]]:
    """(chunks about the whole video that all files have alike, a line for each that is left out)."""
    kept, lost = [max((file.chunks[0] for file in files), key=lambda header: header.payload[1])], []
    for chunk in files[0].chunks[1:]:
        if all(any(chunk.kind == one.kind and chunk.payload == one.payload for one in file.chunks) for file in files):
            kept.append(chunk)
    kinds = {chunk.kind for file in files for chunk in file.chunks[1:]} - {chunk.kind for chunk in kept}
    names = {ENCODER: "encoder and settings, which differ"}
    lost = [f"left out: {names.get(kind, f'chunk {kind}, which differs')}" for kind in sorted(kinds)]
    return tuple(kept), lost


def _write(about: Sequence[Chunk], parts: Sequence[Part], write: Write) -> None:
    """Write a file of segments as they are."""
    writer = NqWriter(write, [chunk.packed for chunk in about])
    for part in parts:
        entry = part.entry
        takes = entry.head.takes_program
        if takes and entry.program:
            writer.program(entry.program.payload)
        chunks = [pack_chunk(CLIP, pack_clip(part.clip))] if part.clip else []
        chunks += [chunk.packed for chunk in entry.before if chunk.kind not in (CLIP, PROGRAM)]
        writer.chunks(entry.frames, [*chunks, entry.chunk.packed], takes_program=takes)
    writer.finish()
