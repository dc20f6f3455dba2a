"""The options of nqdec, and the page of help that they make up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nqcodec.cli.existing import ReplaceOptions
from nqcodec.cli.foreign import DECODING
from nqcodec.cli.help import HelpPage
from nqcodec.cli.options import groups_of
from nqcodec.cli.pages import GUIDE
from nqcodec.encoder.option import option, same_option

FILES, OUTPUT, CHECKS, INSTEAD = "Files", "Kinds of output", "Checks", "Instead of decoding to a file"
MACHINE, RESULTS = "Machine", "Results"


def parse_key_value(text: str) -> tuple[str, str]:
    """KEY=VALUE; raises ValueError, saying what to write instead."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError("write KEY=VALUE")
    return key, value


@dataclass(frozen=True, kw_only=True)
class NqdecOptions:
    """What a call of nqdec says. Fields that are no options belong to the argument and to options of other commands."""

    source: str | None
    named_source: str | None = option(
        None, "The file, as an option; - is stdin.", FILES, flags=("-i", "--input"), metavar="FILE.nq|-"
    )
    output: str | None = option(
        None,
        "clip.yuv, clip.y4m, frames/%05d.png or a folder of PNGs, clip.mp4/.mkv (lossless unless --codec says "
        "otherwise), or - (y4m to stdout).",
        FILES,
        flags=("-o", "--output"),
        metavar="OUT",
    )
    overwrite: bool = same_option(ReplaceOptions, "overwrite")
    no_overwrite: bool = same_option(ReplaceOptions, "no_overwrite")
    frames: str | None = option(
        None,
        "Only frames A to B-1, counted from 0, or one frame A. Any range decodes alone. A and B may be times: "
        "1.5s:3s, or clock times with a dash, 00:00:01.5-00:00:03.",
        FILES,
        metavar="A:B|A-B",
    )
    clip: str | None = option(
        None,
        "Only this clip of a file of several, by name or by number from 0; --frames then counts within it. --info "
        "lists them.",
        FILES,
        metavar="NAME|N",
    )
    raw: bool = option(False, "With -o -: raw planes instead of y4m.", OUTPUT)
    codec: str | None = option(
        None,
        "FFmpeg encoder of .mp4/.mkv output, such as libx264; default: a lossless one.",
        OUTPUT,
        metavar="NAME",
    )
    codec_options: tuple[tuple[str, str], ...] = option(
        (),
        "Option of --codec; may be repeated.",
        OUTPUT,
        flags=("--codec-option",),
        metavar="KEY=VALUE",
        parse=parse_key_value,
        repeatable=True,
    )
    audio: str | None = option(
        None,
        "Copy the audio of this file, the original, into .mp4/.mkv output beside the picture, without coding it anew.",
        OUTPUT,
        metavar="FILE",
    )
    md5: bool = option(False, "Print the MD5 of the decoded planes (of the raw .yuv) on stdout.", CHECKS)
    verify: str | None = option(
        None,
        "Compare with an MD5, or with a file that holds one; exit 5 if it differs.",
        CHECKS,
        metavar="MD5|FILE",
    )
    no_verify: bool = option(False, "Do not compare with the hashes in the file.", CHECKS)
    info: bool = option(False, "Describe the file without decoding it.", INSTEAD)
    bench: bool = option(False, "Time every stage, file to memory and file to .yuv; print memory.", INSTEAD)
    backend: Literal["reference", "native", "cuda"] | None = option(
        None, "What decodes: numpy, C or CUDA; default: the best present. All give the same samples.", MACHINE
    )
    threads: int | None = option(None, "CPU threads; default: all cores.", MACHINE, range=(1, 1024))
    low_memory: bool = option(False, "Cut large frames into bands of rows: less memory, more time.", MACHINE)
    limits: tuple[str, ...] = option(
        (),
        "What the file may ask for, instead of the defaults: parameters, macs_per_pixel, map_bytes, picture_pixels, "
        "frames, memory (bytes); N may end in K, M, G or T.",
        MACHINE,
        metavar="NAME=N[,...]",
        repeatable=True,
    )
    as_json: bool = option(False, "Print --info, --bench or the summary as JSON on stdout.", RESULTS, flags=("--json",))
    save: str | None = option(None, "Write --info, --bench or the summary there as JSON.", RESULTS, metavar="FILE.json")
    progress: str | None
    quiet: bool


NQDEC = HelpPage(
    groups=groups_of(NqdecOptions),
    short=("--output", "--frames", "--info", "--md5", "--verify", "--bench"),
    examples=(
        ("nqdec clip.nq -o clip.y4m", "The whole clip, checked against the hashes in the file."),
        ("nqdec clip.nq -o - | ffplay -", "Watch it."),
        ("curl -s https://example.org/clip.nq | nqdec - -o - | ffplay -", "From a pipe, into a pipe."),
        ("nqdec clip.nq --frames 100:150 -o frames/%05d.png", "Fifty frames as pictures; none before them is decoded."),
        ("nqdec clip.nq -o - --raw | md5sum", "Raw planes; the same as nqdec --md5."),
        (
            "nqdec clip.nq -o clip.mp4 --codec libx264 --codec-option crf=18",
            "Into another format, here lossy; without --codec, lossless.",
        ),
        ("nqdec clip.nq -o clip.mkv --audio clip.mp4", "With the original's audio, as it is."),
        ("nqdec clip.nq --verify clip.nq.md5 -q", "Conformance: exit code 5 if a single sample differs."),
    ),
    see_also=("nqenc --help", "nqtool --help", GUIDE, "formats/nq.md: the format"),
    foreign=DECODING,
)
