"""Decoding what may be hostile, under limits of memory and time that the system enforces.

`python tests/support/hostile.py --seed S --count N` damages files and decodes each: it ends with a line of counts, or
is killed by the first that crashes, hangs or takes more memory than it may; `--last` then holds that file.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import json
import resource
import sys
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

from mutations import VECTORS, base_files, mutant

from nqcodec.bitstream.file import NqFile, parse_file
from nqcodec.cli.info import file_info, info_lines
from nqcodec.decoder.decoder import Decoder
from nqcodec.errors import NqError
from nqcodec.network.program import Limits

LIMITS = Limits(parameters=1 << 18, map_bytes=1 << 24, picture_pixels=1 << 18, frames=1 << 10, memory=1 << 28)
"""What a hostile file may ask for in a test: seconds and megabytes, not minutes and gigabytes."""

MOST_MACS = 1 << 28
"""A frame's, for the same reason."""

MOST_FRAMES = 8
HANG_SECONDS = 5
SLACK_BYTES = 96 << 20
"""Memory of the interpreter that grows whatever is decoded: arenas, import of modules."""


def limits_for(file: NqFile) -> Limits:
    """`LIMITS`, with as many multiply-accumulates a pixel as make `MOST_MACS` a frame."""
    return replace(LIMITS, macs_per_pixel=max(1, MOST_MACS // (file.video.width * file.video.height)))


def decode_hostile(data: bytes, backend: str) -> str:
    """What comes of bytes: "picture" where a decoder gives frames that match their hashes, else the error's name.

    Anything but an `NqError` is raised: it is a bug.
    """
    try:
        file = parse_file(data, "hostile.nq", LIMITS)
        limits = limits_for(file)
        info_lines(file_info(file, limits))
        for _ in Decoder(file, backend=backend, threads=1, limits=limits).frames(
            0, min(MOST_FRAMES, file.video.frames)
        ):
            pass
    except NqError as error:
        return type(error).__name__
    return "picture"


def hold_memory() -> None:
    """From here on this process gets no more memory than the limits declare, and `SLACK_BYTES`."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + LIMITS.memory + SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def run(seed: int, most: int, seconds: float, vectors: Path, last: Path) -> dict[str, int]:
    """Damage and decode until `most` files or `seconds` are over; counts by outcome."""
    files = base_files(12, vectors)
    everything = [data for _, data in files]
    for name, data in files:
        if name.startswith("random") and decode_hostile(data, "reference") != "picture":
            raise AssertionError(f"{name} does not decode undamaged")
    outcomes: collections.Counter[str] = collections.Counter()
    begin = time.monotonic()
    hold_memory()
    for number in count():
        if number >= most or time.monotonic() - begin > seconds:
            return dict(outcomes)
        name, data = files[number % len(files)]
        damaged = mutant(data, everything, seed, number)
        last.write_bytes(damaged)
        # The C library cannot be interrupted, so a hang ends the process, with a traceback.
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            outcomes[decode_hostile(damaged, "reference" if number % 8 == 7 else "native")] += 1
        except BaseException as error:
            error.add_note(f"{name}:{seed}:{number}, kept in {last}")
            raise
        finally:
            faulthandler.cancel_dump_traceback_later()
    raise AssertionError("the count has no end")


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1 << 62)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--vectors", type=Path, default=VECTORS)
    parser.add_argument("--last", type=Path, default=Path("hostile-last.nq"))
    options = parser.parse_args()
    outcomes = run(options.seed, options.count, options.seconds, options.vectors, options.last)
    options.last.unlink(missing_ok=True)
    json.dump({"inputs": sum(outcomes.values()), **outcomes}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
