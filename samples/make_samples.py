"""Makes the sample clip from the Big Buck Bunny excerpt: `python samples/make_samples.py bigbuckbunny.mp4 [FOLDER]`.

The first 32 frames, scaled to 320x180 by swscale's bicubic filter, 8-bit 4:2:0, stored losslessly. The stored file is
what counts: another FFmpeg may scale a sample differently, so the script prints the MD5 of what it stored (README.md
has ours).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from nqcodec.media.libav import import_av, plane_views
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.media.video import Chroma, Colour, Frame, Video, frame_bytes

# The 720-line source does not state its matrix, which implies BT.709; at 180 lines it has to be stated.
CLIP = Video(320, 180, 32, Fraction(25), Chroma.C420, 8, Colour(primaries=1, transfer=1, matrix=1))
NAME = "bbb_320x180.mkv"
CODEC = "libvpx-vp9"
"""The smallest of the lossless encodings tried: 662 kB, against 712 for x265, 733 for x264 and 1358 for FFV1."""
OPTIONS = {"lossless": "1", "cpu-used": "0", "deadline": "best"}


def scaled_frames(source: Path) -> Iterator[Frame]:
    """The clip's frames, scaled from a larger 4:2:0 video of the same rate."""
    with import_av().open(str(source)) as container:
        for picture in itertools.islice(container.decode(video=0), CLIP.frames):
            small = picture.reformat(CLIP.width, CLIP.height, "yuv420p", interpolation="BICUBIC")
            views = zip(plane_views(small, CLIP), CLIP.plane_shapes, strict=True)
            yield tuple(view[: shape[0], : shape[1]].copy() for view, shape in views)


def md5(frames: Iterator[Frame]) -> str:
    """MD5 of raw planes (formats/nq.md 7)."""
    digest = hashlib.md5(usedforsecurity=False)
    for frame in frames:
        digest.update(frame_bytes(frame))
    return digest.hexdigest()


def main() -> None:
    """Write the clip, and check that what was stored is what was scaled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="bigbuckbunny.mp4, 1280x720, 25 fps")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent)
    arguments = parser.parse_args()
    target = arguments.folder / NAME
    with open_sink(target, CLIP, codec=CODEC, options=OPTIONS) as sink:
        for frame in scaled_frames(arguments.source):
            sink.write(frame)
    with open_source(target) as stored:
        found = md5(iter(stored))
    if found != md5(scaled_frames(arguments.source)):
        raise SystemExit(f"{target}: the stored planes differ from the scaled ones")
    print(f"{target}: {target.stat().st_size} bytes, MD5 of planes {found}")


if __name__ == "__main__":
    main()
