"""Packing clips: layout against formats/nq.md 6.6 sample by sample, masks, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.errors import InputError, LimitError
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.synthesis.reference import cropped_planes
from nqcodec.training import clip as clips
from nqcodec.training.losses import log_mse, mse, plane_errors, psnr

FORMATS = [(chroma, depth, size) for chroma in Chroma for depth, size in ((8, (36, 22)), (10, (35, 21)), (12, (1, 1)))]


@pytest.mark.parametrize(("chroma", "depth", "size"), FORMATS)
def test_layout_is_that_of_planes(chroma: Chroma, depth: int, size: tuple[int, int]) -> None:
    video, frames = small_clip(*size, frames=2, chroma=chroma, depth=depth)
    program = hnerv.build(video, 2, 3_000)
    packed = clips.pack(frames, video, program)
    values = packed.batch(torch.tensor([1]))[0].numpy()
    first = 0
    for k, plane in enumerate(frames[1]):
        sx, sy = chroma.plane_sub(k)
        rows, columns = 2 // sy, 2 // sx
        for y in range(plane.shape[0]):
            for x in range(plane.shape[1]):
                channel = first + (y % rows) * columns + x % columns
                assert values[channel, y // rows, x // columns] == plane[y, x] / 2**depth - 0.5
        first += rows * columns
    assert first == values.shape[0]


@pytest.mark.parametrize(("chroma", "depth", "size"), FORMATS)
def test_unpack_inverts_pack(chroma: Chroma, depth: int, size: tuple[int, int]) -> None:
    video, frames = small_clip(*size, frames=1, chroma=chroma, depth=depth)
    grid = (size[1] + 3, size[0] + 2)
    packed = clips.pack_frame(frames[0], chroma, 2, grid)
    for plane, again in zip(frames[0], cropped_planes(packed, 2, video), strict=True):
        assert np.array_equal(plane, again)


@pytest.mark.parametrize("chroma", list(Chroma))
def test_errors_are_means_over_the_picture_alone(chroma: Chroma) -> None:
    """Against numpy on cropped planes, with garbage in the padding."""
    video, frames = small_clip(35, 21, frames=3, chroma=chroma)
    program = hnerv.build(video, 3, 3_000)
    packed = clips.pack(frames, video, program)
    assert packed.mask is not None
    times = torch.arange(3)
    target = packed.batch(times)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    output = target + noise * packed.mask + 1e3 * (1 - packed.mask)
    errors = plane_errors(output, target, packed)
    for t in range(3):
        planes = cropped_planes(noise[t].numpy(), 2, video)
        assert errors[t].numpy() == pytest.approx([float((p.astype(np.float64) ** 2).mean()) for p in planes], rel=1e-4)


def test_without_padding_there_is_no_mask() -> None:
    video, frames = small_clip(64, 48, frames=1)
    assert clips.pack(frames, video, hnerv.build(video, 1, 3_000)).mask is None


def test_weights() -> None:
    video, frames = small_clip(frames=1)
    assert clips.pack(frames, video, hnerv.build(video, 1, 3_000)).weights.tolist() == [0.75, 0.125, 0.125]
    rgb = Video(36, 22, 1, chroma=Chroma.C444, colour=Colour(matrix=0))
    planes = tuple(np.zeros(shape, np.uint8) for shape in rgb.plane_shapes)
    assert clips.pack([planes], rgb, hnerv.build(rgb, 1, 3_000)).weights.tolist() == pytest.approx([1 / 3] * 3)


def test_losses_and_psnr() -> None:
    errors = torch.tensor([[1e-2, 1e-3, 1e-4], [1e-4, 1e-3, 1e-2]])
    weights = torch.tensor([0.75, 0.125, 0.125])
    assert float(mse(errors, weights)) == pytest.approx(float((errors @ weights).mean()))
    mean_db = float((psnr(errors, 8) @ weights).mean())
    peak = 20 * np.log10(255 / 256)
    assert float(log_mse(errors, weights)) == pytest.approx((peak - mean_db) * np.log(10) / 10, rel=1e-5)
    one_step_off = torch.tensor([(1 / 1024) ** 2])
    assert float(psnr(one_step_off, 10)) == pytest.approx(20 * np.log10(1023), abs=1e-2)
    assert float(psnr(torch.zeros(1), 8)) <= 100


def test_wrong_frame_counts_are_refused() -> None:
    video, frames = small_clip(frames=3)
    program = hnerv.build(video, 3, 3_000)
    for wrong in (frames[:2], [*frames, frames[0]]):
        with pytest.raises(InputError, match="3 were expected"):
            clips.pack(wrong, video, program)


def test_a_clip_beyond_memory_is_refused_before_it_is_read() -> None:
    video = Video(1920, 1080, 600)
    program = hnerv.build(video, 600, 100_000)
    needed = clips.clip_memory(video, program)
    assert needed > 600 * video.frame_bytes

    def unread() -> object:
        raise AssertionError("frames were read")
        yield

    with pytest.raises(LimitError, match="--segment"):
        clips.pack(unread(), video, program, memory=needed - 1)  # type: ignore[arg-type]
    clips.check_memory(video, program, memory=needed)


def test_available_memory_is_plausible() -> None:
    assert 1 << 24 < clips.available_memory() < 1 << 50
