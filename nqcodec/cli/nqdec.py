"""nqdec: decode, verify, describe and time .nq files."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from nqcodec.bitstream.file import Clip, NqFile
from nqcodec.bitstream.stream import NqStream
from nqcodec.cli.checks import check_decoding
from nqcodec.cli.common import (
    CONTEXT,
    Level,
    guarded,
    log_options,
    say,
    version_option,
    version_text,
)
from nqcodec.cli.existing import may_replace
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.log import native_silence
from nqcodec.cli.nq_input import STDIN, open_nq, open_stdin, reading_stdin
from nqcodec.cli.nqdec_options import NQDEC, NqdecOptions
from nqcodec.cli.options import options_of
from nqcodec.cli.progress import Bar, FrameProgressJson, progress_bar, progress_option
from nqcodec.cli.results import check_save, save_json
from nqcodec.decoder.decoder import EntryDecoder, plane_md5
from nqcodec.errors import HashError, InputError, NqError, OutputError, UsageError
from nqcodec.media.positions import parse_range
from nqcodec.media.text import counted
from nqcodec.media.video import Frame, frame_bytes
from nqcodec.network.program import Limits
from nqcodec.synthesis.backends import choose


@click.command(cls=HelpCommand, page=NQDEC, context_settings=CONTEXT)
@click.argument("source", metavar="FILE.nq|-", required=False)
@progress_option
@version_option
@guarded
@log_options
@options_of(NqdecOptions)
def main(options: NqdecOptions) -> None:
    """Decode a .nq file to video.

    FILE.nq may be - for standard input. The output is exact: the same file gives the same samples on every machine and
    backend, and is checked against the hash in the file. Without -o it is decoded and checked, and nothing is written.
    """
    named = [source for source in (options.source, options.named_source) if source is not None]
    if len(named) != 1:
        raise UsageError("name one .nq file to decode (nqdec FILE.nq -o OUT)")
    (path,) = named
    check_save(options.save, [path], [options.output])
    limits = Limits.parse(options.limits)
    check_decoding(options)
    say(version_text, Level.DEBUG)
    if options.info:
        show_info(open_nq(path, limits), limits, options)
    elif options.bench:
        show_bench(open_nq(path, limits), limits, options)
    elif path == options.output == "-" and options.frames is None and options.clip is None:
        run(open_stdin(limits), limits, options)
    else:
        run(open_nq(path, limits, partly=True), limits, options)


def show_info(file: NqFile, limits: Limits, options: NqdecOptions) -> None:
    """--info."""
    from nqcodec.cli.info import file_info, info_lines

    info = file_info(file, limits)
    save_json(options.save, info)
    click.echo(json.dumps(info) if options.as_json else "\n".join(info_lines(info)))


@dataclass(frozen=True)
class Chosen:
    """The frames that --clip and --frames ask for.

    Attributes:
        start, stop: half-open range of the file's frames.
        first: number of the first one as --frames counts.
    """

    start: int
    stop: int
    first: int

    @staticmethod
    def of(file: NqFile, options: NqdecOptions) -> Chosen:
        """By default all; raises UsageError for what the file does not have."""
        clip = Clip("", 0, file.video.frames) if options.clip is None else file.clip(options.clip)
        first, last = 0, clip.frames
        if options.frames is not None:
            first, last = parse_range(options.frames, clip.frames, file.video.fps)
        return Chosen(clip.first + first, clip.first + last, first)


def show_bench(file: NqFile, limits: Limits, options: NqdecOptions) -> None:
    """--bench."""
    if file.path == STDIN:
        raise UsageError("--bench times reading too, which standard input allows only once: name a file")
    from nqcodec.decoder.timing import bench_decode, bench_lines

    chosen = Chosen.of(file, options)
    frames = chosen.start, chosen.stop
    result = bench_decode(file, options.backend, options.threads, frames, limits=limits, low_memory=options.low_memory)
    save_json(options.save, result)
    click.echo(json.dumps(result) if options.as_json else "\n".join(bench_lines(result)))


def run(file: NqFile | NqStream, limits: Limits, options: NqdecOptions) -> None:
    """Decode, write, hash and compare; of a stream, whose frames nobody has counted yet, all there are."""
    chosen = Chosen(0, 0, 0) if isinstance(file, NqStream) else Chosen.of(file, options)
    start, stop = chosen.start, chosen.stop
    expected = read_expected(options.verify)
    if options.audio and not options.output:
        raise UsageError("--audio FILE: name the output as well, with -o OUT.mkv")
    if options.output == "-" and (options.md5 or options.as_json):
        raise UsageError("stdout is the video with -o -: ask for --md5 and --json with a file")
    if options.output:
        from nqcodec.media.outputs import decoded_files, existing_files, refuse_sources

        refuse_sources(decoded_files(options.output), [file.path, options.audio])
        outputs = existing_files(options.output, range(chosen.first, chosen.first + stop - start))
        may_replace(outputs, options.overwrite, options.no_overwrite)
    if isinstance(file, NqFile) and file.damage and options.output != "-":
        raise whole_part_named(file)
    decoder = EntryDecoder(
        backend=options.backend,
        threads=options.threads,
        limits=limits,
        verify=not options.no_verify,
        low_memory=options.low_memory,
    )
    say(lambda: _settings(file, start, stop, choose(options.backend)), Level.DEBUG)
    # The file's own hashes are the decoder's to check; this one is for whoever asks to see or compare it.
    digest = plane_md5() if options.md5 or options.as_json or options.save or expected else None
    begin = time.perf_counter()
    with native_silence(options.quiet), frame_progress(file.path, stop - start, options) as bar:
        decoded = frames_of(file, decoder, start, stop)
        frames = write_frames(decoded, file, chosen, options, expected, digest, bar)
    seconds = time.perf_counter() - begin
    report(file, options, digest.hexdigest() if digest else "", frames, seconds)


def _settings(file: NqFile | NqStream, start: int, stop: int, backend: str) -> str:
    """What is decoded, and by what."""
    if isinstance(file, NqStream):
        return f"a stream, backend {backend}"
    return f"frames {start}:{stop}, backend {backend}, segments {len(file.index)}"


def whole_part_named(file: NqFile) -> NqError:
    """The error of a damaged file, which says how to get at what stands before the damage."""
    error, frames = file.damage, file.video.frames
    assert error is not None
    error.args = (
        f"{error}; the {counted(frames, 'frame')} before it: nqdec -o - plays them, and nqtool cut {file.path} "
        f"0:{frames} -o OUT.nq keeps them",
    )
    return error


def frames_of(file: NqFile | NqStream, decoder: EntryDecoder, start: int, stop: int) -> Iterator[Frame]:
    """The frames, and where a file is damaged behind them, its error."""
    if isinstance(file, NqStream):
        with reading_stdin():
            yield from decoder.stream_frames(file)
        return
    yield from decoder.frames_of(file, start, stop)
    if file.damage and stop == file.video.frames:
        raise file.damage


def frame_progress(name: str, frames: int, options: NqdecOptions) -> Bar:
    """The progress display that --progress asks for; its `update` is called for every frame."""
    if options.progress == "json":
        return FrameProgressJson(name, frames)
    return progress_bar(frames, "decoding", "frame", options.quiet or options.progress == "none")


def write_frames(
    frames: Iterator[Frame],
    file: NqFile | NqStream,
    chosen: Chosen,
    options: NqdecOptions,
    expected: str,
    digest: hashlib._Hash | None,
    bar: Bar,
) -> int:
    """Stream frames to the output; returns their number. A mismatch anywhere leaves no output behind.

    What went to standard output cannot be taken back: an error then says how much that was.
    """
    sink, count = None, 0
    if options.output:
        from nqcodec.cli.decode_output import open_output

        sink = open_output(file, options.output, (chosen.start, chosen.stop), options, chosen.first)
    try:
        for frame in frames:
            if digest:
                digest.update(frame_bytes(frame))
            if sink:
                sink.write(frame)
            count += 1
            bar.update()
        if expected and digest and digest.hexdigest() != expected:
            raise HashError(f"{file.path}: decodes to MD5 {digest.hexdigest()}, and --verify says {expected}")
        if sink:
            sink.close()
    except BaseException as error:
        if sink:
            sink.abort()
        if isinstance(error, NqError) and not isinstance(error, OutputError) and options.output == "-" and count:
            error.args = (f"{error}; {counted(count, 'frame')} went to standard output before that",)
        raise
    return count


def report(file: NqFile | NqStream, options: NqdecOptions, md5: str, frames: int, seconds: float) -> None:
    """The summary on stderr, and what was asked for on stdout."""
    video = file.video
    summary = {
        "file": file.path,
        "frames": frames,
        "seconds": seconds,
        "fps": frames / seconds,
        "md5": md5,
        "bpp": 8 * file.size / (video.width * video.height * (video.frames or frames)),
    }
    save_json(options.save, summary)
    if options.as_json:
        click.echo(json.dumps(summary))
    elif options.md5:
        click.echo(f"{md5}  {'-' if file.path == STDIN else file.path}")  # as md5sum names standard input
    if not options.quiet:
        hashes = "not checked (--no-verify)" if options.no_verify else "match the file's"
        part = isinstance(file, NqFile) and frames < video.frames and not file.frame_md5
        if not options.no_verify and part:
            hashes = "checked only for whole segments"
        place = "standard output" if options.output == "-" else options.output
        to = f" -> {place}" if place else ""
        say(
            f"{file.path}{to}: {video.width}x{video.height} {video.chroma.label} {video.depth} bit, "
            f"{counted(frames, 'frame')} in {seconds:.2f} s ({frames / seconds:.1f} fps, start-up included), "
            f"hashes {hashes}"
        )


def read_expected(text: str | None) -> str:
    """The MD5 that --verify asks for: given as it is, or as the first one found in a file."""
    if text is None:
        return ""
    if re.fullmatch(r"[0-9a-fA-F]{32}", text):
        return text.lower()
    try:
        content = Path(text).read_text("utf-8", "replace")
    except OSError as error:
        raise InputError(f"{text}: neither an MD5 nor a file that can be read: {error.strerror}") from error
    found = re.search(r"\b[0-9a-fA-F]{32}\b", content)
    if not found:
        raise InputError(f"{text}: holds no MD5 (32 hexadecimal digits)")
    return found.group().lower()


if __name__ == "__main__":
    sys.exit(main())
