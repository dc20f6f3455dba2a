"""Fixtures: the sample bitstream and its MD5; a few real frames; CUDA on a device or emulated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from emulated_cuda import compiler, emulated

from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.synthesis.cuda import why_no_device

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def pytest_configure() -> None:
    """One thread within torch's operations, before anything imports it: two for networks as small as these wait for one
    another longer than they compute."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample's .nq file."""
    return SAMPLES / "bbb_320x180.nq"


@pytest.fixture(scope="session")
def real_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight real frames, the middle 96 x 64 of the sample, as y4m."""
    path = tmp_path_factory.mktemp("real") / "real.y4m"
    with open_source(SAMPLES / "bbb_320x180.mkv", count=8) as source:
        video = replace(source.video, width=96, height=64, frames=8)
        with open_sink(path, video) as sink:
            for y, u, v in source:
                sink.write((y[60:124, 96:192], u[30:62, 48:96], v[30:62, 48:96]))
    return path


@pytest.fixture(scope="session")
def sample_md5() -> str:
    """MD5 of its decoded planes."""
    return (SAMPLES / "bbb_320x180.nq.md5").read_text("ascii").split()[0]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread within torch's operations, whatever earlier tests have set: sums depend on it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


NEEDS_DEVICE = (pytest.mark.gpu, pytest.mark.skipif(bool(why_no_device()), reason=why_no_device()))


@pytest.fixture(params=["emulated", pytest.param("device", marks=NEEDS_DEVICE)])
def cuda(request: pytest.FixtureRequest) -> Iterator[str]:
    """CUDA on the CPU (emulated_cuda.py), and with -m gpu on a device; the value says which."""
    if request.param == "emulated" and compiler() is None:
        pytest.skip("needs a C++ compiler")
    with emulated() if request.param == "emulated" else nullcontext():
        yield request.param
