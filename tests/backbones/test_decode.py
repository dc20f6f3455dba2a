"""Small networks of each backbone: they learn, and what the reference decodes is what the float network shows."""

from __future__ import annotations

import pytest
import torch
from dequantized import dequantized
from fitting import small_clip

from nqcodec.backbones import BACKBONES, hinerv, nerv, nervpp
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import pack_segment, parse_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.media.video import Chroma, Frame, Video
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Limits, Program
from nqcodec.quantization.settings import QuantSettings
from nqcodec.synthesis.backends import open_synthesizer
from nqcodec.training.clip import pack
from nqcodec.training.evaluation import evaluate
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ("nerv", "nervpp", "hinerv")


def published(name: str, video: Video) -> Program:
    """The layers of a preset at a small size, RGB head and all."""
    if name == "nerv":
        return nerv.assemble(nerv.Settings((3, 4), 8, (5, 2), hidden=16, lower=6), video)
    if name == "nervpp":
        return nervpp.assemble(nervpp.Settings((3, 4), 8, (5, 2), gated=True, hidden=16, lower=6), video)
    return hinerv.assemble(hinerv.Settings((3, 2), (5, 2), (3, 4), 12, (5, 2), (2, 1)), video)


def learned(
    program: Program, video: Video, frames: list[Frame], iterations: int
) -> tuple[float, float, IntegerNetwork]:
    """Float PSNR-YUV before and after a fit, and the integer network of it at about 6.5 bits a parameter."""
    clip = pack(frames, video, program)
    how = FitSettings(iterations, dtype="float32")
    network = new_network(program, video.frames, how)
    before = evaluate(network, clip).yuv
    fit(network, clip, how)

    def size(coded: IntegerNetwork) -> int:
        return len(pack_file(video, [(video.frames, pack_segment(coded))]))

    most = int(6.5 * program.parameters / 8)
    coded = quantize(network, clip, max_bytes=most, size_of=size, settings=QuantSettings(finetune_iterations=0))
    return before, evaluate(network, clip).yuv, coded


def assert_decodes_as_floats(coded: IntegerNetwork, video: Video) -> None:
    """Samples decoded by the reference from the coded segment are those of the float network, within rounding."""
    payload = pack_segment(coded).payload(video)
    read = parse_segment(Reader(payload, path="clip", chunk="SEGM"), video, Limits()).network
    assert read.program == coded.program
    times = torch.arange(video.frames)
    with torch.no_grad():
        floats = dequantized(coded, video.frames)(times)
    with open_synthesizer(read, video, video.frames, backend="reference") as synthesizer:
        shown = pack([synthesizer.frame(t) for t in range(video.frames)], video, coded.program).batch(times)
    error = (shown - floats.clamp(-0.5, 0.5)).abs() * 2**video.depth
    assert float(error.mean()) < 1.0


@pytest.mark.parametrize("name", NAMES)
def test_a_small_network_learns_and_decodes(name: str) -> None:
    video, frames = small_clip(48, 36, 6)
    program = BACKBONES[name].build(video, video.frames, 6000)
    before, after, coded = learned(program, video, frames, 200)
    assert after > max(before, 15) + 8
    assert_decodes_as_floats(coded, video)


@pytest.mark.parametrize("name", NAMES)
def test_the_published_layers_learn_and_decode(name: str) -> None:
    video, frames = small_clip(39, 30, 5, Chroma.C444)
    before, after, coded = learned(published(name, video), video, frames, 150)
    assert after > max(before, 15) + 15
    assert_decodes_as_floats(coded, video)
