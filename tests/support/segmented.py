"""Files of several segments: of one program or of several, with clips, frame times, hashes and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from random_networks import random_network

from nqcodec.bitstream.metadata import ClipStart
from nqcodec.bitstream.segment import PackedSegment, pack_segment
from nqcodec.bitstream.writer import NqWriter
from nqcodec.decoder.decoder import plane_md5
from nqcodec.media.metadata import FrameTimes, LightLevel, Metadata
from nqcodec.media.video import Video, frame_bytes
from nqcodec.synthesis.backends import open_synthesizer

VIDEO = Video(12, 10, 2)
METADATA = Metadata(light=LightLevel(1000, 400), encoder="nqcodec test")


def coded(seed: int, video: Video = VIDEO) -> tuple[PackedSegment, list[bytes]]:
    """A segment with its hash, and the MD5 of each frame."""
    network, whole, hashes = random_network(np.random.default_rng(seed), video), plane_md5(), []
    with open_synthesizer(network, video, video.frames, "reference") as synthesizer:
        for t in range(video.frames):
            data, digest = frame_bytes(synthesizer.frame(t)), plane_md5()
            whole.update(data)
            digest.update(data)
            hashes.append(digest.digest())
    return pack_segment(network, md5=whole.digest()), hashes


def segmented(
    seeds: Sequence[int],
    *,
    clips: Sequence[str | None] = (),
    metadata: Metadata | None = METADATA,
    hashed: bool = False,
    timed: bool = False,
    video: Video = VIDEO,
) -> bytes:
    """A file of a segment for each seed; those of equal seeds have one program. `clips` begin with the segments."""
    out = bytearray()
    writer = NqWriter.of(out.extend, video, metadata)
    for number, seed in enumerate(seeds):
        packed, hashes = coded(seed, video)
        name = clips[number] if number < len(clips) else None
        writer.segment(
            video,
            packed,
            repeats=seed in seeds[number + 1 :],
            frame_md5=hashes if hashed else (),
            times=FrameTimes(Fraction(1, 1000), 80 * number, ((30, 1), (50, 1))) if timed else None,
            clip=ClipStart(name) if name else None,
        )
    writer.finish()
    return bytes(out)
