"""The output of nqdec, opened with the file's metadata and another file's audio; warnings for what it cannot hold."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from nqcodec.bitstream.file import NqFile
from nqcodec.bitstream.stream import NqStream
from nqcodec.cli.common import Level, say
from nqcodec.media.metadata import Metadata
from nqcodec.media.sink import Sink, open_sink

if TYPE_CHECKING:
    from nqcodec.cli.nqdec_options import NqdecOptions
    from nqcodec.media.audio_copy import AudioCopy


def open_output(
    file: NqFile | NqStream, output: str, frames: tuple[int, int], options: NqdecOptions, first: int
) -> Sink:
    """A sink named `output` for a range of frames, or all of a stream, as nqdec's options ask for it.

    `first` is the number of the first frame in the names of pictures.

    Raises:
        UsageError, OutputError, InputError, UnsupportedError: as `open_sink` and `AudioCopy`.
    """
    start, stop = frames
    metadata = file.metadata.cut(start, stop)
    audio = open_audio(file, start, stop, options.audio) if options.audio and isinstance(file, NqFile) else None
    try:
        sink = open_sink(
            output,
            file.video.with_frames(stop - start),
            codec=options.codec,
            options=dict(options.codec_options) or None,
            raw=options.raw,
            first=first,
            metadata=metadata,
            audio=audio,
        )
    except BaseException:
        if audio:
            audio.close()
        raise
    for warning in losses(sink, metadata):
        say(f"warning: {warning}", Level.WARNING)
    return sink


def open_audio(file: NqFile, start: int, stop: int, original: str) -> AudioCopy:
    """The audio of the file `original` for frames start..stop-1."""
    from nqcodec.media.audio_copy import AudioCopy

    times, fps = file.metadata.times, file.video.fps
    if times:
        begin, length = (times.start + times.ticks(start)) * times.tick, times.ticks(stop) - times.ticks(start)
        return AudioCopy(original, begin, length * times.tick)
    return AudioCopy(original, start / fps, Fraction(stop - start) / fps)


def losses(sink: Sink, metadata: Metadata) -> list[str]:
    """A line for each thing that the output lacks of what the file has."""
    video, written, name = sink.video, sink.written, "standard output" if sink.name == "-" else sink.name
    lines = []
    if sink.depth < video.depth:
        lines.append(f"{name}: has {sink.depth} bits a sample, and the clip {video.depth}: .y4m, .yuv keep them all")
    if written.chroma < video.chroma and not video.is_rgb:
        lines.append(f"{name}: is {written.chroma.label}, and the clip {video.chroma.label}: .y4m, .yuv keep it")
    kept = sink.written_metadata
    names = {
        "varying frame times": (metadata.times and not metadata.times.constant(video.fps), kept.times),
        "mastering display": (metadata.mastering, kept.mastering),
        "content light level": (metadata.light, kept.light),
        "display matrix": (metadata.matrix, kept.matrix),
    }
    lost = [name for name, (there, held) in names.items() if there and not held]
    if lost:
        lines.append(f"{name}: does not hold the clip's {', '.join(lost)}")
    return lines
