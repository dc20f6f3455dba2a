"""Operations without tensors: the definition against Python integers by whole maps, worked examples, extreme values.

That every backend gives the definition's samples is in test_parity.py; here are the cases that random
networks seldom meet.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
import slow_evaluator as slow
from backend_checks import check_native
from hypothesis import given, settings
from hypothesis import strategies as st
from operation_cases import CASES, OperationCase, case_id
from operation_instances import FRAMES
from random_networks import random_network

from nqcodec.media.video import Chroma, Video
from nqcodec.native.cpu import cpu_levels
from nqcodec.network.integer_network import GRID_FRACTION_BITS, Int16, IntegerNetwork, IntTensor, Layer
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    MOST_NORM_CHANNELS,
    Add,
    Concat,
    Conv,
    Fold,
    Frequency,
    Grid,
    Mul,
    Norm,
    Operation,
    Planes,
    Shuffle,
    Tile,
    Upsample,
    Warp,
    Window,
)
from nqcodec.network.program import Program
from nqcodec.synthesis import reference_maps as maps
from nqcodec.synthesis.reference_maps import MAP_DEFINITIONS, Evaluation

LOW, HIGH = -(2**13), 2**13 - 1
SEEDS = st.integers(0, 2**32 - 1)
SIZE, WIDTH, FRAC = st.integers(1, 7), st.integers(8, 14), st.integers(0, 20)
needs_libnq = pytest.mark.skipif(not cpu_levels(), reason="libnq is not built")


def random_map(seed: int, shape: tuple[int, int, int]) -> Int16:
    """Values of 14 bits: any, extreme ones only, or nearly constant."""
    rng = np.random.default_rng(seed)
    values: npt.NDArray[np.int64] = rng.integers(LOW, HIGH + 1, shape)
    kind = int(rng.integers(3))
    if kind == 1:
        values = rng.choice([LOW, HIGH], shape)
    elif kind == 2:
        values = values[:1, :1, :1] + (rng.random(shape) < 0.2)
    return np.clip(values, LOW, HIGH).astype(np.int16)


WITHOUT_TENSORS = [case for case in CASES if case.kind in MAP_DEFINITIONS]


@pytest.mark.parametrize("case", WITHOUT_TENSORS, ids=case_id)
@given(SEEDS, WIDTH, st.lists(FRAC, min_size=17, max_size=17))
@settings(max_examples=60, deadline=None)
def test_definitions_are_python_integers(case: OperationCase, seed: int, width: int, fracs: list[int]) -> None:
    """Of any formats, at any frame; a map without a format has that of its input, 14 bits."""
    rng = np.random.default_rng(seed)
    instance, t = case.make(rng), int(rng.integers(0, 1 << 24 if seed % 2 else 2 * FRAMES))
    inputs = [random_map(seed + k, shape) for k, shape in enumerate(instance.read)]
    frac, own = fracs[0], fracs[1 : len(inputs) + 1]
    width = width if case.kind.has_format else 14
    found = MAP_DEFINITIONS[case.kind](instance.op, Evaluation(inputs, own, width, frac, t, FRAMES))
    expected = slow.without_tensors(instance.op, [x.tolist() for x in inputs], own, width, frac, t)
    assert found.dtype == np.int16
    assert found.tolist() == expected


def test_upsampling_by_two_by_hand() -> None:
    x = np.array([[[0, 1024]]], np.int16)
    assert maps.run_upsample(x, Upsample((0,), 2, 2, 4)).tolist() == [[[0, 256, 768, 1024]] * 2]
    assert maps.run_upsample(x, Upsample((0,), 1, 1, 2)).tolist() == x.tolist()
    # 128 / 3 is no integer: weights of 43 and 85 stand for a third and two thirds.
    assert maps.run_upsample(x, Upsample((0,), 3, 1, 6)).tolist() == [[[0, 0, 344, 680, 1024, 1024]]]


def test_a_window_by_hand() -> None:
    x = np.array([[[0, 100, 200], [1000, 1100, 1207]]], np.int16)
    op = Window((0,), 1, 2, 1, 2, ((0, 0, 0), (4, 4, 4)))
    windowed = [maps.run_window(x, op, t).ravel().tolist() for t in (0, 1, 2, 4)]
    # A quarter of the way down and right; halfway, where 651.75 rounds up; and all the way.
    assert windowed == [[0, 100], [275, 375], [550, 652], [1100, 1207]]
    # The places within a cell become channels.
    assert maps.run_window(x, Window((0,), 1, 1, 2, 0, ((0, 0, 1),)), 5).ravel().tolist() == [100, 200, 1100, 1207]


def warped_by(
    x: Int16, down: list[int], right: list[int], bits: int, frac: int, taps: int = LINEAR_TAPS, width: int = 14
) -> list[int]:
    vectors = np.array([down, right], np.int16).reshape(2, *x.shape[1:])
    found: list[int] = maps.run_warp(x, vectors, Warp((0, 1), bits, taps), frac, width).ravel().tolist()
    return found


def test_a_warp_by_hand() -> None:
    x = np.array([[[0, 320, 640], [1000, 1320, 1647]]], np.int16)
    nowhere, rows = [0] * 6, [[0, 320, 640], [1000, 1320, 1647]]
    assert warped_by(x, nowhere, nowhere, 5, 0) == [*rows[0], *rows[1]]
    # A cell is 2^(frac + bits).
    for cell, bits, frac in ((32, 5, 0), (64, 5, 1), (32, 3, 2), (1, 0, 0), (2048, 8, 3)):
        assert warped_by(x, [cell] * 6, nowhere, bits, frac) == rows[1] * 2
        assert warped_by(x, nowhere, [-cell] * 6, bits, frac) == [0, 0, 320, 1000, 1000, 1320]
    # Half a cell down and a quarter right; 31.5 of 32 right rounds up to the next cell; -1.5 left to -1.
    assert warped_by(x, [16, 0, 0, 0, 0, 0], [8, 0, 0, 0, 0, 0], 5, 0)[0] == 580
    assert warped_by(x, nowhere, [0, 63, 0, 0, -3, 0], 5, 1) == [0, 640, 640, 1000, 1310, 1647]
    # 1320 + 327 / 32 is 1330.2, and 31 / 32 of the way 1636.8.
    assert warped_by(x, nowhere, [0, 0, 0, 0, 1, 31], 5, 0)[4] == 1330
    assert warped_by(x, nowhere, [0, 0, 0, 0, 31, 0], 5, 0)[4] == 1637


def test_cubic_weights_are_the_kernels_rounded() -> None:
    """Keys' kernel with a = -3/4 in 1/64, the table of the four weights for the first half of the fractions."""
    weights = maps.cubic_weights(np.arange(33)).T
    assert weights[:17].tolist() == [
        *([0, 64, 0, 0], [-1, 63, 2, 0], [-3, 64, 3, 0], [-4, 63, 5, 0], [-5, 62, 8, -1], [-5, 60, 10, -1]),
        *([-6, 59, 12, -1], [-6, 58, 14, -2], [-7, 56, 17, -2], [-7, 54, 20, -3], [-7, 52, 22, -3], [-7, 50, 25, -4]),
        *([-7, 48, 27, -4], [-7, 46, 30, -5], [-7, 43, 33, -5], [-6, 40, 36, -6], [-6, 38, 38, -6]),
    ]
    assert np.array_equal(weights, weights[::-1, ::-1])
    assert weights.sum(axis=1).tolist() == [64] * 33
    s, a = np.arange(33) / 32, -0.75
    outer, inner = (
        lambda d: a * (d**3 - 5 * d**2 + 8 * d - 4),
        lambda d: (a + 2) * d**3 - (a + 3) * d**2 + 1,
    )
    exact = 64 * np.stack([outer(1 + s), inner(s), inner(1 - s), outer(2 - s)], axis=1)
    assert np.abs(weights - exact).max() < 0.87
    # So s of 6.14 is below 2^20 for values of 14 bits, and a sum below 2^26.
    assert np.abs(weights).sum(axis=1).max() == 88
    assert 88 * 2**13 < 2**20
    assert 88 * 88 * 2**13 < 2**26


def test_a_cubic_warp_by_hand() -> None:
    row = [0, 64, 640, -640, 6400, 0]
    x, nowhere = np.array([[row]], np.int16), [0] * 6
    cubic = partial(warped_by, bits=5, frac=0, taps=CUBIC_TAPS)
    assert cubic(x, nowhere, nowhere) == row
    assert cubic(x, nowhere, [32] * 6) == [*row[1:], 0]
    # Half a cell on: (-6, 38, 38, -6) / 64, with the edges' cells again beyond them.
    assert cubic(x, nowhere, [16] * 6) == [-22, 478, -606, 3360, 3860, 0]
    # A quarter: (-7, 56, 17, -2) / 64, of which the last place has no next cell.
    assert cubic(x, nowhere, [8] * 6) == [-3, 246, 183, 1070, 5670, 0]
    assert cubic(x, nowhere, [-8] * 6) == [0, -14, 647, -1092, 5410, 1720]
    # The same down a column, and at the same time right: sums are rounded once.
    down = x.transpose(0, 2, 1)
    assert cubic(down, [16] * 6, nowhere) == [-22, 478, -606, 3360, 3860, 0]
    both = np.array([[[0, 0, 0, 0], [0, 100, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]], np.int16)
    moved = cubic(both, [8] * 16, [16] * 16)
    assert moved[5] == (100 * 56 * 38 + 2048) >> 12
    assert moved[10] == (100 * -7 * -6 + 2048) >> 12


@pytest.mark.parametrize(("width", "least", "greatest"), [(14, -1219, 1219), (11, -1024, 1023), (8, -128, 127)])
def test_a_cubic_warp_saturates_at_its_maps_width(width: int, least: int, greatest: int) -> None:
    """Beside a step between -1000 and 1000 it overshoots by 7/64 of it, where the width has room."""
    x = np.array([[[-1000] * 4 + [1000] * 4]], np.int16).clip(-(1 << width - 1), (1 << width - 1) - 1)
    assert min(warped_by(x, [0] * 8, [-10] * 8, 5, 0, CUBIC_TAPS, width)) == least
    assert max(warped_by(x, [0] * 8, [10] * 8, 5, 0, CUBIC_TAPS, width)) == greatest


@pytest.mark.parametrize("taps", [LINEAR_TAPS, CUBIC_TAPS])
@pytest.mark.parametrize(("down", "right", "corner"), [(-1, -1, 0), (-1, 1, 2), (1, -1, 3), (1, 1, 5)])
def test_vectors_that_leave_the_map_see_its_edge(down: int, right: int, corner: int, taps: int) -> None:
    x = np.array([[[5, 7, 11], [13, 17, 8191]], [[-5, -7, -11], [-13, -17, -8192]]], np.int16)
    # From a little beyond the furthest cell to as far as a vector reaches.
    for length in (3 * 32, 3 * 32 + 7, 8191):
        found = warped_by(x, [down * length] * 6, [right * length] * 6, 5, 0, taps)
        assert found == [x[0].ravel()[corner]] * 6 + [x[1].ravel()[corner]] * 6


def test_a_map_of_one_row_or_column_is_warped_along_the_other() -> None:
    x = np.array([[[0, 64, 128, 192]]], np.int16)
    for turned in (x, x.transpose(0, 2, 1)):
        away, along = [9999, -9999, 16, -1], [16, 16, -32, 32]
        found = warped_by(turned, *((away, along) if turned is x else (along, away)), 5, 0)
        assert found == [32, 96, 64, 192]


@pytest.mark.parametrize("value", [LOW, -1, 0, 1, HIGH])
@pytest.mark.parametrize("channels", [1, 2, 3, 257])
def test_the_norm_of_equal_channels_is_zero(value: int, channels: int) -> None:
    assert not maps.run_norm(np.full((channels, 2, 2), value, np.int16), 14, 20).any()


@pytest.mark.parametrize("x", [[LOW, HIGH] * (MOST_NORM_CHANNELS // 2), [LOW] * (MOST_NORM_CHANNELS - 1) + [HIGH]])
def test_the_norm_of_the_most_channels_stays_within_64_bits(x: list[int]) -> None:
    """The largest sum of squares, and the largest deviation over its root; numpy would not report an overflow."""
    source = np.array(x, np.int16).reshape(-1, 1, 1)
    assert maps.run_norm(source, 14, 5).tolist() == slow.norm(source.tolist(), 14, 5)


def test_a_norm_has_mean_zero_and_deviation_one() -> None:
    x = np.random.default_rng(0).normal(300.0, 40.0, (64, 5, 5)).astype(np.int16)
    y = maps.run_norm(x, 14, 10) / 2**10
    assert np.all(np.abs(y.mean(axis=0)) < 2**-10)
    assert np.all(np.abs(y.std(axis=0) - 1) < 2**-9)
    assert np.allclose(y, (x - x.mean(axis=0)) / x.std(axis=0), atol=2**-9)


def test_frequency_by_hand() -> None:
    """A quarter of a turn a frame from an eighth on: sine and cosine of 45, 135, 225 and 315 degrees."""
    op, half = Frequency((), (1 << 30,), (1 << 29,)), round(2**12 / np.sqrt(2))
    pairs = [maps.run_frequency(op, t, 14, 12).ravel().tolist() for t in range(4)]
    assert pairs == [[half, half], [half, -half], [-half, -half], [-half, half]]


NO_FORMAT = (0, 0)


def check_shown(
    latents: npt.NDArray[np.integer], frac: int, operations: list[Operation], formats: list[tuple[int, int]]
) -> None:
    """libnq gives the definition's samples for planes of the last operation's map, whose channels are a square number.

    Operation 0 is a grid: `latents` of 12 bits, four times as large as 14-bit map values with `frac` fractional bits.
    """
    grid = Grid((), 1, *latents.shape)
    shapes = [grid.shape([])]
    for op in operations:
        shapes.append(op.shape([shapes[i] for i in op.inputs]))
    channels, height, width = shapes[-1]
    ratio = round(channels**0.5)
    video = Video(width * ratio, height * ratio, 2, chroma=Chroma.C400, depth=12)
    program = Program.of([grid, *operations, Planes((len(operations),), ratio)], video)
    step_index = 8 * (2 - GRID_FRACTION_BITS) - 8 * (frac - GRID_FRACTION_BITS)
    latent = IntTensor(latents[None].astype(np.int32), 12, np.array([step_index], np.int32))
    layers = [Layer(14, frac, {"latent": latent}), *(Layer(*own) for own in formats), Layer()]
    check_native(IntegerNetwork(program, layers), video)


def random_latents(seed: int, shape: tuple[int, int, int]) -> Int16:
    """12-bit values, as `random_map` gives 14-bit ones."""
    return random_map(seed, shape) >> 2


# Planes of depth 12 show a map with 12 fractional bits exactly to 2048, and the highest bits of one with 14.
SHOWN_FRACS = (12, 14)


@needs_libnq
@pytest.mark.parametrize("ratio", [1, 2, 3, 5, 16])
@pytest.mark.parametrize("width", [1, 2, 3, 31, 255, 256, 257, 300, 513])
def test_upsampled_rows_of_every_width(ratio: int, width: int) -> None:
    """Tiles of 256 columns, whole and cut, cropped within the last tile and before it."""
    x = random_latents(width, (1, 2, width))
    for crop in sorted({0, 1, ratio - 1, width * ratio // 2}):
        enlarged = Upsample((0,), ratio, 2 * ratio - (crop > 0), max(width * ratio - crop, 1))
        for frac in SHOWN_FRACS:
            check_shown(x, frac, [enlarged], [NO_FORMAT])


@needs_libnq
@pytest.mark.parametrize("size", [(1, 1), (1, 63), (1, 64), (5, 13), (3, 43)])
@pytest.mark.parametrize("channels", [1, 4, 36])
def test_norms_of_every_number_of_positions(channels: int, size: tuple[int, int]) -> None:
    """Tiles of 64 positions, whole and cut, with and without positions whose channels are equal."""
    for seed in range(2):
        x = random_latents(seed, (channels, *size))
        x[:, 0, -1] = x[0, 0, -1]
        for equal in (x, np.broadcast_to(x[:1], x.shape)):
            for frac in (*SHOWN_FRACS, 0, 20):
                check_shown(equal, 8, [Norm((0,))], [(14, frac)])


@needs_libnq
@pytest.mark.parametrize("values", [(-2048, 2047), (-2048, -2048, 2047), (2047,)])
def test_norms_of_the_most_channels(values: tuple[int, ...]) -> None:
    """The largest sums of squares, seen through a fold of their map."""
    x = np.resize(np.array(values, np.int16), (MOST_NORM_CHANNELS, 1, 1))
    check_shown(x, 0, [Norm((0,)), Fold((1,), 256, 256)], [(14, 12), NO_FORMAT])


@needs_libnq
@pytest.mark.parametrize("fracs", [(0, 20), (20, 0), (12, 12), (0, 15), (0, 16), (0, 18), (20, 20), (8, 11)])
@pytest.mark.parametrize("frac", [0, 4, 5, 10, 12, 14, 16, 20])
@pytest.mark.parametrize("pair", [Add((1, 2)), Mul((1, 2))])
def test_pairs_of_all_formats(pair: Operation, fracs: tuple[int, int], frac: int) -> None:
    """Shifts in both directions and on both sides of where 32 bits suffice."""
    x = random_latents(frac, (4, 5, 7))
    x[0, 0, :4] = (-2048, 2047, 0, 1)
    branches: list[Operation] = [Concat((0,)), Concat((0,))]
    check_shown(x, 12, [*branches, pair], [(14, fracs[0]), (13, fracs[1]), (14, frac)])


@needs_libnq
@pytest.mark.parametrize("bits", [0, 1, 8])
@pytest.mark.parametrize("ratio", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 31), (3, 33), (40, 150)])
def test_windows_of_all_sizes(size: tuple[int, int], ratio: int, bits: int) -> None:
    """From the first corner of a map, through fractions, to the last one, and over a map of just that size."""
    height, width = size
    for more in (0, 1, 3):
        x = random_latents(more, (4, height * ratio + more, width * ratio + more))
        end = more << bits
        ways = (((0, 0, 0), (1, end, end)), ((0, end // 2 + end % 2, 0), (1, 0, end // 3)))
        for knots in ways:
            check_shown(x, 12, [Window((0,), height, width, ratio, bits, knots)], [NO_FORMAT])


@needs_libnq
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 40), (40, 1), (2, 15), (2, 16), (3, 17), (2, 33), (4, 17), (5, 257), (130, 150)]
)
@pytest.mark.parametrize("frac", SHOWN_FRACS)
@pytest.mark.parametrize("bits", [0, 2, 8])
@pytest.mark.parametrize("taps", [LINEAR_TAPS, CUBIC_TAPS])
def test_warps_of_all_sizes(size: tuple[int, int], frac: int, bits: int, taps: int) -> None:
    """Rows shorter than a vector, with a rest, of several parts; by up to 16 cells; also of a map by itself."""
    x = random_latents(frac, (2, *size))
    doubled: list[Operation] = [Add((k, k)) for k in range(3)]
    formats = [(14, frac - k) for k in (1, 2, 3)]
    check_shown(x, frac, [*doubled, Warp((0, 3), bits, taps), Concat((4, 4))], [*formats, NO_FORMAT, (14, 12)])
    check_shown(x, frac, [Warp((0, 0), bits, taps), Concat((1, 0))], [NO_FORMAT, (14, 12)])


@needs_libnq
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 40), (40, 3), (37, 41)])
@pytest.mark.parametrize("tile", [(1, 1), (1, 7), (5, 1), (3, 4), (64, 64)])
def test_tiles_of_all_sizes(tile: tuple[int, int], size: tuple[int, int]) -> None:
    """Repeated, cut, and larger than what they cover."""
    check_shown(random_latents(1, (4, *tile)), 12, [Tile((0,), *size)], [NO_FORMAT])


@needs_libnq
def test_maps_large_enough_for_several_tasks() -> None:
    """Every loop that is cut into tasks, with a last one that is smaller."""
    x = random_latents(3, (4, 91, 87))
    operations: list[Operation] = [
        Norm((0,)),
        Add((0, 1)),
        Mul((2, 1)),
        Concat((0, 1, 2, 3)),
        Upsample((4,), 2, 181, 173),
        Conv((5,), 4, 1),
    ]
    video = Video(2 * 173, 2 * 181, 2, chroma=Chroma.C400, depth=12)
    program = Program.of([Grid((), 1, *x.shape), *operations, Planes((6,), 2)], video)
    check_native(random_network(np.random.default_rng(4), video, program), video)


@needs_libnq
def test_a_map_stays_until_its_last_reader() -> None:
    """The first map is read at the very end, twice, after others have come and gone in what memory is free."""
    chain: list[Operation] = [Concat((k,)) for k in range(12)]
    x = random_latents(7, (4, 6, 5))
    check_shown(x, 12, [*chain, Add((0, 12)), Add((13, 0)), Mul((14, 14))], [(14, 12)] * 15)


@needs_libnq
def test_fold_and_shuffle_agree() -> None:
    x = random_latents(9, (36, 3, 5))
    for op in (Fold((0,), 3, 3), Shuffle((0,), 3), Fold((0,), 9, 1), Fold((0,), 1, 9), Fold((0,), 4, 9)):
        check_shown(x, 12, [op], [NO_FORMAT])
