"""nqtool bench clips: the start on small pictures, and the table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from formats_clips import write
from rateaware_cases import QUICK, crop

from nqcodec.backbones import pyramid
from nqcodec.benchmarks.clips import VARIANTS
from nqcodec.benchmarks.coarse_first import CoarseStart, coarser
from nqcodec.benchmarks.trials import Excerpt
from nqcodec.cli.nqtool import main
from nqcodec.errors import UsageError
from nqcodec.media.video import Video
from nqcodec.methods.rate_aware.fit import Fitted
from nqcodec.training.start import new_network


@pytest.fixture
def excerpt() -> Excerpt:
    video, frames = crop(160, 112)
    return Excerpt("crop", video, frames)


def test_the_start_teaches_all_levels_but_the_finest(excerpt: Excerpt) -> None:
    video = excerpt.video
    program = pyramid.for_bytes(video, video.frames, 800, None, True)
    small = coarser(program, Video(80, 56, video.frames))
    assert small.coded_size == (80, 56)
    assert small.operations[:-2] == program.operations[: len(small.operations) - 2]
    start = Fitted.fresh(new_network(program, video.frames, QUICK))
    before = {key: value.detach().clone() for key, value in start.network.tensors.items()}
    steps = {key: value.clone() for key, value in start.quantizers.step_indices.items()}
    CoarseStart(excerpt, 800)(start, replace(QUICK, iterations=30))
    changed = {key for key, value in start.network.tensors.items() if not torch.equal(value, before[key])}
    taught = {f"op{index}_{name}" for index in range(len(small.operations) - 2) for name in small.tensors(index)}
    assert changed == taught
    assert any(not torch.equal(start.quantizers.step_indices[key], steps[key]) for key in taught)


def test_a_pyramid_of_one_level_is_refused() -> None:
    video, _ = crop()
    with pytest.raises(UsageError, match="96x64 has one level"):
        coarser(pyramid.for_bytes(video, video.frames, 800, None, True), Video(48, 32, video.frames))


def test_the_table_has_every_fit(tmp_path: Path, excerpt: Excerpt) -> None:
    write(tmp_path / "crop.y4m", excerpt.video, excerpt.frames)
    options = ["--frames", "8", "--iterations", "20", "--bpp", "0.6", "--json"]
    done = CliRunner().invoke(main, ["bench", "clips", str(tmp_path / "crop.y4m"), *options])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [row["variant"] for row in rows] == list(VARIANTS)
    assert all(row["psnr"] > 15 and row["cpu_seconds"] > 0 and 0 < row["bpp"] <= 0.6 for row in rows)
    assert len({row["psnr"] for row in rows}) == len(rows)
