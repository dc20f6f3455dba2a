"""A network on patches gives what the whole frame has there, values and gradients, for every backbone and operation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_programs import random_program

from nqcodec.backbones import BACKBONES
from nqcodec.media.video import Chroma, Video
from nqcodec.network.camera_path import Path
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    Conv,
    Grid,
    Operation,
    Planes,
    Shape,
    Shuffle,
    Upsample,
    Warp,
)
from nqcodec.network.program import Program
from nqcodec.training.network import FloatNetwork
from nqcodec.training.paper.quant_noise import NoiseTransform, QuantNoise
from nqcodec.training.patched import part_of_frames, take
from nqcodec.training.regions import Asked, Region, Spans, infer, read, whole

ODD = Video(107, 61, 6)


def network_of(program: Program, frames: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> FloatNetwork:
    """Latents as large as maps, and biases that are none of them zero.

    In double precision, in which maps near a kink of an activation fall on the same side of it both ways.
    """
    network = FloatNetwork(program, frames, torch.Generator().manual_seed(seed)).to(dtype)
    network.dtype = dtype
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, value in network.tensors.items():
            if not name.endswith("_weight"):
                value.copy_(torch.randn(value.shape, generator=generator) * 0.5)
    return network


def map_size(program: Program) -> tuple[int, int]:
    """Of the map that `planes` reads."""
    source = program.operations[-1].inputs[0]
    return program.shapes[source][1:]


def patches_of(rng: np.random.Generator, program: Program, samples: int) -> Region:
    """A rectangle for each sample, of one random size."""
    spans = []
    for size in map_size(program):
        length = int(rng.integers(1, size + 1))
        starts = rng.choice([0, size - length, int(rng.integers(0, size - length + 1))], samples)
        spans.append(Spans(tuple(int(start) for start in starts), length))
    return Region(*spans)


def check(program: Program, frames: int, rng: np.random.Generator) -> None:
    """Patches of random frames, one of them drawn twice, against crops of those frames."""
    network = network_of(program, frames, int(rng.integers(1000)))
    times = [int(t) for t in rng.integers(0, frames, 3)]
    times[2] = times[0]
    patch = patches_of(rng, program, len(times))
    everything = whole(*map_size(program), len(times))
    expected = take(network(torch.tensor(times)), everything, patch)
    found = part_of_frames(network, times, patch)
    close(found, expected)
    probe = torch.randn(found.shape, generator=torch.Generator().manual_seed(5))
    names = list(network.tensors)
    wholes, parts = (
        torch.autograd.grad((maps * probe).sum(), [network.tensors[n] for n in names], allow_unused=True)
        for maps in (expected, found)
    )
    for name, a, b in zip(names, wholes, parts, strict=True):
        nothing = torch.zeros_like(network.tensors[name])
        close(nothing if b is None else b, nothing if a is None else a)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Equal but for the order of sums."""
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10 * max(1.0, float(expected.detach().abs().max())))


@pytest.mark.parametrize("video", [ODD, Video(64, 48, 3, chroma=Chroma.C444), Video(33, 70, 1)])
@pytest.mark.parametrize("name", list(BACKBONES))
def test_backbones_give_the_same_on_patches(name: str, video: Video) -> None:
    chosen = BACKBONES[name]
    parameters = max(6_000, chosen.smallest(video, video.frames))
    program, rng = chosen.build(video, video.frames, parameters), np.random.default_rng(len(name))
    for _ in range(3):
        check(program, video.frames, rng)


@pytest.mark.parametrize("name", ["pyramid", "pyramid-light"])
def test_a_moving_camera_gives_the_same_on_patches(name: str) -> None:
    """The path goes beyond eighths of a place, turns, and rests before its first knot and after its last."""
    sized = BACKBONES[name].for_bytes
    assert sized is not None
    program = sized(ODD, ODD.frames, 2_000, Path(((1, 0, 331), (3, 205, 0), (4, 77, 400)), 4))
    assert any(op.name == "window" for op in program.operations)
    rng = np.random.default_rng(3)
    for _ in range(4):
        check(program, ODD.frames, rng)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_give_the_same_on_patches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chroma = Chroma(int(rng.integers(4)))
    video = Video(int(rng.integers(8, 44)), int(rng.integers(8, 44)), int(rng.integers(1, 7)), chroma=chroma)
    program = random_program(rng, video)
    for _ in range(2):
        check(program, video.frames, rng)


def test_noise_and_latents_from_outside_reach_patches() -> None:
    program = BACKBONES["hnerv"].build(ODD, ODD.frames, 6_000)
    network, rng, times = network_of(program, ODD.frames), np.random.default_rng(1), [4, 0]
    patch, everything = patches_of(rng, program, 2), whole(*map_size(program), 2)
    latents = {0: torch.randn(2, *program.shapes[0], dtype=torch.float64)}

    def noise() -> NoiseTransform:
        return NoiseTransform(QuantNoise(), torch.Generator().manual_seed(9))

    expected = take(network(torch.tensor(times), noise(), latents), everything, patch)
    close(part_of_frames(network, times, patch, noise(), latents), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_patches_have_the_accuracy_of_what_a_fit_computes_in(dtype: torch.dtype) -> None:
    program = BACKBONES["hinerv"].build(ODD, ODD.frames, 6_000)
    network, times = network_of(program, ODD.frames, dtype=torch.float32), [3, 1]
    patch, everything = Region(Spans((7, 11), 9), Spans((0, 30), 17)), whole(*map_size(program), 2)
    expected = take(network(torch.tensor(times)), everything, patch)
    network.dtype = dtype
    found = part_of_frames(network, times, patch)
    assert found.dtype == dtype
    error = float(((found.float() - expected).abs().max() / expected.abs().max()).detach())
    assert error < (1e-5 if dtype == torch.float32 else 0.1)


def test_only_what_a_patch_needs_is_computed() -> None:
    """Two 3 x 3 convolutions at half and at full size about a shuffle, and a map that nothing reads."""
    video = Video(64, 64, 1, chroma=Chroma.C400)
    operations = [
        Grid((), 1, 2, 32, 32),
        Conv((0,), 4, 3),
        Conv((0,), 3, 7),
        Shuffle((1,), 2),
        Conv((3,), 1, 3),
        Planes((4,), 1),
    ]
    program = Program.of(operations, video)
    inner, corner = Region(Spans((20,), 8), Spans((30,), 4)), Region(Spans((0,), 8), Spans((60,), 4))
    found = infer(program, inner, [0])
    assert found[2] is None
    # Rows 19..28 of the full size, so 9..14 of the half, so 8..15 of the latents.
    assert [found[i].rows for i in (3, 1, 0)] == [Spans((19,), 10), Spans((9,), 6), Spans((8,), 8)]  # type: ignore[union-attr]
    assert [found[i].columns for i in (3, 1, 0)] == [Spans((29,), 6), Spans((14,), 4), Spans((13,), 6)]  # type: ignore[union-attr]
    found = infer(program, corner, [0])
    assert [found[i].rows for i in (3, 1, 0)] == [Spans((0,), 9), Spans((0,), 5), Spans((0,), 6)]  # type: ignore[union-attr]
    assert [found[i].columns for i in (3, 1, 0)] == [Spans((59,), 5), Spans((29,), 3), Spans((28,), 4)]  # type: ignore[union-attr]


@pytest.mark.parametrize("taps", [LINEAR_TAPS, CUBIC_TAPS])
def test_a_warp_on_patches_reads_the_whole_map(taps: int) -> None:
    """Vectors of several cells at half size, whose map and whose readers are computed where the patch needs them."""
    video = Video(40, 32, 4, chroma=Chroma.C400)
    operations = [
        Grid((), 4, 3, 16, 20),
        Conv((0,), 2, 3),
        Conv((0,), 4, 3),
        Warp((2, 1), 0, taps),
        Shuffle((3,), 2),
        Conv((4,), 1, 3),
        Planes((5,), 1),
    ]
    program = Program.of(operations, video)
    found = infer(program, Region(Spans((20,), 8), Spans((30,), 4)), [0])
    assert [found[i].rows for i in (3, 2, 1, 0)] == [Spans((9,), 6), *[Spans((0,), 16)] * 3]  # type: ignore[union-attr]
    assert [found[i].columns for i in (3, 2, 1, 0)] == [Spans((14,), 4), *[Spans((0,), 20)] * 3]  # type: ignore[union-attr]
    rng = np.random.default_rng(11)
    for _ in range(4):
        check(program, video.frames, rng)


def test_samples_at_a_border_and_inside_have_regions_of_one_size() -> None:
    """A sample that needs less is given places of the map beside what it needs."""
    video = Video(30, 30, 1, chroma=Chroma.C400)
    program = Program.of([Grid((), 1, 1, 30, 30), Conv((0,), 1, 5), Planes((1,), 1)], video)
    found = infer(program, Region(Spans((0, 10, 25), 5), Spans((7, 7, 7), 1)), [0, 0, 0])[0]
    assert found == Region(Spans((0, 8, 21), 9), Spans((5, 5, 5), 5))


def test_an_operation_that_does_not_say_what_it_reads_is_refused() -> None:
    class Foreign(Operation):
        name = "foreign"

        def shape(self, inputs: list[Shape]) -> Shape:
            return inputs[0]

    asked = Asked(0, Spans((3,), 2), 9, [0])
    assert read(Planes((0,), 2), asked) == [(3, 5)]
    with pytest.raises(ValueError, match="foreign"):
        read(Foreign((0,)), asked)


@pytest.mark.parametrize("ratio", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [1, 7])
def test_an_enlargement_reads_two_places_and_none_beyond_the_border(ratio: int, size: int) -> None:
    video = Video(size * ratio, size * ratio, 1, chroma=Chroma.C400)
    program = Program.of(
        [Grid((), 1, 1, size, size), Upsample((0,), ratio, size * ratio, size * ratio), Planes((1,), 1)], video
    )
    for place in range(size * ratio):
        found = infer(program, Region(Spans((place,), 1), Spans((place,), 1)), [0])[0]
        assert found is not None
        position = (place + 0.5) / ratio - 0.5
        first = int(np.floor(position))
        wanted = sorted({min(max(at, 0), size - 1) for at in (first, first + 1)})
        assert found.rows == found.columns == Spans((wanted[0],), len(wanted))
