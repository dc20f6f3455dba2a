"""Real frames and short fits for the tests of rate-aware fitting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from torch import Tensor

from nqcodec.backbones import pyramid
from nqcodec.bitstream.segment import pack_segment
from nqcodec.media.source import open_source
from nqcodec.media.video import Frame, Video
from nqcodec.methods.rate_aware.fit import Fitted
from nqcodec.methods.rate_aware.likelihood import STATIC_VARIANCE, gaussian_bits
from nqcodec.methods.rate_aware.settings import RateAwareSettings
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.start import new_network

CLIP = Path(__file__).resolve().parents[2] / "samples" / "bbb_320x180.mkv"

QUICK = RateAwareSettings(iterations=100, noise=0.5)
"""All phases of a fit in half a second, with looks at the size in each."""


@cache
def crop(width: int = 96, height: int = 64, frames: int = 8, pan: int = 0) -> tuple[Video, tuple[Frame, ...]]:
    """The first frames of the sample's middle, as a camera sees it that moves by `pan` columns of chroma a frame."""
    with open_source(CLIP, count=frames) as source:
        video = replace(source.video, width=width, height=height, frames=frames)
        top, left = (180 - height) // 4 * 2, (320 - width) // 4 * 2

        def cut(t: int, sub: int) -> tuple[slice, slice]:
            x = left + 2 * pan * t
            return slice(top // sub, (top + height) // sub), slice(x // sub, (x + width) // sub)

        return video, tuple((y[cut(t, 1)], u[cut(t, 2)], v[cut(t, 2)]) for t, (y, u, v) in enumerate(source))


def size_of(network: IntegerNetwork) -> int:
    """Bytes of a segment's payload."""
    return pack_segment(network).size


@dataclass(frozen=True)
class Case:
    """A fit to make of `program` for `clip` at `bytes`."""

    program: Program
    clip: PackedClip
    bytes: int
    settings: RateAwareSettings

    @staticmethod
    def at(bpp: float, settings: RateAwareSettings = QUICK) -> Case:
        """The real crop at a rate."""
        video, frames = crop()
        size = int(bpp * video.pixels / 8)
        program = pyramid.for_bytes(video, video.frames, size)
        return Case(program, pack(frames, video, program), size, settings)

    def fresh(self) -> Fitted:
        """What the fit starts from."""
        return Fitted.fresh(new_network(self.program, self.clip.frames, self.settings))


def static_bits(values: Tensor) -> Tensor:
    """Bits of a tensor under a static Gaussian of its own variance, a scalar: the definition."""
    scale = (values.square().mean() + STATIC_VARIANCE).sqrt()
    return gaussian_bits(values, scale).sum()
