"""nqtool cut and nqtool join: parts of files, and files from parts, at the borders of segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from nqcodec.bitstream.file import NqFile, parse_file, read_file
from nqcodec.bitstream.splice import cut_file, join_files
from nqcodec.cli.checks import check_encoded_name
from nqcodec.cli.common import Level, guarded, log_options, say
from nqcodec.cli.existing import ReplaceOptions, may_replace
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.nq_input import open_nq
from nqcodec.cli.options import options_of
from nqcodec.cli.pages import CUT, JOIN
from nqcodec.encoder.option import option
from nqcodec.errors import OutputError, UsageError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.output import ByteOutput, StandardOutput
from nqcodec.media.outputs import refuse_sources
from nqcodec.media.positions import parse_range
from nqcodec.media.text import counted
from nqcodec.network.program import Limits


@dataclass(frozen=True, kw_only=True)
class OutputOptions(ReplaceOptions):
    """Where the file goes that is made of others."""

    output: str = option("", "The file to make; - is stdout.", "Files", flags=("-o", "--output"), metavar="OUT.nq|-")
    quiet: bool


@dataclass(frozen=True, kw_only=True)
class CutOptions(OutputOptions):
    """What a call of nqtool cut says."""

    source: str
    part: str


@dataclass(frozen=True, kw_only=True)
class JoinOptions(OutputOptions):
    """What a call of nqtool join says."""

    sources: tuple[str, ...]
    clips: bool = option(False, "Begin a clip at each file that begins none, and name it after the file.", "The file")


@click.command(cls=HelpCommand, page=CUT)
@click.argument("source", metavar="FILE.nq|-")
@click.argument("part", metavar="A:B|A-B")
@guarded
@log_options
@options_of(CutOptions)
def cut(options: CutOptions) -> None:
    """Cut frames A to B-1 out of a file, at borders of segments; nothing is decoded or encoded anew.

    A and B are frame numbers or times, as for nqdec --frames. Where no segment begins there, the error names the
    nearest borders. The whole segments of a file that is damaged further on can be cut out of it, too.
    """
    file = open_nq(options.source, Limits(), partly=True)
    start, stop = parse_range(options.part, file.video.frames, file.video.fps, f"{file.path}:")
    with Written(options, [options.source]) as output:
        cut_file(file, start, stop, output.write)
        output.finish()
    if file.damage:
        say(f"warning: {file.damage}; frames before that are whole", Level.WARNING)
    output.report([file])


@click.command(cls=HelpCommand, page=JOIN)
@click.argument("sources", metavar="FILE.nq|-...", nargs=-1, required=True)
@guarded
@log_options
@options_of(JoinOptions)
def join(options: JoinOptions) -> None:
    """Make one file of several, whose frames follow one another; nothing is decoded or encoded anew.

    They must have one picture format: size, frame rate, chroma format, depth, colour, aspect. Files that were cut
    apart become what they were.
    """
    if options.sources.count("-") > 1:
        raise UsageError("standard input is one file: name the others")
    files = [open_nq(source, Limits()) for source in options.sources]
    with Written(options, options.sources) as output:
        lost = join_files(files, output.write, clips=options.clips)
        output.finish()
    for line in lost:
        say(f"warning: {line}", Level.WARNING)
    output.report(files)


class Written:
    """The file that a command makes: it appears when the block ends, whole and read again, or not at all.

    Raises:
        UsageError: no output is named, or it is a source.
        OutputError: it cannot be written, or is to be kept.
    """

    def __init__(self, options: OutputOptions, sources: Sequence[str]):
        if not options.output:
            raise UsageError("name the file to make, with -o OUT.nq")
        check_encoded_name(options.output)
        path = Path(options.output)
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file")
        refuse_sources([options.output], sources)
        may_replace(_existing(path), options.overwrite, options.no_overwrite)
        self._options, self._path, self._data = options, path, bytearray()
        self._made: NqFile | None = None
        self._output: ByteOutput = StandardOutput() if options.output == "-" else AtomicFile(path)

    def __enter__(self) -> Written:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._output.commit()
        else:
            self._output.abort()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._output.write(data)
        if not self._can_be_read():
            self._data += data

    def finish(self) -> None:
        """Read what was written; raises as `read_file`."""
        if self._can_be_read():
            assert isinstance(self._output, AtomicFile)
            self._made = read_file(self._output.temporary)
        else:
            self._made = parse_file(bytes(self._data), str(self._path))

    def report(self, files: Sequence[NqFile]) -> None:
        """The line that says what was made of `files`."""
        if self._options.quiet or self._made is None:
            return
        made, names = self._made, ", ".join(file.path for file in files)
        place = "standard output" if self._options.output == "-" else self._options.output
        say(
            f"{names} -> {place}: {counted(made.video.frames, 'frame')} in {counted(len(made.index), 'segment')}, "
            f"{made.size} bytes"
        )

    def _can_be_read(self) -> bool:
        return isinstance(self._output, AtomicFile) and self._output.temporary.is_file()


def _existing(path: Path) -> Iterable[Path]:
    return [] if str(path) == "-" else [path]
