"""The start of a fit: residual branches begin small, and networks without any begin as ever."""

from __future__ import annotations

import torch

from nqcodec.backbones import BACKBONES, hnerv, nerv, nervpp, picture
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Activation, Add, Conv, Grid, Planes, Upsample, Warp
from nqcodec.network.program import Program
from nqcodec.training.initial import HEAD_SCALE, RESIDUAL_SCALE, has_pointwise_synthesis, start_scales
from nqcodec.training.network import FloatNetwork, tensor_key

VIDEO = Video(16, 8, 3)


def test_only_the_end_of_a_branch_and_the_head_start_smaller() -> None:
    operations = [
        Grid((), 3, 4, 4, 8),
        Conv((0,), 6, 3),
        Conv((1,), 6, 1, activation=Activation.GELU),
        Conv((2,), 6, 1),
        Add((3, 1)),
        Conv((0,), 6, 1),
        Add((4, 5)),
        Conv((6,), 6, 1),
        Planes((7,), 2),
    ]
    program = Program.of(operations, VIDEO)
    # Operation 5 is added to a map that it does not depend on: a sum of two sources, not a residual branch.
    assert start_scales(program) == {3: RESIDUAL_SCALE, 7: HEAD_SCALE}
    network = FloatNetwork(program, 3, torch.Generator().manual_seed(0))
    bound = (6 / 6) ** 0.5
    for index, scale in ((2, 1.0), (3, RESIDUAL_SCALE), (5, 1.0), (7, HEAD_SCALE)):
        largest = float(network.tensors[tensor_key(index, "weight")].detach().abs().max())
        assert 0.7 * scale * bound < largest <= scale * bound * 1.3


def test_a_convolution_that_others_read_keeps_its_start() -> None:
    operations = [
        Grid((), 3, 6, 4, 8),
        Conv((0,), 6, 1),
        Add((0, 1)),
        Conv((1,), 6, 1),
        Add((2, 3)),
        Planes((4,), 2),
    ]
    assert 1 not in start_scales(Program.of(operations, VIDEO))


def test_vectors_start_at_zero() -> None:
    operations = [
        Grid((), 3, 2, 2, 4),
        Upsample((0,), 2, 4, 8),
        Grid((), 1, 3, 4, 8),
        Warp((2, 1), 2),
        Conv((3,), 6, 3),
        Planes((4,), 2),
    ]
    assert start_scales(Program.of(operations, VIDEO)) == {0: 0.0}


def test_networks_without_branches_start_as_ever() -> None:
    video = Video(64, 48, 8)
    assert start_scales(hnerv.build(video, 8, 10_000)) == {}
    assert start_scales(nerv.build(video, 8, 10_000)) == {}


def test_nervpp_starts_within_the_samples_range() -> None:
    """At full scale outputs were hundreds of times the range of samples, and a tanh head saturated."""
    video = Video(40, 30, 9, chroma=Chroma.C444)
    program = nervpp.assemble(nervpp.Settings((3, 4), 8, (5, 2), gated=True, hidden=16, lower=6), video)
    for seed in range(4):
        network = FloatNetwork(program, 9, torch.Generator().manual_seed(seed))
        with torch.no_grad():
            shown = network(torch.arange(9))
        assert float(shown.abs().mean()) < 0.3


def test_a_pointwise_synthesis_starts_faint_on_latents_of_zero() -> None:
    """The start of Cool-Chic's synthesis: weights within 1 / (outputs^2 sqrt(inputs)), residuals and latents 0."""
    program = picture.assemble(VIDEO, VIDEO.frames)
    network = FloatNetwork(program, VIDEO.frames, torch.Generator().manual_seed(0))
    residuals = 0
    for index, op in enumerate(program.operations):
        if isinstance(op, Grid):
            assert not network.tensors[tensor_key(index, "latent")].any()
        elif isinstance(op, Conv):
            weight = network.tensors[tensor_key(index, "weight")].detach()
            residuals += op.kernel == 3
            bound = 0.0 if op.kernel == 3 else weight.shape[1] ** -0.5 / op.out_channels**2
            assert 0.3 * bound <= float(weight.abs().max()) <= 1.0001 * bound
    assert residuals == 3


def test_only_the_picture_network_has_a_pointwise_synthesis() -> None:
    video = Video(320, 180, 1)
    found = {name: has_pointwise_synthesis(one.build(video, 1, 60_000)) for name, one in BACKBONES.items()}
    assert [name for name, pointwise in found.items() if pointwise] == ["picture"]


def test_convolutions_of_latents_that_nothing_enlarges_start_as_ever() -> None:
    operations = [Grid((), 3, 4, 4, 8), Conv((0,), 6, 1), Planes((1,), 2)]
    program = Program.of(operations, VIDEO)
    assert not has_pointwise_synthesis(program)
    assert start_scales(program) == {}
