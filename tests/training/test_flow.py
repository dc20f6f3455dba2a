"""The vectors that a fit starts from: what displaces each frame into the middle one, in the units of the program."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from nqcodec.backbones import pyramid
from nqcodec.media.video import Chroma, Frame, Video
from nqcodec.network.camera_path import PATH_BITS, Path
from nqcodec.network.motion import vector_grids
from nqcodec.network.operations import Grid
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.flow import Motion, _beside, start_vectors
from nqcodec.training.network import FloatNetwork, tensor_key

FRAMES, MIDDLE = 9, 4


def texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth noise in 8-bit levels, float32."""
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 2.5)
    return np.asarray(np.clip(120 + 40 * noise / noise.std(), 0, 255), np.float32)


def moving(rng: np.random.Generator, video: Video, down: float, right: float) -> list[Frame]:
    """Frames in which everything moves by (down, right) samples from one to the next."""
    margin = 40
    whole = texture(rng, video.height + 2 * margin, video.width + 2 * margin)
    frames = []
    for t in range(video.frames):
        shift = np.array([[1, 0, right * (t - MIDDLE)], [0, 1, down * (t - MIDDLE)]], np.float32)
        seen = cv2.warpAffine(whole, shift, whole.shape[::-1])[margin:-margin, margin:-margin]
        luma = np.rint(seen).astype(video.dtype) << (video.depth - 8)
        chroma = [np.full(shape, 1 << (video.depth - 1), video.dtype) for shape in video.plane_shapes[1:]]
        frames.append((luma, *chroma))
    return frames


def started(
    video: Video, frames: list[Frame], path: Path | None = None
) -> tuple[FloatNetwork, PackedClip, Motion | None]:
    program = pyramid.for_bytes(video, video.frames, 8000, path, True, base=pyramid.Settings(vector_ratio=32))
    network = FloatNetwork(program, video.frames, torch.Generator().manual_seed(0))
    clip = pack(frames, video, program)
    return network, clip, start_vectors(network, clip)


def samples(network: FloatNetwork) -> np.ndarray:
    """The network's vectors [T, 2, rows, columns] in luma samples."""
    ((index, unit),) = vector_grids(network.program).items()
    value: np.ndarray = network.tensors[tensor_key(index, "latent")].detach().numpy() * unit
    return value


@pytest.mark.parametrize(("chroma", "depth"), [(Chroma.C420, 8), (Chroma.C444, 10), (Chroma.C400, 8)])
@pytest.mark.parametrize(("down", "right"), [(0.0, 2.25), (-1.5, 0.5)])
def test_a_translation_is_found_in_every_cell(chroma: Chroma, depth: int, down: float, right: float) -> None:
    video = Video(176, 144, FRAMES, chroma=chroma, depth=depth)
    network, _, motion = started(video, moving(np.random.default_rng(1), video, down, right))
    found = samples(network)
    assert found.shape == (FRAMES, 2, 5, 6)
    # What is here in frame t is where the middle frame shows it: against the motion from there to t.
    expected = np.array([-down, -right])[None] * (np.arange(FRAMES) - MIDDLE)[:, None]
    inner = found[:, :, 1:-1, 1:-1]
    assert np.abs(inner - expected[:, :, None, None]).max() < 0.3
    assert motion is not None
    assert motion.is_used
    assert motion.explained > 0.6
    assert motion.longest == pytest.approx(4 * np.hypot(down, right), abs=4)


def test_vectors_of_key_grids_lead_to_the_middle_of_their_part() -> None:
    """Four frames, and then five, of which the third of each is the nearest to their middle."""
    video = Video(320, 192, FRAMES)
    settings = pyramid.Settings(vector_ratio=32, keys=2)
    program = pyramid.for_bytes(video, FRAMES, 40_000, None, True, base=settings)
    network = FloatNetwork(program, FRAMES, torch.Generator().manual_seed(0))
    motion = start_vectors(network, pack(moving(np.random.default_rng(1), video, 1.0, -2.0), video, program))
    assert motion is not None
    # The longest is that to the middle of the clip.
    assert motion.longest == pytest.approx(4 * np.hypot(1, 2), abs=4)
    shared, own = (
        network.tensors[tensor_key(index, "latent")].detach().numpy() * unit
        for index, unit in vector_grids(program).items()
    )
    middles = np.array([2] * 5 + [7] * 4)
    for found, reference in ((shared, MIDDLE), (own, middles)):
        expected = np.array([-1.0, 2.0]) * (np.arange(FRAMES) - reference)[:, None]
        assert np.abs(found[:, :, 1, 1:-1] - expected[:, :, None]).max() < 0.4


def two_halves(video: Video, rights: tuple[float, float]) -> list[Frame]:
    """Frames whose upper and lower halves move to the right by so many samples a frame."""
    one, other = (
        moving(np.random.default_rng(seed), video, 0, right) for seed, right in zip((2, 3), rights, strict=True)
    )
    frames: list[Frame] = []
    for upper, lower in zip(one, other, strict=True):
        luma = np.array(upper[0])
        luma[64:] = lower[0][64:]
        frames.append((luma, *upper[1:]))
    return frames


def test_two_halves_move_each_their_way() -> None:
    video = Video(192, 128, FRAMES)
    network, _, _ = started(video, two_halves(video, (1.5, -1.5)))
    right = samples(network)[0, 1]
    assert right[0, 1:-1].mean() == pytest.approx(6, abs=1)
    assert right[-1, 1:-1].mean() == pytest.approx(-6, abs=1)


def test_beside_the_camera_s_path_vectors_are_what_is_left() -> None:
    """The camera moves to the left, so that the upper half moves to the right, and the lower one to the left."""
    video = Video(192, 128, FRAMES)
    path = Path(((0, 0, 12 << PATH_BITS), (FRAMES - 1, 0, 0)))
    network, _, _ = started(video, two_halves(video, (1.5, -1.5)), path)
    down, right = samples(network)[0]
    assert np.abs(down[:, 1:-1]).max() < 0.5
    assert np.abs(right[0, 1:-1]).max() < 0.5
    assert right[-1, 1:-1].mean() == pytest.approx(-12, abs=1)


def test_what_the_middle_frame_does_not_show_starts_where_the_camera_has_it() -> None:
    """Two vectors of 40 samples to the left beside a camera that moved by 10 to the left: the first leads out."""
    middle = np.asarray(texture(np.random.default_rng(4), 64, 128), np.uint8)
    field = np.zeros((64, 128, 2), np.float32)
    field[..., 0] = -40
    frame = np.roll(middle, 40, axis=1)
    rest = _beside((0.0, -10.0), frame, middle, field)
    assert not rest[:, :40].any()
    assert np.array_equal(rest[:, 49:], np.broadcast_to(np.array([-30, 0], np.float32), (64, 79, 2)))
    # Nor does a vector start there that explains no more than the camera.
    assert not _beside((0.0, -40.0), frame, middle, field + 0.5).any()


def test_noise_is_no_motion() -> None:
    """What no vector explains leaves them at 0."""
    video, rng = Video(96, 96, FRAMES), np.random.default_rng(4)
    frames = [
        tuple(rng.integers(0, 256, shape).astype(np.uint8) for shape in video.plane_shapes) for _ in range(FRAMES)
    ]
    network, _, motion = started(video, frames)
    assert motion is not None
    assert not motion.is_used
    assert not samples(network).any()


def test_frames_that_are_equal_have_no_motion() -> None:
    video = Video(96, 96, FRAMES)
    network, _, motion = started(video, moving(np.random.default_rng(5), video, 0, 0))
    assert motion == Motion(0.0, 0.0, 0.0)
    assert motion.explained == 0
    assert not samples(network).any()


def test_a_network_without_vectors_is_left_alone() -> None:
    video = Video(96, 96, FRAMES)
    program = pyramid.for_bytes(video, FRAMES, 8000)
    network = FloatNetwork(program, FRAMES, torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in network.tensors.items()}
    clip = pack(moving(np.random.default_rng(6), video, 0, 2), video, program)
    assert start_vectors(network, clip) is None
    assert all(torch.equal(before[key], value) for key, value in network.tensors.items())


def test_the_search_is_the_same_for_any_number_of_threads() -> None:
    video = Video(320, 180, FRAMES)
    frames = moving(np.random.default_rng(7), video, 1.3, -2.1)
    threads, results = cv2.getNumThreads(), []
    try:
        for count in (1, 2, 5):
            cv2.setNumThreads(count)
            results.append(samples(started(video, frames)[0]))
            assert cv2.getNumThreads() == count
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize(("width", "height"), [(200, 16), (16, 200), (66, 50), (321, 181)])
def test_any_size_of_picture(width: int, height: int) -> None:
    video = Video(width, height, FRAMES)
    network, _, motion = started(video, moving(np.random.default_rng(8), video, 0.5, 1.0))
    assert (motion is None) == (not vector_grids(network.program))
    for index in vector_grids(network.program):
        grid = network.program.operations[index]
        assert isinstance(grid, Grid)
        assert samples(network).shape == (FRAMES, 2, -(-height // 32), -(-width // 32))
        assert np.isfinite(samples(network)).all()
