"""The options of nqtool compare, and the page of help that they make up."""

from __future__ import annotations

from dataclasses import dataclass

from nqcodec.cli.help import BACKEND, CPU, HelpPage
from nqcodec.cli.options import groups_of
from nqcodec.cli.pages import GUIDE, THREADS
from nqcodec.cli.results import ResultOptions
from nqcodec.encoder.option import option, parsed_option, same_option
from nqcodec.encoder.option_text import Segmentation, parse_names, parse_positive_numbers
from nqcodec.encoder.options import PRESETS, EncodeSettings, SourceOptions
from nqcodec.media.positions import Position

ANCHORS = "x264,x265,svt-av1"
BPP = (0.02, 0.05, 0.1)
"""Rates of nqcodec where none are asked for, in bits a luma pixel."""
FILES, OURS, THEIRS = "Files", "nqcodec", "The other codecs"


def parse_presets(text: str) -> tuple[str, ...]:
    """Names of presets with commas between them; raises ValueError."""
    presets = parse_names(text)
    if not presets or not set(presets) <= set(PRESETS):
        raise ValueError(f"choose of {', '.join(PRESETS)}")
    return presets


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(SourceOptions):
    """What a comparison of nqcodec with other codecs may be asked for."""

    folder: str | None = option(
        None,
        "Where results, files and page go; default: CLIP.compare.",
        FILES,
        flags=("-o", "--output"),
        metavar="FOLDER",
    )
    bpp: tuple[float, ...] | None = option(
        None,
        f"Rates of nqcodec, in bits a luma pixel; default: {','.join(map(str, BPP))}.",
        OURS,
        metavar="X[,Y...]",
        parse=parse_positive_numbers,
    )
    quality: tuple[float, ...] | None = option(
        None, "Qualities of nqcodec instead.", OURS, metavar="Q[,...]", parse=parse_positive_numbers
    )
    psnr: tuple[float, ...] | None = option(
        None, "PSNR-YUV of nqcodec's files in dB instead.", OURS, metavar="DB[,...]", parse=parse_positive_numbers
    )
    config: str = option(
        "default",
        "Ways to encode: default, a backbone, BACKBONE/SIZE as published, a paper's method (paper/nerv, paper/nervpp, "
        "paper/hnerv, paper/hinerv, paper/neuroquant; /SIZE too), or a .json of {name: {setting: value}}.",
        OURS,
        metavar="NAME[,...]",
        show_default=True,
    )
    presets: tuple[str, ...] = parsed_option(
        "medium", parse_presets, f"Of {', '.join(PRESETS)}.", OURS, flags=("--preset",), metavar="NAME[,...]"
    )
    iterations: int | None = same_option(
        EncodeSettings, "iterations", help="nqcodec: of a fit, instead of the preset's.", group=OURS
    )
    one_fit: bool = option(False, "All rates from one fit, as nqenc --bpp X,Y; else one fit each.", OURS)
    segment: Segmentation = same_option(EncodeSettings, "segment", help="nqcodec: where segments begin.", group=OURS)
    anchors: str | None = option(
        None,
        f"Default: those of {ANCHORS} that take the clip, veryslow or preset 2. psnr tunes for PSNR. none: none.",
        THEIRS,
        metavar="NAME[:SPEED][:psnr],...",
    )
    crf: tuple[float, ...] | None = option(
        None,
        "Rate factors of all anchors instead of each one's own.",
        THEIRS,
        metavar="A[,B...]",
        parse=parse_positive_numbers,
    )
    gop: int = option(250, "Anchors' frames a key frame at most.", THEIRS, range=(1, None), show_default=True)
    seek: Position = same_option(SourceOptions, "seek", help="Begin at frame N or at a time such as 1.5s.")
    frames: Position | None = same_option(
        SourceOptions, "frames", help="Compare at most N frames, or a duration such as 2s."
    )
    device: str = same_option(EncodeSettings, "device", help="nqcodec: where to fit.")
    threads: int | None = same_option(EncodeSettings, "threads", help="nqcodec: threads a fit.")
    jobs: int | None = same_option(EncodeSettings, "jobs", help="nqcodec: segments fitted at the same time.")
    seed: int = same_option(EncodeSettings, "seed", help="Of every fit.")
    quiet: bool

    def shared_settings(self) -> dict[str, object]:
        """The fields of every configuration's `EncodeSettings` that are given here."""
        given = {
            "iterations": self.iterations,
            "jobs": self.jobs,
            "seed": self.seed,
            "device": self.device,
            "threads": self.threads,
        }
        return {**{name: value for name, value in given.items() if value is not None}, "segment": self.segment}


@dataclass(frozen=True, kw_only=True)
class CompareOptions(ComparisonOptions, ResultOptions):
    """What a call of nqtool compare says."""

    clip_path: str | None
    earlier: str | None = option(
        None,
        "Draw an earlier comparison again; nothing is encoded.",
        FILES,
        flags=("--from",),
        metavar="results.json",
    )
    save: str | None = same_option(
        ResultOptions, "save", help="Write the results there too, beside the folder's results.json."
    )
    as_json: bool = same_option(ResultOptions, "as_json", help="The results as JSON on stdout, too.")


COMPARE = HelpPage(
    groups=groups_of(CompareOptions),
    examples=(
        ("nqtool compare clip.mkv --bpp 0.02,0.05,0.1 --preset medium -o clip.compare", "The usual comparison."),
        (
            "nqtool compare clip.mkv --preset fast,slow --anchors x264,x265:veryslow:psnr,svt-av1:4",
            "Two presets of ours; x265 tuned for PSNR, SVT-AV1 at preset 4.",
        ),
        ("nqtool compare --from clip.compare/results.json", "Draw it again; nothing is encoded."),
    ),
    environment=(BACKEND, CPU, THREADS),
    see_also=(f"{GUIDE}: comparing", "BENCHMARKS.md"),
)
