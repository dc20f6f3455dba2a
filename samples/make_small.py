"""Makes a clip whose file can be read byte by byte: `python samples/make_small.py small.y4m`.

The first two frames of the sample, 32x18: each sample is the rounded mean of 10 by 10.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source

SAMPLE = Path(__file__).parent / "bbb_320x180.mkv"
RATIO, FRAMES = 10, 2


def main() -> None:
    """Write the clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="small.y4m")
    target = parser.parse_args().target
    with open_source(SAMPLE) as source:
        video = source.video
        small = replace(video, width=video.width // RATIO, height=video.height // RATIO, frames=FRAMES)
        with open_sink(target, small) as sink:
            for frame in islice(source, FRAMES):
                sizes = zip(frame, small.plane_shapes, strict=True)
                blocks = (plane.reshape(h, RATIO, w, RATIO) for plane, (h, w) in sizes)
                sink.write(tuple(np.rint(block.mean((1, 3))).astype(np.uint8) for block in blocks))


if __name__ == "__main__":
    main()
