"""atheris target: the whole Python decoder, entropy decoding and the numpy reference (formats/nq.md, 3 to 7).

Any bytes give frames that match the file's hashes, or a named error. Hashes are not compared with the picture here, so
that damaged values are synthesized too; the C library takes no part.
"""

from __future__ import annotations

from dataclasses import replace

import fuzz_parser
from python_target import main

MOST_PARAMETERS, MOST_MACS = 1 << 13, 1 << 22


def prepare() -> None:
    """Import what is fuzzed, and turn the C library away."""
    from nqcodec.native import loading as _native

    fuzz_parser.prepare()
    _native._load = lambda name: (None, "not used here")  # type: ignore[assignment]


def run(data: bytes) -> None:
    """One input: as it is, and with CRCs mended where its chunks can be told apart."""
    from nqcodec.bitstream.file import parse_file
    from nqcodec.decoder.decoder import Decoder
    from nqcodec.errors import NqError

    base = fuzz_parser.modules["hostile"].LIMITS
    for candidate in (data, fuzz_parser.mend(data)):
        try:
            file = parse_file(candidate, "hostile.nq", base)
            pixels = file.video.width * file.video.height
            limits = replace(
                base, parameters=MOST_PARAMETERS, map_bytes=1 << 18, macs_per_pixel=max(1, MOST_MACS // pixels)
            )
            decoder = Decoder(file, backend="reference", threads=1, limits=limits, verify=False)
            for _ in decoder.frames(0, min(2, file.video.frames)):
                pass
        except NqError:
            continue


if __name__ == "__main__":
    main(run, prepare)
