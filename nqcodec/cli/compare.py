"""nqtool compare: a clip through nqcodec and through x264, x265 and SVT-AV1, measured alike, as curves and a page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nqcodec.cli.common import Level, guarded, log_options, say
from nqcodec.cli.compare_options import ANCHORS, BPP, COMPARE, CompareOptions, ComparisonOptions
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.options import options_of
from nqcodec.cli.results import check_save, give_out
from nqcodec.cli.signals import stopped
from nqcodec.decoder.device import check_device
from nqcodec.errors import UnsupportedError, UsageError
from nqcodec.media.outputs import refuse_sources

if TYPE_CHECKING:
    from nqcodec.cli.progress import EncodeProgress
    from nqcodec.compare.anchors import Anchor
    from nqcodec.compare.comparison import Comparison, ComparisonConfig
    from nqcodec.compare.configurations import Configuration
    from nqcodec.encoder.rate import Rate
    from nqcodec.media.clip import ClipInput


@click.command(cls=HelpCommand, page=COMPARE)
@click.argument("clip_path", metavar="[CLIP]", required=False)
@guarded
@log_options
@options_of(CompareOptions)
def compare(options: CompareOptions) -> None:
    """Compare nqcodec with x264, x265 and SVT-AV1 on a clip: same frames in, whole files, real decodes.

    FOLDER gets results.json (figures of every file and frame, and the settings to repeat each run), results.csv,
    curves.png, index.html (curves, tables, pictures side by side with maps of their errors; one file that needs
    nothing else) and streams/. Given again, finished files are kept and only what is missing is encoded.
    """
    from nqcodec.compare.comparison import RESULTS, load
    from nqcodec.compare.curves import check_packages
    from nqcodec.compare.page import publish

    check_packages("matplotlib", "bjontegaard", "scipy")
    if (options.clip_path is None) == (options.earlier is None):
        raise UsageError("name a clip to compare (nqtool compare CLIP), or an earlier comparison with --from")
    check_save(options.save, [options.clip_path])
    if options.earlier is not None:
        source = Path(options.earlier)
        source = source / RESULTS if source.is_dir() else source
        comparison, folder = load(source), Path(options.folder or source.parent)
    else:
        assert options.clip_path is not None
        comparison, folder = compared(options.clip_path, options)
    for line in publish(comparison, folder):
        say(line, Level.WARNING)
    give_out(comparison.as_dict(), options)
    if not options.quiet:
        say("\n".join(summary(comparison, folder)))


def compared(clip: str, options: ComparisonOptions) -> tuple[Comparison, Path]:
    """(a comparison of a clip, its folder), which is made as far as it is missing."""
    from nqcodec.compare.comparison import RESULTS, run
    from nqcodec.compare.page import CURVES, PAGE, TABLE
    from nqcodec.compare.runs import STREAMS

    folder = Path(options.folder or f"{Path(clip.rstrip('/')).name}.compare")
    refuse_sources([folder / name for name in (RESULTS, STREAMS, CURVES, TABLE, PAGE)], [clip])
    config = config_of(clip, options)
    return run_with_progress(lambda log, progress: run(config, folder, log, progress), folder, options.quiet), folder


def run_with_progress(
    run: Callable[[Callable[[str], None], EncodeProgress], Comparison], folder: Path, quiet: bool
) -> Comparison:
    """Run a comparison, which is called with what logs a line and what shows progress; Ctrl-C says where files are."""
    from nqcodec.cli.progress import EncodeProgress

    try:
        with EncodeProgress(quiet=quiet, bar=True) as progress:
            return run((lambda line: None) if quiet else say, progress)
    except KeyboardInterrupt as error:
        what, code = stopped(error)
        say(f"{what}: finished files are kept in {folder}; give the same command again to go on", Level.ERROR)
        sys.exit(code)


def config_of(clip: str, options: ComparisonOptions) -> ComparisonConfig:
    """What the options ask for; raises UsageError, UnsupportedError and InputError."""
    from nqcodec.compare.comparison import ComparisonConfig

    check_device(options.device)
    source = options.clip(clip).in_frames()
    return ComparisonConfig(
        clip=source,
        rates=rates_of(options),
        configurations=tuple(configurations_of(options)),
        anchors=tuple(anchors_of(source, options)),
        gop=options.gop,
        one_fit=options.one_fit,
    )


def rates_of(options: ComparisonOptions) -> tuple[Rate, ...]:
    """The rates of nqcodec in rising order; raises UsageError for more than one kind, or one out of range."""
    from nqcodec.encoder.rate import Rate

    asked = {name: getattr(options, name) for name in ("quality", "psnr", "bpp") if getattr(options, name) is not None}
    if len(asked) > 1:
        raise UsageError(f"--{' and --'.join(asked)}: give rates of one kind")
    return tuple(Rate(**{name: value}) for name, values in (asked or {"bpp": BPP}).items() for value in sorted(values))


def configurations_of(options: ComparisonOptions) -> list[Configuration]:
    """The ways to encode, each at every preset."""
    from nqcodec.compare.configurations import at_preset, named, read

    shared = options.shared_settings()
    result = []
    for text in options.config.split(","):
        found = read(Path(text), shared) if text.endswith(".json") else [named(text, shared)]
        for one in found:
            result += [one] if "preset" in one.settings else [at_preset(one, preset) for preset in options.presets]
    names = [one.name for one in result]
    if len(set(names)) < len(names):
        raise UsageError(f"--config {options.config}: the same name twice")
    return result


def anchors_of(source: ClipInput, options: ComparisonOptions) -> list[Anchor]:
    """The anchors asked for; by default those that take such a clip, saying which do not."""
    from nqcodec.compare.anchors import anchor_named, check_anchor

    if options.anchors == "none":
        return []
    wanted = [anchor_named(text) for text in (options.anchors or ANCHORS).split(",")]
    if options.crf:
        wanted = [replace(anchor, rates=options.crf) for anchor in wanted]
    if options.anchors:
        return wanted
    with source.open() as opened:
        video = source.coded(opened.video)
    taken = []
    for anchor in wanted:
        try:
            check_anchor(anchor, video)
            taken.append(anchor)
        except UnsupportedError as error:
            say(str(error), Level.WARNING)
    return taken


def summary(comparison: Comparison, folder: Path) -> list[str]:
    """What the command ends with: each file of ours against each anchor."""
    from nqcodec.compare.comparison import against_anchors
    from nqcodec.compare.curves import Ratio
    from nqcodec.compare.rows import ANCHOR, OURS, codecs

    anchors = codecs(comparison.rows, ANCHOR)
    ratios = {(r["file"], one["anchor"]): r for one in against_anchors(comparison.rows) for r in one["bits_ratio"]}
    lines = ["", "bits over the anchors' at equal PSNR-YUV (~: outside their points)"]
    width = max([8, *(len(group[0].label) for group in codecs(comparison.rows, OURS).values())])
    titles = {anchor: group[0].label for anchor, group in anchors.items()}
    lines.append(f"  {'':<{width}}      bpp     dB" + "".join(f"  {title}" for title in titles.values()))
    for group in codecs(comparison.rows, OURS).values():
        for row in group:
            cells = ""
            for anchor, title in titles.items():
                ratio = ratios[row.file, anchor]
                text = "" if ratio["value"] is None else str(Ratio(ratio["value"], ratio["extrapolated"]))
                cells += f"  {text:>{len(title)}}"
            lines.append(f"  {row.label:<{width}}  {row.bpp:.5f}  {row.quality['yuv']:5.2f}{cells}")
    return [*lines, *comparison.notes, f"see {folder / 'index.html'}"]
