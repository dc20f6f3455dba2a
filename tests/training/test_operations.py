"""Float twins of the operations without tensors: against their meaning in plain torch, and against the integers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from operation_cases import CASES, OperationCase, case_id
from operation_instances import FRAMES
from torch import Tensor

from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    Add,
    Concat,
    Fold,
    Frequency,
    Grid,
    Mul,
    Norm,
    Operation,
    Shuffle,
    Tile,
    Upsample,
    Warp,
    Window,
)
from nqcodec.synthesis import reference_maps as integers
from nqcodec.synthesis.reference import DEFINITIONS
from nqcodec.synthesis.reference_maps import Evaluation
from nqcodec.training import operations as twins

FRAC = 9
NO_TIMES = torch.zeros(1, dtype=torch.int64)


def integer_map(seed: int, *shape: int) -> np.ndarray:
    """Random 12-bit map."""
    return np.random.default_rng(seed).integers(-2048, 2048, shape).astype(np.int16)


def real(values: np.ndarray, frac: int = FRAC) -> Tensor:
    """The map [1, C, H, W] in float64 that the integers with `frac` fractional bits stand for."""
    return torch.from_numpy(values.astype(np.float64) / 2.0**frac)[None]


def apply(op: Operation, *inputs: Tensor) -> Tensor:
    return twins.apply(op, inputs, NO_TIMES)


def assert_within(twin: Tensor, exact: np.ndarray, units: float, frac: int = FRAC) -> None:
    """The twin's values are at most `units` of the last place from the integers'."""
    assert tuple(twin.shape[1:]) == exact.shape
    error = (twin[0].double() * 2.0**frac - torch.from_numpy(exact.astype(np.float64))).abs().max()
    assert float(error) <= units


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.rounding is not None and case.kind in DEFINITIONS], ids=case_id
)
def test_twins_are_the_integers_within_rounding(case: OperationCase, seed: int) -> None:
    """At every frame; with 8 fractional bits the results of an operation with a format are not clamped."""
    rng = np.random.default_rng([seed, case.kind.code])
    instance = case.make(rng)
    inputs, frac = (
        [integer_map(seed + k, *shape) for k, shape in enumerate(instance.read)],
        8 if case.kind.has_format else FRAC,
    )
    for t in (0, 1, 4, 99_999):
        evaluation = Evaluation(inputs, [FRAC] * len(inputs), 14, frac, t, FRAMES)
        twin = twins.apply(instance.op, [real(x) for x in inputs], torch.tensor([t]))
        units = case.rounding(instance.op) if callable(case.rounding) else case.rounding
        assert_within(twin, DEFINITIONS[case.kind](instance.op, evaluation), units or 0.0, frac)


@pytest.mark.parametrize("ratio", [1, 2, 3, 4, 5, 7, 8, 16])
def test_upsample_is_bilinear_and_the_integers_within_rounding(ratio: int) -> None:
    x = integer_map(ratio, 3, 4, 5)
    op = Upsample((0,), ratio, 4 * ratio - ratio // 2, 5 * ratio - ratio // 3)
    twin = apply(op, real(x))
    assert_within(twin, integers.run_upsample(x, op), 0.5)
    whole = F.interpolate(real(x), scale_factor=ratio, mode="bilinear", align_corners=False)
    # Weights of 7 bits are off by at most 1/256 an axis; neighbours differ by at most 4095 units.
    assert float((twin - whole[:, :, : op.height, : op.width]).abs().max()) <= 2 * (4096 / 2**FRAC) / 256


def test_upsample_keeps_float32_and_gradients() -> None:
    x = torch.rand(2, 3, 4, 4, requires_grad=True)
    y = apply(Upsample((0,), 3, 11, 12), x)
    assert y.dtype is torch.float32
    y.sum().backward()
    assert x.grad is not None
    # Every output's weights sum to 1, so the gradients sum to the outputs' number.
    assert float(x.grad.sum()) == pytest.approx(2 * 3 * 11 * 12, rel=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 7, 64])
@pytest.mark.parametrize("largest", [40, 2048])
def test_norm_is_layer_norm_and_the_integers_within_rounding(channels: int, largest: int) -> None:
    x = np.random.default_rng(channels).integers(-largest, largest, (channels, 3, 5)).astype(np.int16)
    twin = apply(Norm((0,)), real(x))
    plain = F.layer_norm(real(x).permute(0, 2, 3, 1), (channels,), eps=twins.NORM_EPSILON).permute(0, 3, 1, 2)
    assert torch.allclose(twin, plain, atol=1e-9)
    # Where values differ by a few units only, the twin's epsilon weighs; the integers have next to none.
    spread = (x.std(axis=0) > 8) | (channels == 1)
    assert_within(twin[:, :, spread][:, :, None], integers.run_norm(x, 14, FRAC)[:, spread][:, None], 1.0)


def test_norm_of_a_flat_map_is_zero() -> None:
    x = np.full((4, 2, 2), 300, np.int16)
    assert not apply(Norm((0,)), real(x)).any()
    assert not integers.run_norm(x, 14, FRAC).any()


def test_frequency_is_sine_and_cosine_of_the_angle() -> None:
    turns = [0.0, 1 / 64, 0.3, 0.9999, 123.456]
    increments = tuple(round(turn * 2**32) % 2**32 for turn in turns)
    phases = (0, 1 << 30, 0, 12345, 1 << 31)
    op = Frequency((), increments, phases)
    times = torch.tensor([0, 1, 7, 1000])
    pairs = twins.frequency(op, times)[:, :, 0, 0]
    assert tuple(pairs.shape) == (4, 10)
    for place, t in enumerate(times.tolist()):
        for k, (turn, phase) in enumerate(zip(turns, phases, strict=True)):
            angle = 2 * math.pi * (t * turn + phase / 2**32)
            # The angle is rounded to 1/4096 of a turn, and increments to 2^-33 of one a frame.
            assert float(pairs[place, 2 * k]) == pytest.approx(math.sin(angle), abs=math.pi / 4096 + 1e-4)
            assert float(pairs[place, 2 * k + 1]) == pytest.approx(math.cos(angle), abs=math.pi / 4096 + 1e-4)


def test_fold_places_channels_by_row_and_column() -> None:
    x = integer_map(1, 12, 2, 3)
    twin = apply(Fold((0,), 2, 3), real(x))
    assert_within(twin, integers.run_fold(x, 2, 3), 0.0)
    for c, a, b in ((0, 0, 0), (1, 1, 2), (0, 1, 0)):
        assert torch.equal(twin[0, c, a::2, b::3], real(x)[0, (c * 2 + a) * 3 + b])
    assert torch.equal(apply(Fold((0,), 2, 2), real(x)), apply(Shuffle((0,), 2), real(x)))


def test_a_fold_of_one_position_is_a_reshape() -> None:
    x = real(integer_map(2, 5 * 9 * 16, 1, 1))
    assert torch.equal(apply(Fold((0,), 9, 16), x), x.reshape(1, 5, 9, 16))


@pytest.mark.parametrize(("height", "width"), [(2, 3), (7, 10), (1, 2), (4, 3)])
def test_tile_repeats_from_the_corner(height: int, width: int) -> None:
    x, op = integer_map(3, 2, 2, 3), Tile((0,), height, width)
    twin = apply(op, real(x))
    assert_within(twin, integers.run_tile(x, op), 0.0)
    assert float(twin[0, 1, height - 1, width - 1]) == float(real(x)[0, 1, (height - 1) % 2, (width - 1) % 3])


def test_a_window_has_gradients_where_it_looked() -> None:
    x = torch.rand(1, 2, 5, 6, requires_grad=True)
    twins.window(x, Window((0,), 2, 3, 1, 1, ((0, 3, 0),)), NO_TIMES).sum().backward()
    assert x.grad is not None
    assert float(x.grad.sum()) == pytest.approx(2 * 2 * 3)
    assert x.grad[0, 0, :, 0].tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]
    assert not x.grad[..., 3:].any()


@pytest.mark.parametrize("size", [(9, 11), (1, 6), (7, 1), (1, 1)])
@pytest.mark.parametrize(("bits", "frac"), [(0, 5), (2, 3), (5, 0), (0, 0), (8, 0)])
@pytest.mark.parametrize("taps", [LINEAR_TAPS, CUBIC_TAPS])
def test_a_warp_is_the_integers_within_rounding(bits: int, frac: int, size: tuple[int, int], taps: int) -> None:
    """Vectors in steps of the places that the format tells apart, or coarser, within the map and beyond each side."""
    generator = np.random.default_rng(frac)
    vectors = generator.integers(-500, 500, (2, *size)).astype(np.int16)
    if taps == CUBIC_TAPS:
        vectors = vectors // 16 * 16  # halves, whose cubic weights are exact: those of others are rounded
    if frac + bits > 5:
        vectors <<= frac + bits - 5
    x, op = integer_map(8, 3, *size), Warp((0, 1), bits, taps)
    # Places in float32 are off by less than 2^-18 of a cell here.
    assert_within(apply(op, real(x), real(vectors, frac)), integers.run_warp(x, vectors, op, frac, 14), 0.52)


def test_a_cubic_warp_is_off_by_the_rounding_of_its_weights_alone() -> None:
    """The kernel itself, in float64, at all pairs of fractions, within the map and over its edges."""
    fractions = np.arange(32)
    down, right = (
        part.astype(np.int16) for part in np.meshgrid(fractions * 31 % 256 - 128, fractions * 29 % 256 - 128)
    )
    x, vectors, op = integer_map(9, 2, 32, 32), np.stack([down, right]), Warp((0, 1), 0, CUBIC_TAPS)
    rows, columns = integers.warp_places(vectors, op, 5)
    weights = [cubic_kernel((places % 32) / 32) for places in (rows, columns)]
    cells = [(places // 32 + np.arange(-1, 3)[:, None, None]).clip(0, 31) for places in (rows, columns)]
    gathered = x[:, cells[0][:, None], cells[1]].astype(np.float64)  # [2, 4, 4, 32, 32]
    exact = np.einsum("crkyx,ryx,kyx->cyx", gathered, *weights)
    twin = apply(op, real(x), real(vectors, 5))[0].double().numpy() * 2.0**FRAC
    assert np.abs(twin - exact).max() < 0.02
    rounded = [integers.cubic_weights(fractions)[:, places % 32] / 64 for places in (rows, columns)]
    decoded = integers.run_warp(x, vectors, op, 5, 14)
    assert np.abs(decoded - np.einsum("crkyx,ryx,kyx->cyx", gathered, *rounded)).max() <= 0.5
    # Smooth maps hardly show it: weights sum to one, and what is off in one is off in its neighbour the other way.
    smooth = (2000 * np.sin(np.indices((32, 32)).sum(axis=0) / 9))[None].astype(np.int16)
    twin = apply(op, real(smooth), real(vectors, 5))
    assert_within(twin, integers.run_warp(smooth, vectors, op, 5, 14), 2 * 2000 / 9 / 64 * 1.5)


def cubic_kernel(s: np.ndarray) -> np.ndarray:
    """Weights [4, ...] of the cells from -1 to 2 at places `s` beyond cell 0 (Keys 1981, a = -3/4)."""
    a = -0.75
    first, second = (a * (d**3 - 2 * d**2 + d) for d in (s, 1 - s))
    third, fourth = ((a + 2) * d**3 - (a + 3) * d**2 + 1 for d in (s, 1 - s))
    return np.stack([first, third, fourth, second])


def test_places_of_a_warp_are_exact_in_bfloat16() -> None:
    """512 columns of whole numbers that bfloat16 has; as coordinates it would round them to steps of two and more."""
    x = torch.from_numpy(integer_map(10, 1, 2, 512) % 256).bfloat16()[None]
    vectors = torch.zeros(1, 2, 2, 512, dtype=torch.bfloat16)
    # Off by 2^-14 of a cell at most, and then rounded to bfloat16.
    torch.testing.assert_close(apply(Warp((0, 1), 0), x, vectors), x, rtol=2**-8, atol=256 / 2**14)
    vectors[:, 1] = -40
    shifted = apply(Warp((0, 1), 3), x, vectors)
    assert shifted.dtype is torch.bfloat16
    torch.testing.assert_close(shifted[..., 5:], x[..., :-5], rtol=2**-8, atol=256 / 2**14)


@pytest.mark.parametrize("bits", [0, 2, 5, 8])
def test_rounded_vectors_are_the_decoders_places_and_pass_gradients(bits: int) -> None:
    """A place is in 2^-5 of a cell, half a unit rounds up (formats/nq.md, 6.14)."""
    op, frac = Warp((0, 1), bits), FRAC
    vectors = integer_map(bits, 2, 7, 9)
    exact = real(vectors).float().requires_grad_(True)
    rounded = twins.round_vectors(exact, op)
    units = integers.shift(vectors, frac + bits - integers.WARP_BITS)
    assert np.array_equal(rounded[0].detach().numpy() * 2.0 ** (integers.WARP_BITS - bits), units)
    rounded.sum().backward()
    assert torch.equal(exact.grad, torch.ones_like(exact))


def test_a_cubic_warp_has_the_gradients_of_finite_differences() -> None:
    """For maps, and for vectors away from whole cells and edges; none for those that lead beyond the map."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(1, 2, 7, 8, generator=generator, requires_grad=True)
    vectors = (torch.rand(1, 2, 7, 8, generator=generator) * 0.8 + 0.1).requires_grad_()
    op, seen = Warp((0, 1), 0, CUBIC_TAPS), torch.randn(1, 2, 7, 8, generator=generator)
    (apply(op, x, vectors) * seen).sum().backward()
    step = 1e-2
    for tensor in (x, vectors):
        assert tensor.grad is not None
        for _ in range(12):
            way = torch.randn(tensor.shape, generator=generator)
            ends = [
                (apply(op, *(t + sign * step * way if t is tensor else t for t in (x, vectors))) * seen).sum()
                for sign in (1, -1)
            ]
            slope = float((ends[0] - ends[1]).detach()) / (2 * step)
            assert float((tensor.grad * way).sum()) == pytest.approx(slope, rel=0.03, abs=0.05)


@pytest.mark.parametrize(("taps", "slope", "beyond"), [(LINEAR_TAPS, 1.0, 1), (CUBIC_TAPS, 75 / 64, 2)])
def test_a_warp_has_gradients_for_maps_and_vectors(taps: int, slope: float, beyond: int) -> None:
    """Of a plane, which the cubic kernel of a = -3/4 makes steeper than it is an eighth beyond a cell."""
    rows, columns = torch.arange(5.0)[:, None], torch.arange(6.0)
    x = (7 * rows + 3 * columns).expand(1, 2, 5, 6).clone().requires_grad_()
    vectors = torch.full((1, 2, 5, 6), 0.5)
    vectors[0, 0, :, 0] = -9
    vectors[0, 1, :, 1] = 9
    vectors.requires_grad_()
    apply(Warp((0, 1), 2, taps), x, vectors).sum().backward()
    assert vectors.grad is not None
    down, right = vectors.grad[0]
    # Two channels, and a quarter of a cell a unit; none beyond the map's edges.
    assert torch.allclose(down[1 : 5 - beyond, 1:], torch.tensor(3.5 * slope), atol=1e-4)
    assert torch.allclose(right[:, 2 : 6 - beyond], torch.tensor(1.5 * slope), atol=1e-4)
    assert not down[:3, 0].any()
    assert not right[:, 5].any()
    assert x.grad is not None
    # Every place's weights sum to one.
    assert float(x.grad.sum()) == pytest.approx(2 * 5 * 6, rel=1e-5)


@pytest.mark.parametrize("fracs", [(9, 9), (4, 11), (11, 4)])
def test_pairs_are_sums_products_and_stacks(fracs: tuple[int, int]) -> None:
    x, y = integer_map(6, 3, 4, 5), integer_map(7, 3, 4, 5)
    a, b = real(x, fracs[0]), real(y, fracs[1])
    assert torch.equal(apply(Add((0, 1)), a, b), a + b)
    assert torch.equal(apply(Mul((0, 1)), a, b), a * b)
    assert torch.equal(apply(Concat((0, 1)), a, b), torch.cat([a, b], 1))
    # With 4 fractional bits results are as large as 2^14 units and none is clamped.
    for op, run in ((Add((0, 1)), integers.run_add), (Concat((0, 1)), integers.run_concat)):
        assert_within(apply(op, a, b), run([x, y], fracs, 14, 4), 0.5, 4)
    assert_within(apply(Mul((0, 1)), a, b), integers.run_mul([x, y], fracs, 14, 0), 0.5, 0)


def test_operations_with_tensors_have_no_twin_here() -> None:
    with pytest.raises(ValueError, match="grid"):
        apply(Grid((), 1, 1, 1, 1))
