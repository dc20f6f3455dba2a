"""Errors of nqenc and nqdec that follow from their options alone, raised before anything is read, fitted or decoded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nqcodec.errors import InputError, UsageError

if TYPE_CHECKING:
    from nqcodec.cli.nqdec_options import NqdecOptions
    from nqcodec.cli.nqenc_options import NqencOptions

# Nothing of nqcodec.formats is imported at start: nqdec has no use for it where it only describes a file.

VIDEO = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".y4m", ".png"})
"""Extensions of what nqdec writes, raw planes excepted."""
OTHERS = VIDEO | {".yuv", ".raw", ".avi", ".ts", ".264", ".h264", ".265", ".h265", ".hevc", ".ivf", ".obu", ".gif"}
"""Extensions that a .nq file is not meant to have."""

WRITING = {
    "output": "--output",
    "raw": "--raw",
    "codec": "--codec",
    "codec_options": "--codec-option",
    "md5": "--md5",
    "verify": "--verify",
}
"""Options of nqdec that belong to decoding, and have no use where it only describes or times a file."""


def check_clips(clips: Sequence[str]) -> None:
    """Raise InputError for the first of several clips that does not exist; a single one's reader raises it."""
    from nqcodec.media.png import is_pattern

    for clip in clips if len(clips) > 1 else ():
        if clip != "-" and not is_pattern(clip) and not Path(clip).exists():
            raise InputError(f"{clip}: no such file")


def check_encoded_name(pattern: str) -> None:
    """Raise UsageError where -o names another format than .nq."""
    path = Path(pattern)
    if path.suffix.lower() in OTHERS:
        named = path.with_suffix(".nq")
        raise UsageError(
            f"-o {pattern}: nqenc writes .nq files: did you mean -o {named}? "
            f"Then nqdec {named} -o {pattern} decodes it to {path.suffix}"
        )


def check_standard_output(options: NqencOptions) -> None:
    """Raise UsageError for what nqenc cannot give beside a file on standard output, or make of one that is gone."""
    if options.output != "-":
        return
    given = [name for name in ("report", "csv", "tensorboard") if getattr(options, name)]
    if options.as_json:
        raise UsageError("stdout is the file with -o -: ask for the report with --save FILE.json instead of --json")
    if given:
        raise UsageError(f"--{given[0]} reads the file again, which -o - does not keep: name a file")


def check_decoding(options: NqdecOptions) -> None:
    """Raise UsageError for options of nqdec that contradict one another, or that nothing would come of."""
    instead = [f"--{name}" for name in ("info", "bench") if getattr(options, name)]
    if len(instead) > 1:
        raise UsageError("--info and --bench exclude each other")
    given = [option for name, option in WRITING.items() if getattr(options, name)]
    if instead and given:
        raise UsageError(f"{instead[0]} decodes to nowhere: leave out {', '.join(given)}")
    kind = [option for option in given if option in ("--raw", "--codec", "--codec-option")]
    output = options.output
    if kind and not output:
        raise UsageError(f"{', '.join(kind)}: says how to write, but nothing is written without -o")
    if options.raw and output and _names_a_format(output):
        raise UsageError(f"--raw contradicts -o {output}, whose name asks for another format; leave one of them out")


def _names_a_format(output: str) -> bool:
    """Whether the name of an output asks for anything but raw planes."""
    path = Path(output)
    return output != "-" and (path.suffix.lower() in VIDEO or output.endswith(os.sep) or path.is_dir())
