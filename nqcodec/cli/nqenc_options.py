"""The options of nqenc, those of an encode and its own, and the page of help that they make up."""

from __future__ import annotations

from dataclasses import dataclass

from nqcodec.cli.existing import ReplaceOptions
from nqcodec.cli.foreign import ENCODING
from nqcodec.cli.help import BACKEND, CPU, INSTALL, HelpPage
from nqcodec.cli.options import groups_of
from nqcodec.cli.pages import GUIDE, THREADS
from nqcodec.encoder.option import option, required_option, same_option
from nqcodec.encoder.option_text import WrittenNumber
from nqcodec.encoder.options import ClipOptions, EncodeSettings, Group, RateOptions


@dataclass(frozen=True, kw_only=True)
class NqencOptions(EncodeSettings, ClipOptions, RateOptions[tuple[WrittenNumber, ...]]):
    """What a call of nqenc says. Fields that are no options belong to arguments and to options of other commands."""

    sources: tuple[str, ...]
    named_sources: tuple[str, ...] = option(
        (),
        "A clip, as an option; may be repeated.",
        Group.FILES,
        flags=("-i", "--input"),
        metavar="CLIP",
        repeatable=True,
    )
    output: str = required_option(
        "The file to write; - is stdout, segment by segment. With several clips or rates write a pattern with {name}, "
        "and {quality}, {psnr}, {bpp} or {bitrate}.",
        Group.FILES,
        flags=("-o", "--output"),
        metavar="OUT.nq|-",
    )
    overwrite: bool = same_option(ReplaceOptions, "overwrite")
    no_overwrite: bool = same_option(ReplaceOptions, "no_overwrite")
    report: str | None = option(
        None,
        "A page: fit curve, bytes by part, PSNR by frame, frames. {name}, {bpp} as for -o.",
        Group.REPORTS,
        metavar="OUT.html",
    )
    csv: str | None = option(
        None,
        "A line a frame: PSNR by plane, MD5. {name}, {bpp} as for -o.",
        Group.REPORTS,
        metavar="OUT.csv",
    )
    tensorboard: str | None = option(
        None,
        "The fit as it goes, for TensorBoard: PSNR, loss, bytes, lambda, step sizes.",
        Group.REPORTS,
        metavar="FOLDER",
    )
    as_json: bool = option(False, "Print the report as JSON on stdout.", Group.REPORTS, flags=("--json",))
    save: str | None = option(
        None,
        "Write the report there as JSON; of several files a list.",
        Group.REPORTS,
        metavar="FILE.json",
    )
    progress: str | None
    no_progress: bool
    quiet: bool


_GROUPS = groups_of(NqencOptions)

NQENC = HelpPage(
    groups={title: _GROUPS[title] for title in Group},
    short=("--quality", "--psnr", "--bpp", "--output", "--preset", "--input-res", "--resume"),
    examples=(
        ("nqenc clip.y4m -o clip.nq", "At the default quality; --quality 60 is better and larger, 40 smaller."),
        ("nqenc clip.y4m --psnr 38 -o clip.nq", "The smallest file of 38 dB."),
        ("nqenc clip.y4m --bpp 0.1 -o clip.nq", "At most 0.1 bits a pixel, the whole file counted."),
        (
            "nqenc clip.yuv --input-res 1920x1080 --fps 50 --bitrate 800 -o clip.nq",
            "Raw video says neither its size nor its rate.",
        ),
        (
            "nqenc clip.y4m --bpp 0.05,0.1 --preset fast -o clip_{bpp}.nq",
            "Two files, clip_0.05.nq and clip_0.1.nq, from one fit.",
        ),
        (
            "nqenc clip.y4m --bpp 0.1 -o clip.nq --report clip.html --csv clip.csv",
            "With a page and a table to look at.",
        ),
        ("nqenc clip.y4m --bpp 0.1 -o clip.nq --resume", "Go on after Ctrl-C: the same command with --resume."),
        ("ffmpeg -v error -i film.mp4 -f yuv4mpegpipe - | nqenc - --bpp 0.1 -o film.nq", "From a pipe, in y4m or raw."),
        (
            "nqenc clip.mp4 --csp rgb --arch hnerv --arch-preset bunny-1.5m -o clip.nq",
            "A published network, of its own size, on a clip of the size it was published for.",
        ),
    ),
    environment=(BACKEND, CPU, THREADS, INSTALL),
    see_also=("nqdec --help", "nqtool --help", f"{GUIDE}: rates, presets, devices, formats, resuming", "docs/rate.md"),
    foreign=ENCODING,
)
