"""nqtool analyse and nqtool plot: look into a file or a saved fit, as numbers and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nqcodec.cli.analyse_options import ANALYSE, NEEDS, AnalyseOptions
from nqcodec.cli.common import guarded, log_options, say
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.options import options_of
from nqcodec.cli.pages import PLOT
from nqcodec.cli.progress import progress_bar
from nqcodec.cli.saved_fit import load_with_clip
from nqcodec.errors import OutputError, UsageError
from nqcodec.media.outputs import refuse_sources

if TYPE_CHECKING:
    from nqcodec.bitstream.file import NqFile
    from nqcodec.reporting.finding import Finding
    from nqcodec.reporting.landscape import LandscapeSettings
    from nqcodec.training.clip import PackedClip
    from nqcodec.training.network import FloatNetwork


@click.command(cls=HelpCommand, page=ANALYSE)
@click.argument("sources", metavar="[FILE.nq] [CLIP]", nargs=-1)
@guarded
@log_options
@options_of(AnalyseOptions)
def analyse(options: AnalyseOptions) -> None:
    """Look into a .nq file, or into a saved fit of a clip: numbers (JSON, CSV) and a picture (PNG) of each part.

    \b
    histograms   values by layer and by channel, before and after Hadamard
    bits         bytes and bits a value by layer
    frames       PSNR by frame, and maps of the error by place (errors.*)
    sensitivity  rise of the MSE by layer and bit width (Omega, Fisher or measured)
    hessian      what channels cost together beyond what each costs alone
    surface      the loss around the solution, along two random directions
    """
    from nqcodec.reporting.finding import SUFFIXES, check_matplotlib
    from nqcodec.reporting.kinds import KINDS, publish

    check_matplotlib("nqtool analyse")
    subject = subject_of(options)
    folder = Path(options.folder or f"{subject.name}.analysis")
    names = [f"{kind}.{suffix}" for kind in KINDS for suffix in SUFFIXES]
    refuse_sources([folder / name for name in names], [*options.sources, options.fit_file])
    made(folder)
    for part in parts_of(subject, options.parts):
        for finding in PARTS[part](subject, options):
            publish(finding, folder)
            if not options.quiet:
                say(f"{part}: {folder / finding.kind}.png, .csv, .json")


@click.command(cls=HelpCommand, page=PLOT)
@click.argument("saved", metavar="SAVED...", nargs=-1, required=True)
@click.option("-o", "--output", "folder", metavar="FOLDER", help="Default: beside what was saved.")
@guarded
@log_options
def plot(saved: tuple[str, ...], folder: str | None, quiet: bool) -> None:
    """Draw saved numbers again: SAVED is a folder or a .json of nqtool analyse, or a page of nqenc --report.

    Each gives its pictures, and the numbers as JSON and CSV beside them. Nothing is decoded or computed anew.
    """
    from nqcodec.reporting.finding import check_matplotlib, read_findings
    from nqcodec.reporting.kinds import publish

    check_matplotlib("nqtool plot")
    for word in saved:
        path = Path(word)
        target = made(Path(folder) if folder else path if path.is_dir() else path.parent)
        for finding in read_findings(path):
            publish(finding, target)
            if not quiet:
                say(f"{finding.title}: {target / finding.kind}.png")


def made(folder: Path) -> Path:
    """The folder, which exists from now on; raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    return folder


@dataclass(frozen=True)
class Subject:
    """What is looked into: a parsed file, a float network with its packed clip, or both.

    Attributes:
        name: of the file or fit, for titles and the folder.
        clip: the clip's name, None where none was given.
    """

    name: str
    clip: str | None
    file: NqFile | None
    network: FloatNetwork | None
    packed: PackedClip | None

    def allows(self, part: str) -> bool:
        """Whether all that a part needs is there."""
        if part == "bits":
            return self.file is not None
        if part == "histograms":
            return self.file is not None or self.network is not None
        if part == "frames":
            return self.clip is not None
        return self.packed is not None


Part = Callable[[Subject, AnalyseOptions], "Iterator[Finding]"]
"""What makes the findings of one part."""


def subject_of(options: AnalyseOptions) -> Subject:
    """What the words and options name; raises UsageError and what reading it raises."""
    from nqcodec.bitstream.file import read_file

    files, clips = (
        [word for word in options.sources if word.lower().endswith(".nq") == is_nq] for is_nq in (True, False)
    )
    if len(files) > 1 or len(clips) > 1 or not (files or options.fit_file):
        raise UsageError("name one .nq file or a saved fit (--fit), and the clip that it is of")
    file = read_file(files[0]) if files else None
    clip = clips[0] if clips else None
    name = Path(files[0] if files else options.fit_file or "").name
    network, packed = None, None
    if options.fit_file and clip:
        network, packed = load_with_clip(options.fit_file, clip, options, options.threads)
    elif options.fit_file:
        from nqcodec.training.checkpoint import load_fit

        network = load_fit(Path(options.fit_file)).network
    return Subject(name, clip, file, network, packed)


def parts_of(subject: Subject, asked: tuple[str, ...] | None) -> Sequence[str]:
    """The parts to make; raises UsageError for one that needs more than was given."""
    if asked is None:
        return [part for part in NEEDS if subject.allows(part)]
    for part in asked:
        if not subject.allows(part):
            raise UsageError(f"--parts {part} needs {NEEDS[part]}")
    return asked


def _histograms(subject: Subject, options: AnalyseOptions) -> Iterator[Finding]:
    from nqcodec.reporting.tensors import coded_views, float_views, histograms

    if subject.file is None:
        from nqcodec.reporting.landscape import float_tensors

        assert subject.network is not None
        views = float_views(subject.network.program, float_tensors(subject.network))
        yield histograms(views, subject.name, "value")
        return
    segment, count = options.segment, len(subject.file.index)
    if segment >= count:
        raise UsageError(f"--segment {segment}: {subject.name} has segments 0 to {count - 1}")
    title = subject.name if count == 1 else f"{subject.name}, segment {segment}"
    yield histograms(coded_views(subject.file, segment), title, "step sizes")


def _bits(subject: Subject, options: AnalyseOptions) -> Iterator[Finding]:
    from nqcodec.reporting.tensors import bits_by_layer

    assert subject.file is not None
    yield bits_by_layer(subject.file, subject.name)


def _frames(subject: Subject, options: AnalyseOptions) -> Iterator[Finding]:
    from nqcodec.reporting.frames import measure_frames

    assert subject.clip is not None
    if subject.file is None:
        from nqcodec.reporting.landscape import float_frames

        assert subject.network is not None
        assert subject.packed is not None
        video, starts = subject.packed.video, [0]
        decoded, what = float_frames(subject.network, subject.packed), f"{subject.name}, in floats"
    else:
        from nqcodec.decoder.decoder import Decoder

        video, what = subject.file.video, subject.name
        starts = [subject.file.start(number) for number in range(len(subject.file.index))]
        decoded = Decoder(subject.file, threads=options.threads).frames()
    source = options.clip_like(video, subject.clip)
    if replace(video, fps=(shown := source.describe()).fps) != shown:
        raise UsageError(f"{subject.name}: is of another clip (size, format or number of frames differ)")
    yield from measure_frames(source.frames(), decoded, video, starts, what)


def _landscape(name: str) -> Part:
    """A part that `nqcodec.reporting.landscape` makes."""

    def part(subject: Subject, options: AnalyseOptions) -> Iterator[Finding]:
        from nqcodec.reporting.landscape import interactions, sensitivity, surface

        assert subject.network is not None
        assert subject.packed is not None
        find = {"sensitivity": sensitivity, "hessian": interactions, "surface": surface}[name]
        settings = settings_of(options)
        with progress_bar(0, name, "part", options.quiet) as bar:

            def report(done: int, total: int) -> None:
                bar.total = total
                bar.update()

            yield find(subject.network, subject.packed, settings, subject.name, report)

    return part


def settings_of(options: AnalyseOptions) -> LandscapeSettings:
    """The landscape's settings; raises UsageError."""
    from nqcodec.reporting.landscape import LandscapeSettings

    if options.grid % 2 == 0:
        raise UsageError(f"--grid {options.grid}: an odd number has the solution in its middle")
    return LandscapeSettings(
        bits=options.bits,
        method=options.method,
        width=options.width,
        probes=options.probes,
        groups=options.groups,
        grid=options.grid,
        reach=options.reach,
        seed=options.seed,
    )


PARTS: dict[str, Part] = {
    "histograms": _histograms,
    "bits": _bits,
    "frames": _frames,
    "sensitivity": _landscape("sensitivity"),
    "hessian": _landscape("hessian"),
    "surface": _landscape("surface"),
}
