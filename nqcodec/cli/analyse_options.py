"""The options of nqtool analyse, and the page of help that they make up."""

from __future__ import annotations

from dataclasses import dataclass

from nqcodec.cli.help import HelpPage
from nqcodec.cli.options import groups_of
from nqcodec.cli.pages import THREADS
from nqcodec.cli.saved_fit import MatchingClipOptions
from nqcodec.encoder.option import option, parsed_option, same_option
from nqcodec.encoder.option_text import parse_names, parse_widths
from nqcodec.encoder.options import SEED_RANGE, Group
from nqcodec.media.positions import Position
from nqcodec.quantization.settings import CRITERIA

NEEDS = {
    "histograms": "a .nq or --fit",
    "bits": "a .nq",
    "frames": "a .nq or --fit, and the clip",
    "sensitivity": "--fit and the clip",
    "hessian": "--fit and the clip",
    "surface": "--fit and the clip",
}
"""What each part needs, in the order that they are made in."""

FILES, WHAT, SENSITIVITY = "Files", "What to look at", "Sensitivity"
HESSIAN, SURFACE, MACHINE = "Hessian", "Surface", "Machine"


def parse_parts(text: str) -> tuple[str, ...]:
    """Names of `NEEDS` with commas between them; raises ValueError."""
    parts = parse_names(text)
    if not parts or not set(parts) <= set(NEEDS):
        raise ValueError(f"choose of {', '.join(NEEDS)}")
    return parts


@dataclass(frozen=True, kw_only=True)
class AnalyseOptions(MatchingClipOptions):
    """What a call of nqtool analyse says."""

    sources: tuple[str, ...]
    fit_file: str | None = option(
        None, "What nqenc --save-fit kept of the clip.", FILES, flags=("--fit",), metavar="FILE.safetensors"
    )
    folder: str | None = option(
        None,
        "Where numbers and pictures go; default: FILE.analysis.",
        FILES,
        flags=("-o", "--output"),
        metavar="FOLDER",
    )
    parts: tuple[str, ...] | None = option(
        None,
        f"Of {', '.join(NEEDS)}; default: all that what is given allows.",
        WHAT,
        metavar="NAME[,...]",
        parse=parse_parts,
    )
    segment: int = option(0, "Histograms: of this segment.", WHAT, range=(0, None), show_default=True)
    method: str = option("omega", "Sensitivity by.", SENSITIVITY, choices=CRITERIA, show_default=True)
    bits: tuple[int, ...] = parsed_option(
        "2:8", parse_widths, "Sensitivity: bit widths A to B.", SENSITIVITY, metavar="A[:B]"
    )
    width: int = option(4, "Hessian: of rounding to this many bits.", HESSIAN, range=(2, 8), show_default=True)
    groups: int = option(96, "Hessian: groups of channels at most.", HESSIAN, range=(2, 1024), show_default=True)
    grid: int = option(21, "Surface: points along a side.", SURFACE, range=(3, 201), show_default=True)
    reach: float = option(
        0.5,
        "Surface: how far it goes either way, as a part of each filter's norm.",
        SURFACE,
        range=(0, 10),
        open_range=True,
        show_default=True,
    )
    seed: int = option(0, "Surface: directions.", SURFACE, range=SEED_RANGE, show_default=True)
    seek: Position = same_option(MatchingClipOptions, "seek", help="First frame in the clip, or its time, as 1.5s.")
    probes: int = option(2, "Frames that losses are taken on.", Group.CLIP, range=(1, None), show_default=True)
    threads: int = option(1, "CPU threads.", MACHINE, range=(1, 1024), show_default=True)
    quiet: bool


ANALYSE = HelpPage(
    groups=groups_of(AnalyseOptions),
    examples=(
        ("nqtool analyse clip.nq clip.mkv", "Histograms, bits, PSNR by frame and where the errors are."),
        (
            "nqtool analyse --fit clip.safetensors clip.mkv --parts sensitivity,hessian",
            "Of a fit that nqenc --save-fit kept.",
        ),
    ),
    environment=(THREADS,),
    see_also=("nqtool plot --help", "nqtool sensitivity --help", "docs/rate.md"),
)
