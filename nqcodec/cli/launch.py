"""nqdec as it is started: the native program where it was built and can do all that the call asks for, else Python's.

Both give the same bytes, texts and exit codes. Python's has what the native one lacks (csrc/nqdec): pictures, the
formats of FFmpeg, CUDA, figures of colour in --bench, the manual, and words for options that do not exist. Nothing here
imports more than it needs to decide: the native program starts in milliseconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nqcodec.native.program import NQDEC

CUDA = Path("/dev/nvidiactl")
"""There where a CUDA device may be: Python's command then finds out whether it can decode on it, which is faster."""

FLAGS = {
    "--overwrite",
    "--no-overwrite",
    "--raw",
    "--md5",
    "--no-verify",
    "--info",
    "--low-memory",
    "--json",
}
FLAGS |= {"-y", "-n", "-q", "--quiet"}
VALUES = {
    "--input",
    "--output",
    "--clip",
    "--frames",
    "--verify",
    "--threads",
    "--limits",
    "--save",
    "--progress",
    "--backend",
}
VALUES |= {"-i", "-o", "--log-level"}
SUFFIXES = {".yuv", ".raw", ".y4m"}
"""Of outputs that the native program writes; - is one, too."""


def nqdec() -> None:
    """Be nqdec, called with the words of `sys.argv`."""
    words = sys.argv[1:]
    if NQDEC.exists() and is_native(words) and not CUDA.exists():
        sys.stdout.flush()
        os.execv(NQDEC, ["nqdec", *words])
    from nqcodec.cli.nqdec import main

    main()


def is_native(words: Sequence[str]) -> bool:
    """Whether the native program does what a call of these words asks for."""
    if os.environ.get("NQCODEC_BACKEND", "native") not in ("", "native"):
        return False
    pairs = _pairs(words)
    return pairs is not None and all(_is_native_value(name, value) for name, value in pairs)


def _pairs(words: Sequence[str]) -> list[tuple[str, str]] | None:
    """(option or "", value) of each word or two; None for an option that the native program lacks, or for no file."""
    found, rest = list[tuple[str, str]](), list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word == "-" or not word.startswith("-"):
            found.append(("", word))
        elif name in VALUES and (equals or rest):
            found.append((name, value if equals else rest.pop(0)))
        elif word in FLAGS:
            found.append((word, ""))
        else:
            return None
    return found if any(name in ("", "-i", "--input") for name, _ in found) else None


def _is_native_value(name: str, value: str) -> bool:
    if name in ("-o", "--output"):
        return value == "-" or (Path(value).suffix.lower() in SUFFIXES and not Path(value).is_dir())
    if name == "--backend":
        return value == "native"
    if name == "--threads":
        return value.isdecimal()
    if name == "--progress":
        return value in ("json", "none")
    return not (name == "--log-level" and value not in ("quiet", "error", "warning", "info"))
