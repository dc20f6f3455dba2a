"""Losses of a fit: planes are unpacked as they were packed, structural terms are the published ones, gradients hold."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.compare.quality import measure
from nqcodec.errors import UnsupportedError, UsageError
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network.program import Program
from nqcodec.training import clip as clips
from nqcodec.training.clip import PackedClip
from nqcodec.training.evaluation import evaluate
from nqcodec.training.losses import LOSSES, plane_errors
from nqcodec.training.objectives import OBJECTIVES, Objective
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.structure import Structure, unpack_planes
from nqcodec.training.train import fit

msssim = pytest.importorskip("pytorch_msssim")

SIZE = (148, 134)
"""Chroma planes of 74 x 67: just enough for MS-SSIM, and with padding."""


def packed(video: Video, frames: list[tuple[np.ndarray, ...]]) -> tuple[Program, PackedClip]:
    program = hnerv.build(video, video.frames, 3_000)
    return program, clips.pack(frames, video, program)


def noisy(clip: PackedClip, size: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    """(output, target): all frames of a clip, and what a bad network would show."""
    target = clip.batch(torch.arange(clip.frames))
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    return (target + size * noise).requires_grad_(True), target


def value(
    name: str, program: Program, clip: PackedClip, maps: tuple[torch.Tensor, torch.Tensor], **how: object
) -> torch.Tensor:
    return Objective(name, clip, program, **how)(*maps, plane_errors(*maps, clip))  # type: ignore[arg-type]


@pytest.mark.parametrize("chroma", list(Chroma))
@pytest.mark.parametrize("size", [(36, 22), (35, 21)])
def test_planes_come_back(chroma: Chroma, size: tuple[int, int]) -> None:
    video, frames = small_clip(*size, frames=2, chroma=chroma)
    _, clip = packed(video, frames)
    planes = unpack_planes(clip.batch(torch.arange(2)), video, 2)
    for k, plane in enumerate(planes):
        wanted = np.stack([frame[k] for frame in frames])[:, None] / 256 - 0.5
        assert np.array_equal(plane.numpy(), wanted.astype(np.float32))


@pytest.mark.parametrize(("name", "similarity", "window"), [("l1-ssim", "ssim", 11), ("l1-ms-ssim", "ms_ssim", 5)])
def test_rgb_clips_have_the_published_losses(name: str, similarity: str, window: int) -> None:
    video, frames = small_clip(70, 66, frames=2, chroma=Chroma.C444)
    video = replace(video, colour=Colour(matrix=0))
    program, clip = packed(video, frames)
    maps = noisy(clip)
    outputs, targets = (torch.cat(unpack_planes(each, video, 2), dim=1) + 0.5 for each in maps)
    measured = getattr(msssim, similarity)(outputs, targets, data_range=255 / 256, win_size=window)
    expected = 0.7 * (outputs - targets).abs().mean() + 0.3 * (1 - measured)
    assert value(name, program, clip, maps).item() == pytest.approx(expected.item(), rel=1e-5)


def test_luma_s_ssim_is_the_one_that_is_reported() -> None:
    video, frames = small_clip(*SIZE, frames=1)
    _, clip = packed(video, frames)
    decoded = [tuple(np.roll(plane, 1, axis=1) for plane in frames[0])]
    _, shown = packed(video, decoded)
    structure = Structure(video, 2, (1.0, 0.0, 0.0), False, torch.device("cpu"))
    found = structure(shown.batch(torch.arange(1)), clip.batch(torch.arange(1)))
    assert float(found) == pytest.approx(measure(frames, decoded, video).means()["ssim"], abs=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_fall_with_the_error_and_heed_neither_padding_nor_its_gradients(name: str) -> None:
    program, clip = packed(*small_clip(*SIZE, frames=2))
    assert clip.mask is not None
    maps = noisy(clip)
    loss = value(name, program, clip, maps)
    assert value(name, program, clip, noisy(clip, 0.01)).item() < loss.item()
    (gradient,) = torch.autograd.grad(loss, maps[0])
    outside = (clip.mask == 0).expand_as(gradient)
    assert gradient.isfinite().all()
    assert (gradient[~outside] != 0).float().mean() > 0.99
    assert not gradient[outside].any()
    spoilt = maps[0].detach() + 1e3 * (1 - clip.mask)
    assert float(value(name, program, clip, (spoilt, maps[1]))) == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("scales", [False, True])
def test_planes_and_frames_are_weighed_one_by_one(scales: bool) -> None:
    video, frames = small_clip(*SIZE, frames=3)
    _, clip = packed(video, frames)
    maps, weights = noisy(clip), (0.5, 0.3, 0.2)
    expected = 0.0
    for k, weight in enumerate(weights):
        output, target = (unpack_planes(each.detach(), video, 2)[k] + 0.5 for each in maps)
        for t in range(3):
            pair = (output[t : t + 1], target[t : t + 1])
            measured = msssim.ms_ssim(*pair, 255 / 256, win_size=5) if scales else msssim.ssim(*pair, 255 / 256)
            expected += weight / 3 * float(measured)
    found = Structure(video, 2, weights, scales, torch.device("cpu"))(*maps)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_ms_ssim_s_gradient_is_finite_where_structure_is_opposite() -> None:
    """Negative contrasts are cut to 0, whose fractional powers have infinite slopes."""
    program, clip = packed(*small_clip(*SIZE, frames=2))
    target = clip.batch(torch.arange(2))
    output = (-target).requires_grad_(True)
    (gradient,) = torch.autograd.grad(value("l1-ms-ssim", program, clip, (output, target)), output)
    assert gradient.isfinite().all()
    assert gradient.any()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_plane_weights(name: str) -> None:
    program, clip = packed(*small_clip(*SIZE, frames=1))
    maps = noisy(clip)
    same = value(name, program, clip, maps, plane_weights=(6, 1, 1))
    assert same.item() == pytest.approx(value(name, program, clip, maps).item(), rel=1e-6)
    luma = value(name, program, clip, maps, plane_weights=(2, 0, 0))
    (gradient,) = torch.autograd.grad(luma, maps[0])
    assert gradient[:, :4].any()
    assert not gradient[:, 4:].any()
    for wrong in ((1, 1), (1, -1, 1), (0, 0, 0)):
        with pytest.raises(UsageError, match="3 planes"):
            Objective(name, clip, program, wrong)


@pytest.mark.parametrize(("name", "power"), [("log-mse", 2), ("mse", 2), ("l1", 1)])
@pytest.mark.parametrize("size", [(48, 32), (35, 21), (1, 1)])
def test_coarse_losses_see_means_of_cells(name: str, power: int, size: tuple[int, int]) -> None:
    video, frames = small_clip(*size, frames=2)
    program, clip = packed(video, frames)
    maps = noisy(clip)
    difference = (maps[0] - maps[1]).detach().numpy()
    if clip.mask is not None:
        difference = difference * clip.mask.numpy()
    expected = np.zeros((2, 3))
    channels = (range(4), [4], [5])
    for y in range(0, difference.shape[2], 2):
        for x in range(0, difference.shape[3], 2):
            means = difference[:, :, y : y + 2, x : x + 2].mean(axis=(2, 3))
            for k, plane in enumerate(channels):
                area = np.prod(video.plane_shapes[k])
                expected[:, k] += 4 * (np.abs(means[:, plane]) ** power).sum(axis=1) / area
    weights = torch.tensor([0.75, 0.125, 0.125])
    wanted = LOSSES.get(name, LOSSES["mse"])(torch.from_numpy(expected).float(), weights)
    found = Objective(name, clip, program)(*maps, plane_errors(*maps, clip), True)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_a_coarse_loss_does_not_see_what_is_finer() -> None:
    program, clip = packed(*small_clip(64, 64, frames=1))
    target = clip.batch(torch.arange(1))
    checks = torch.ones_like(target)
    checks[:, :, ::2] *= -1
    fine, even = target + 0.1 * checks, target + 0.1
    objective = Objective("mse", clip, program)
    assert objective(fine, target, plane_errors(fine, target, clip), True).item() == pytest.approx(0, abs=1e-9)
    assert objective(even, target, plane_errors(even, target, clip), True).item() == pytest.approx(0.01, rel=1e-4)


def test_the_default_is_log_mse_with_the_clip_s_weights() -> None:
    program, clip = packed(*small_clip(frames=1))
    maps = noisy(clip)
    expected = LOSSES["log-mse"](plane_errors(*maps, clip), clip.weights)
    assert torch.equal(value(FitSettings(iterations=1).loss, program, clip, maps), expected)


def test_small_planes_are_refused_unless_they_do_not_count() -> None:
    program, clip = packed(*small_clip(66, 66, frames=1))
    with pytest.raises(UsageError, match="at least 65"):
        Objective("l1-ms-ssim", clip, program)
    assert torch.isfinite(value("l1-ms-ssim", program, clip, noisy(clip), plane_weights=(1, 0, 0)))
    program, clip = packed(*small_clip(20, 20, frames=1))
    with pytest.raises(UsageError, match="at least 11"):
        Objective("l1-ssim", clip, program)


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    program, clip = packed(*small_clip(frames=1))
    with pytest.raises(UnsupportedError, match="pip install"):
        Objective("l1-ssim", clip, program)
    Objective("l1", clip, program)


@pytest.mark.parametrize("name", ["l1", "l1-ssim"])
def test_a_fit_learns_with_it(name: str) -> None:
    program, clip = packed(*small_clip(40, 32))
    settings = FitSettings(iterations=120, loss=name)
    network = new_network(program, clip.frames, settings)
    before = evaluate(network, clip).yuv
    assert fit(network, clip, settings).quality.yuv > before + 6
