"""The fit benchmark: both loops train the same network, and figures come out."""

from __future__ import annotations

import pytest
import torch

from nqcodec.backbones import hnerv
from nqcodec.benchmarks import training as bench
from nqcodec.media.video import Video
from nqcodec.training.clip import pack
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network


def test_plain_and_own_forward_agree() -> None:
    video = Video(48, 32, 3)
    program = hnerv.build(video, 3, 3_000)
    network = new_network(program, 3, FitSettings(iterations=1))
    times = torch.tensor([0, 2])
    assert torch.allclose(bench._plain_forward(network, times), network(times), atol=1e-5)


def test_the_plain_loop_learns() -> None:
    video = Video(48, 32, 4)
    program = hnerv.build(video, 4, 3_000)
    clip = pack(bench.moving_texture(video), video, program)
    loop = bench._plain_loop(program, clip, FitSettings(iterations=100, lr=1e-2))
    before = loop.network(torch.arange(4)).detach().clone()
    for _ in range(30):
        loop.iterate()
    target = clip.batch(torch.arange(4))
    after = loop.network(torch.arange(4)).detach()
    assert float((after - target).square().mean()) < 0.3 * float((before - target).square().mean())


def test_figures() -> None:
    (row,) = bench.run(((32, 16),), parameters=2_000, threads=1, rounds=1, iterations=2).result().rows
    assert row["size"] == "32x16"
    assert row["speedup"] == pytest.approx(row["default"] / row["plain"])
    assert row["speedup_adam"] == pytest.approx(row["adam"] / row["plain"])
