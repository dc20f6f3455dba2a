"""The training loop: it learns, it repeats itself to the bit, after a resume too, and it stops when asked."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.errors import InputError, UsageError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Grid, Planes
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.evaluation import evaluate
from nqcodec.training.network import FloatNetwork
from nqcodec.training.optim import MuonAdam, orthogonalise
from nqcodec.training.paper.encoder import Encoder
from nqcodec.training.presets import PLAIN_PRESETS, preset_settings
from nqcodec.training.progress import Progress
from nqcodec.training.settings import FitSettings
from nqcodec.training.stages import learning_rate
from nqcodec.training.start import batch_frames, new_network
from nqcodec.training.train import expected_time, fit

SETTINGS = FitSettings(iterations=80, seed=3)


@pytest.fixture(scope="module")
def work() -> tuple[Program, PackedClip]:
    video, frames = small_clip()
    program = hnerv.build(video, video.frames, 3_000)
    return program, pack(frames, video, program)


def fitted(work: tuple[Program, PackedClip], settings: FitSettings = SETTINGS) -> FloatNetwork:
    network = new_network(work[0], work[1].frames, settings)
    fit(network, work[1], settings)
    return network


def same(a: FloatNetwork, b: FloatNetwork) -> bool:
    return all(torch.equal(a.tensors[name], b.tensors[name]) for name in a.tensors)


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
@pytest.mark.parametrize("loss", ["log-mse", "mse"])
def test_it_learns(work: tuple[Program, PackedClip], optimizer: str, loss: str) -> None:
    settings = replace(
        SETTINGS, iterations=300, optimizer=optimizer, loss=loss, lr=4e-2 if optimizer == "muon" else 1e-2
    )
    network = new_network(work[0], 5, settings)
    before = evaluate(network, work[1]).yuv
    result = fit(network, work[1], settings)
    assert result.finished
    assert result.iterations == 300
    assert result.quality.yuv > max(before + 8, 24)
    assert network.dtype is torch.float32
    y, u, v = result.quality.planes
    assert result.quality.yuv == pytest.approx((6 * y + u + v) / 8, abs=1e-4)


def test_the_same_seed_gives_the_same_network(work: tuple[Program, PackedClip]) -> None:
    first = fitted(work)
    torch.manual_seed(123)
    assert same(first, fitted(work))
    assert not same(first, fitted(work, replace(SETTINGS, seed=4)))


@pytest.mark.parametrize("encoder", [False, True])
def test_resume_is_identical_to_no_interruption(
    work: tuple[Program, PackedClip], tmp_path: Path, encoder: bool
) -> None:
    program, clip = work

    def run(**how: object) -> tuple[FloatNetwork, bool]:
        network = new_network(program, 5, SETTINGS)
        made = Encoder(program) if encoder else None
        return network, fit(network, clip, SETTINGS, encoder=made, **how).finished  # type: ignore[arg-type]

    whole, _ = run()
    path = tmp_path / "fit.ckpt"
    looks = iter([False, True])
    partial, finished = run(checkpoint=path, stop=lambda: next(looks))
    assert not finished
    assert not same(whole, partial)
    resumed, finished = run(checkpoint=path, resume=True)
    assert finished
    assert same(whole, resumed)


def test_a_checkpoint_of_something_else_is_refused(work: tuple[Program, PackedClip], tmp_path: Path) -> None:
    program, clip = work
    path = tmp_path / "fit.ckpt"
    fit(new_network(program, 5, SETTINGS), clip, SETTINGS, checkpoint=path, stop=lambda: True)
    others = [
        (clip, replace(SETTINGS, seed=4)),
        (clip, replace(SETTINGS, iterations=81)),
        (replace(clip, data=clip.data ^ 1), SETTINGS),
    ]
    for other, settings in others:
        with pytest.raises(InputError, match="another network, clip"):
            fit(new_network(program, 5, settings), other, settings, checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"fit\.ckpt"):
        fit(new_network(program, 5, SETTINGS), clip, SETTINGS, checkpoint=path, resume=True)


def test_ctrl_c_leaves_a_checkpoint_that_resumes(work: tuple[Program, PackedClip], tmp_path: Path) -> None:
    program, clip = work
    path = tmp_path / "fit.ckpt"
    settings = replace(SETTINGS, iterations=5_000)
    handler = signal.getsignal(signal.SIGINT)
    under_way = threading.Event()

    def watch(state: Progress) -> None:
        if state.iteration >= 64:
            under_way.set()

    def press_ctrl_c() -> None:
        under_way.wait()
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press_ctrl_c, daemon=True)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        fit(new_network(program, 5, settings), clip, settings, checkpoint=path, progress=watch)
    presser.join()
    assert signal.getsignal(signal.SIGINT) is handler
    seen: list[Progress] = []
    network = new_network(program, 5, settings)
    result = fit(network, clip, settings, checkpoint=path, resume=True, progress=seen.append, stop=lambda: True)
    assert 64 <= result.iterations == seen[0].iteration < settings.iterations


def test_progress_reaches_the_end(work: tuple[Program, PackedClip]) -> None:
    seen: list[Progress] = []
    fit(new_network(work[0], 5, SETTINGS), work[1], SETTINGS, progress=seen.append)
    assert [state.iteration for state in seen] == [32, 64, 80]
    assert seen[-1].eta == 0
    assert seen[-1].psnr > seen[0].psnr
    assert seen[-1].seconds >= seen[0].seconds > 0


def test_an_epoch_sees_every_frame_once() -> None:
    for frames, batch in ((5, 2), (8, 2), (1, 1), (7, 3)):
        iterations = -(-frames // batch)
        epochs = [
            torch.cat([batch_frames(frames, batch, e * iterations + s, 7) for s in range(iterations)]) for e in range(3)
        ]
        assert all(sorted(epoch.tolist()) == list(range(frames)) for epoch in epochs)
    assert not torch.equal(batch_frames(64, 64, 0, 7), batch_frames(64, 64, 1, 7))
    assert not torch.equal(batch_frames(64, 64, 0, 7), batch_frames(64, 64, 0, 8))


def test_learning_rate_warms_up_and_falls() -> None:
    rates = [learning_rate(iteration, FitSettings(iterations=100)) for iteration in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates.index(max(rates)) == 4
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 1e-3
    assert learning_rate(99, FitSettings(iterations=100, floor=0.05)) == 0.05


def test_the_encoder_s_latents_end_up_in_the_network(work: tuple[Program, PackedClip]) -> None:
    program, clip = work
    network, encoder = new_network(program, 5, SETTINGS), Encoder(program)
    result = fit(network, clip, SETTINGS, encoder=encoder)
    with torch.no_grad():
        expected = encoder(clip.batch(torch.arange(5)))
    assert torch.allclose(network.tensors["op0_latent"], expected, atol=1e-5)
    assert result.quality.yuv == evaluate(network, clip).yuv


def test_the_published_encoder_s_size() -> None:
    from nqcodec.media.video import Chroma, Colour, Video

    video = Video(1280, 640, 132, chroma=Chroma.C444, colour=Colour(matrix=0))
    encoder = Encoder(hnerv.build_preset("bunny-3m", video, 132))
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 306_160


def test_orthogonalised_updates_have_singular_values_near_one() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((8, 30), (30, 8), (12, 12), (1, 5)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape, generator=generator)))
        assert float(values.max()) < 1.3
        assert float(values.min()) > 0.3 or shape == (12, 12)


def test_adam_is_torch_s() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(4, 5, generator=generator)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    mine, reference = MuonAdam([{"params": [ours], "lr": 0.01}]), torch.optim.Adam([theirs], lr=0.01)
    for _ in range(20):
        gradient = torch.randn(4, 5, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        reference.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_presets_depend_on_the_clip_alone(work: tuple[Program, PackedClip]) -> None:
    iterations = [preset_settings(name, 32).iterations for name in PLAIN_PRESETS]
    assert iterations == sorted(iterations)
    assert preset_settings("fast", 64).iterations == 2 * preset_settings("fast", 32).iterations
    assert preset_settings("fast", 1).batch == 1
    with pytest.raises(UsageError, match="placebo"):
        preset_settings("faster", 32)
    network = new_network(work[0], 5, SETTINGS)
    before = {name: value.clone() for name, value in network.tensors.items()}
    assert 0 < expected_time(network, work[1], preset_settings("fast", 5)).seconds < 600
    assert all(torch.equal(before[name], network.tensors[name]) for name in before)


def test_a_network_is_judged_as_samples_too() -> None:
    """An error of a quarter of a sample everywhere is gone once it is rounded, and one beyond white is clipped."""
    video = Video(8, 8, 2, chroma=Chroma.C400)
    frames = [(np.full((8, 8), level, np.uint8),) for level in (100, 255)]
    program = Program.of([Grid((), 2, 1, 8, 8), Planes((0,), 1)], video)
    clip = pack(frames, video, program)
    network = FloatNetwork(program, 2)
    with torch.no_grad():
        for t, level in enumerate((100.25, 300.0)):
            network.tensors["op0_latent"][t].fill_(level / 256 - 0.5)
    assert evaluate(network, clip).yuv < 60
    assert evaluate(network, clip, as_samples=True).yuv == pytest.approx(100.0, abs=0.1)
