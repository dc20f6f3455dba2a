"""Networks that have been fitted to a small clip, for tests of what comes after the fit."""

from __future__ import annotations

from collections.abc import Iterable

from nqcodec.media.video import Frame, Video
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.network import FloatNetwork
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit


def fitted_network(
    program: Program, video: Video, frames: Iterable[Frame], iterations: int
) -> tuple[FloatNetwork, PackedClip]:
    """A network of `program` after a plain fit of `frames`, all of `video`, in float32; and the packed clip."""
    clip = pack(frames, video, program)
    settings = FitSettings(iterations, dtype="float32")
    network = new_network(program, video.frames, settings)
    fit(network, clip, settings)
    return network, clip
