"""nqtool compare: a clip through nqcodec and through x264, x265 and SVT-AV1, measured alike, as curves and a page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nqcodec.cli.common import Level, guarded, log_options, say
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.options import option_named
from nqcodec.cli.pages import COMPARE
from nqcodec.cli.results import check_save, give_out, save_option
from nqcodec.cli.signals import stopped
from nqcodec.decoder.device import check_device
from nqcodec.encoder.option_text import parse_numbers
from nqcodec.encoder.options import PRESETS, ClipOptions, EncodeSettings
from nqcodec.errors import UnsupportedError, UsageError
from nqcodec.media.outputs import refuse_sources

if TYPE_CHECKING:
    from nqcodec.cli.progress import EncodeProgress
    from nqcodec.compare.anchors import Anchor
    from nqcodec.compare.comparison import Comparison, ComparisonConfig
    from nqcodec.compare.configurations import Configuration
    from nqcodec.media.clip import ClipInput

ANCHORS = "x264,x265,svt-av1"
CLIP_OPTIONS = ("input_res", "fps", "input_csp", "input_depth", "seek", "frames")
SHARED = ("iterations", "jobs", "seed", "device", "threads")
"""Options that become fields of every configuration's `EncodeSettings`."""


OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "-o", "--output", "folder", metavar="FOLDER", help="Where results, files and page go; default: CLIP.compare."
    ),
    click.option("--bpp", default="0.02,0.05,0.1", show_default=True, metavar="X[,Y...]", help="Rates of nqcodec."),
    click.option(
        "--config",
        default="default",
        show_default=True,
        metavar="NAME[,...]",
        help="Ways to encode: default, a backbone, BACKBONE/SIZE as published, a paper's method (paper/nerv, "
        "paper/nervpp, paper/hnerv, paper/hinerv, paper/neuroquant; /SIZE too), or a .json of "
        "{name: {setting: value}}.",
    ),
    click.option(
        "--preset", default="medium", show_default=True, metavar="NAME[,...]", help=f"Of {', '.join(PRESETS)}."
    ),
    click.option("--one-fit", is_flag=True, help="All rates from one fit, as nqenc --bpp X,Y; else one fit each."),
    click.option(
        "--anchors",
        metavar="NAME[:SPEED][:psnr],...",
        help=f"Default: those of {ANCHORS} that take the clip, veryslow or preset 2. psnr tunes for PSNR. none: none.",
    ),
    click.option("--crf", metavar="A[,B...]", help="Rate factors of all anchors instead of each one's own."),
    click.option(
        "--gop", type=click.IntRange(1), default=250, show_default=True, help="Anchors' frames a key frame at most."
    ),
    option_named(ClipOptions, "input_res"),
    option_named(ClipOptions, "fps"),
    option_named(ClipOptions, "input_csp"),
    option_named(ClipOptions, "input_depth"),
    option_named(ClipOptions, "seek", help="Begin at frame N or at a time such as 1.5s."),
    option_named(ClipOptions, "frames", help="Compare at most N frames, or a duration such as 2s."),
    option_named(EncodeSettings, "iterations", help="nqcodec: of a fit, instead of the preset's."),
    option_named(EncodeSettings, "segment", help="nqcodec: where segments begin."),
    option_named(EncodeSettings, "jobs", help="nqcodec: segments fitted at the same time."),
    option_named(EncodeSettings, "seed", help="Of every fit."),
    option_named(EncodeSettings, "device", help="nqcodec: where to fit."),
    option_named(EncodeSettings, "threads", help="nqcodec: threads a fit."),
)
"""What a comparison may be asked for."""


def comparison_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a comparison."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command(cls=HelpCommand, page=COMPARE)
@click.argument("clip", required=False)
@comparison_options
@click.option("--from", "earlier", metavar="results.json", help="Draw an earlier comparison again; nothing is encoded.")
@save_option("Write the results there too, beside the folder's results.json.")
@click.option("--json", "as_json", is_flag=True, help="The results as JSON on stdout, too.")
@guarded
@log_options
def compare(clip: str | None, **options: Any) -> None:
    """Compare nqcodec with x264, x265 and SVT-AV1 on a clip: same frames in, whole files, real decodes.

    FOLDER gets results.json (figures of every file and frame, and the settings to repeat each run), results.csv,
    curves.png, index.html (curves, tables, pictures side by side with maps of their errors; one file that needs
    nothing else) and streams/. Given again, finished files are kept and only what is missing is encoded.
    """
    from nqcodec.compare.comparison import RESULTS, load
    from nqcodec.compare.curves import check_packages
    from nqcodec.compare.page import publish

    check_packages("matplotlib", "bjontegaard", "scipy")
    if (clip is None) == (options["earlier"] is None):
        raise UsageError("name a clip to compare (nqtool compare CLIP), or an earlier comparison with --from")
    check_save(options["save"], [clip] if clip else [])
    if clip is None:
        source = Path(options["earlier"])
        source = source / RESULTS if source.is_dir() else source
        comparison, folder = load(source), Path(options["folder"] or source.parent)
    else:
        comparison, folder = compared(clip, options)
    for line in publish(comparison, folder):
        say(line, Level.WARNING)
    give_out(comparison.as_dict(), options["save"], options["as_json"])
    if not options["quiet"]:
        say("\n".join(summary(comparison, folder)))


def compared(clip: str, options: dict[str, Any]) -> tuple[Comparison, Path]:
    """(a comparison of a clip, its folder), which is made as far as it is missing."""
    from nqcodec.compare.comparison import RESULTS, run
    from nqcodec.compare.page import CURVES, PAGE, TABLE
    from nqcodec.compare.runs import STREAMS

    folder = Path(options["folder"] or f"{Path(clip.rstrip('/')).name}.compare")
    refuse_sources([folder / name for name in (RESULTS, STREAMS, CURVES, TABLE, PAGE)], [clip])
    config = config_of(clip, options)
    return run_with_progress(lambda log, progress: run(config, folder, log, progress), folder, options["quiet"]), folder


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


def config_of(clip: str, options: dict[str, Any]) -> ComparisonConfig:
    """What the options ask for; raises UsageError, UnsupportedError and InputError."""
    from nqcodec.compare.comparison import ComparisonConfig

    check_device(options["device"])
    source = source_of(clip, options)
    rates = tuple(sorted(numbers("bpp", options["bpp"])))
    return ComparisonConfig(
        clip=source,
        rates=rates,
        configurations=tuple(configurations_of(options)),
        anchors=tuple(anchors_of(source, options)),
        gop=options["gop"],
        one_fit=options["one_fit"],
    )


def source_of(clip: str, options: dict[str, Any]) -> ClipInput:
    """The clip as it is named."""
    return ClipOptions(**{name: options[name] for name in CLIP_OPTIONS}).clip(clip).in_frames()


def configurations_of(options: dict[str, Any]) -> list[Configuration]:
    """The ways to encode, each at every preset."""
    from nqcodec.compare.configurations import at_preset, named, read

    presets = tuple(options["preset"].split(","))
    for preset in presets:
        if preset not in PRESETS:
            raise UsageError(f"--preset {preset}: choose of {', '.join(PRESETS)}")
    shared = {name: options[name] for name in SHARED if options[name] is not None}
    shared["segment"] = options["segment"]
    result = []
    for text in options["config"].split(","):
        found = read(Path(text), shared) if text.endswith(".json") else [named(text, shared)]
        for one in found:
            result += [one] if "preset" in one.settings else [at_preset(one, preset) for preset in presets]
    names = [one.name for one in result]
    if len(set(names)) < len(names):
        raise UsageError(f"--config {options['config']}: the same name twice")
    return result


def anchors_of(source: ClipInput, options: dict[str, Any]) -> list[Anchor]:
    """The anchors asked for; by default those that take such a clip, saying which do not."""
    from nqcodec.compare.anchors import anchor_named, check_anchor

    if options["anchors"] == "none":
        return []
    wanted = [anchor_named(text) for text in (options["anchors"] or ANCHORS).split(",")]
    if options["crf"]:
        wanted = [replace(anchor, rates=tuple(numbers("crf", options["crf"]))) for anchor in wanted]
    if options["anchors"]:
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


def numbers(option: str, text: str) -> list[float]:
    """Positive numbers with commas between them; raises UsageError."""
    try:
        values = [number for _, number in parse_numbers(text)]
    except ValueError as error:
        raise UsageError(f"--{option} {text}: {error}") from error
    if not all(0 < value < float("inf") for value in values) or len(set(values)) < len(values):
        raise UsageError(f"--{option} {text}: write positive numbers, each once, with commas between them")
    return values


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
