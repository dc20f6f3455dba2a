"""csrc/common/integer_math.h, which C and CUDA share, and common/tiles.h of CUDA alone, against unbounded Python
integers by hooks.
"""

from __future__ import annotations

import ctypes
from math import isqrt

import numpy as np
import pytest
import slow_evaluator as slow
from emulated_cuda import compiler
from hypothesis import example, given
from hypothesis import strategies as st
from math_hooks import library

from nqcodec.network import tables
from nqcodec.network.operations import CUBIC_TAPS, Warp

LIBRARY = library() if compiler() else None
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="needs a C++ compiler")

INT32 = st.integers(-(2**31), 2**31 - 1)


def hook(name: str, *arguments: int | ctypes.c_void_p | ctypes.Array[ctypes.c_int16], wide: bool = False) -> int:
    """Call a hook with integers as its C types want them."""
    assert LIBRARY is not None
    function = getattr(LIBRARY, name)
    function.restype = ctypes.c_int64 if wide else ctypes.c_int32
    return int(function(*arguments))


@given(INT32, st.integers(-31 * 8, 14 * 8 + 7))
@example(-(2**31), -31 * 8)
@example(2**31 - 1, 14 * 8 + 7)
def test_rescale(value: int, exponent: int) -> None:
    m, s = slow.M[exponent & 7], 15 - (exponent >> 3)
    assert hook("nq_math_rescale", value, m, s, wide=True) == slow.rescale(value, exponent)


@given(INT32, st.integers(-31 * 8, 14 * 8 + 7), st.integers(8, 16))
@example(2**31 - 1, 14 * 8 + 7, 14)
@example(-(2**31), 14 * 8 + 7, 8)
def test_requantize_clamps_what_leaves_32_bits(value: int, exponent: int, width: int) -> None:
    m, s = slow.M[exponent & 7], 15 - (exponent >> 3)
    assert hook("nq_math_requantize", value, m, s, width) == slow.clamp_width(slow.rescale(value, exponent), width)


@given(st.integers(-(2**15), 2**15), st.integers(-15, 15))
def test_shift(value: int, n: int) -> None:
    assert hook("nq_math_shift", value, n) == slow.shift(value, n)


@given(st.integers(1, 2**24), st.integers(1, 2**26), st.data())
@example(2**24, 2**26, None)
@example(1, 1, None)
def test_grid_position(frames: int, times: int, data: st.DataObject | None) -> None:
    """Up to the limits of formats/nq.md 8, where the numerator before division needs 68 bits."""
    t = frames - 1 if data is None else data.draw(st.integers(0, frames - 1))
    position = slow.clamp((((2 * t + 1) * times - frames) << 16) // (2 * frames), 0, (times - 1) << 16)
    arguments = (ctypes.c_int64(value) for value in (t, frames, times))
    assert hook("nq_math_grid_position", *arguments, wide=True) == position  # type: ignore[arg-type]


@given(st.integers(-2048, 2047), st.integers(-2048, 2047), st.integers(0, 65535))
@example(-2048, -2048, 65535)
def test_blend(first: int, second: int, fraction: int) -> None:
    assert hook("nq_math_blend", first, second, fraction) == first * (65536 - fraction) + second * fraction


@pytest.mark.parametrize("activation", range(5))
@pytest.mark.parametrize("width", [8, 11, 14])
@pytest.mark.parametrize("frac", [0, 5, 8, 9, 12, 15, 16, 20])
def test_activations(activation: int, width: int, frac: int) -> None:
    table = tables.activations()
    pointers = [ctypes.c_void_p(part.ctypes.data) for part in (table.gelu, table.silu, table.half_tanh)]
    largest = 1 << 15 if activation == 4 else 1 << (width - 1)
    values = {-largest, -largest + 1, -9, -8, -1, 0, 1, 7, 8, largest - 1}
    values |= set(np.random.default_rng(frac).integers(-largest, largest, 60).tolist())
    for p in values:
        got = hook("nq_math_activate", p, activation, width, frac, *pointers)
        assert got == slow.activation(p, activation, width, frac), p


@given(st.integers(-(2**13), 2**13 - 1), st.integers(0, 20), st.integers(8, 12))
@example(-(2**13), 0, 12)
@example(2**13 - 1, 0, 12)
def test_sample(value: int, frac: int, depth: int) -> None:
    expected = slow.clamp(slow.shift(value, frac - depth) + 2 ** (depth - 1), 0, 2**depth - 1)
    assert hook("nq_math_sample", value, frac, depth) == expected


MAP = st.integers(-(2**13), 2**13 - 1)
WIDTH, FRAC = st.integers(8, 14), st.integers(0, 20)


@given(st.integers(0, 2**32 - 1), WIDTH, FRAC)
@example(2**32 - 1, 14, 20)
@example((1 << 30) - (1 << 19), 14, 14)
def test_sine(angle: int, width: int, frac: int) -> None:
    entry = slow.table("sine")[((angle + 2**19) % 2**32) >> 20]
    pointer = ctypes.c_void_p(tables.sine().ctypes.data)
    got = hook("nq_math_sine", ctypes.c_uint32(angle), width, frac, pointer)  # type: ignore[arg-type]
    assert got == slow.clamp_width(slow.shift(entry, 15 - frac), width)


@pytest.mark.parametrize("ratio", range(1, 17))
def test_phases_of_every_ratio(ratio: int) -> None:
    """Output x of phase b lies between inputs x // ratio + first and the next, as 6.8 has it."""
    first, second = ctypes.c_int32(), ctypes.c_int32()
    for x in range(3 * ratio):
        p = 2 * x + 1 - ratio
        i = p // (2 * ratio)
        assert LIBRARY is not None
        LIBRARY.nq_math_phase(x % ratio, ratio, ctypes.byref(first), ctypes.byref(second))
        assert x // ratio + first.value == i
        assert second.value == (128 * (p - 2 * ratio * i) + ratio) // (2 * ratio)


@given(MAP, st.integers(-5, 23), st.integers(1, 2**30), st.data())
@example(2**13 - 1, -5, 2**30, 2**30 - 1)
@example(-(2**13), -5, 2**30, 0)
@example(-(2**13), 23, 2**30, 2**30 - 1)
@example(31, 0, 1, 0)
def test_displaced(vector: int, right: int, size: int, at: st.DataObject | int) -> None:
    """Up to the largest map, whose places need 35 bits."""
    cell = at if isinstance(at, int) else at.draw(st.integers(0, size - 1))
    place = slow.clamp(32 * cell + slow.shift(vector, right), 0, 32 * (size - 1))
    weight, following = ctypes.c_int32(), ctypes.c_int32()
    assert LIBRARY is not None
    found = LIBRARY.nq_math_displaced(cell, vector, right, size, ctypes.byref(weight), ctypes.byref(following))
    assert (found, weight.value, following.value) == (place >> 5, place & 31, int(place & 31 > 0))


@given(MAP, MAP, MAP, MAP, st.integers(0, 31), st.integers(0, 31))
@example(*[-(2**13)] * 4, 0, 31)
@example(*[2**13 - 1] * 4, 31, 31)
def test_warped(a: int, b: int, c: int, d: int, down: int, right: int) -> None:
    total = (32 - down) * ((32 - right) * a + right * b) + down * ((32 - right) * c + right * d)
    assert hook("nq_math_warped", a, b, c, d, down, right) == slow.shift(total, 10)


@pytest.mark.parametrize("fraction", range(32))
def test_taps(fraction: int) -> None:
    weights = (ctypes.c_int32 * 4)()
    assert LIBRARY is not None
    LIBRARY.nq_math_taps(fraction, weights)
    assert list(weights) == slow.cubic_weights(fraction)


@given(st.data(), st.integers(1, 6), st.integers(1, 6), MAP, MAP, st.integers(0, 12), WIDTH)
def test_warped_cubic(
    data: st.DataObject, height: int, width: int, down: int, across: int, right: int, bits: int
) -> None:
    """At any place of maps with fewer and with more cells than taps, their ends among the values."""
    values = st.sampled_from((-(1 << bits - 1), (1 << bits - 1) - 1, 0, 1)) | st.integers(-(1 << bits - 1), 0)
    x = data.draw(st.lists(st.lists(values, min_size=width, max_size=width), min_size=height, max_size=height))
    y, at = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    flat = (ctypes.c_int16 * (height * width))(*(value for row in x for value in row))
    vectors = [[[moved] * width] * height for moved in (down, across)]
    expected = slow.warp([x], vectors, Warp((0, 1), 5, CUBIC_TAPS), right, bits)[0][y][at]
    assert hook("nq_math_warped_cubic", flat, height, width, y, at, down, across, right, bits) == expected


@given(MAP, st.integers(-20, 20), WIDTH)
@example(1, -14, 14)
@example(-1, -20, 14)
@example(-(2**13), -20, 14)
@example(2**12, -20, 14)
def test_reformat(value: int, n: int, width: int) -> None:
    assert hook("nq_math_reformat", value, n, width) == slow.clamp_width(slow.shift(value, n), width)


@pytest.mark.parametrize("product", [False, True])
@given(a=MAP, b=MAP, fa=FRAC, fb=FRAC, width=WIDTH, frac=FRAC)
@example(a=-(2**13), b=-(2**13), fa=0, fb=20, width=14, frac=20)
@example(a=-(2**13), b=-(2**13), fa=15, fb=0, width=14, frac=0)
@example(a=-(2**13), b=-(2**13), fa=16, fb=0, width=14, frac=15)
@example(a=-(2**13), b=-(2**13), fa=16, fb=0, width=14, frac=16)
@example(a=-(2**13), b=-(2**13), fa=0, fb=18, width=14, frac=0)
@example(a=-(2**13), b=-(2**13), fa=0, fb=16, width=14, frac=18)
@example(a=-(2**13), b=-(2**13), fa=0, fb=0, width=14, frac=4)
@example(a=-(2**13), b=-(2**13), fa=0, fb=0, width=14, frac=5)
@example(a=-(2**13), b=-(2**13), fa=15, fb=15, width=14, frac=0)
@example(a=-(2**13), b=-(2**13), fa=20, fb=20, width=8, frac=0)
def test_pairs_in_the_bits_that_they_need(
    product: bool, a: int, b: int, fa: int, fb: int, width: int, frac: int
) -> None:
    """Both ends of where 32 bits suffice are among the examples."""
    op = (slow.Mul if product else slow.Add)((0, 1))
    expected = slow.pairwise(op, [[[[a]]], [[[b]]]], [fa, fb], width, frac)[0][0][0]
    assert hook("nq_math_pair", a, b, fa, fb, width, frac, int(product)) == expected


@given(st.one_of(st.integers(0, 2**60 - 1), st.integers(0, 2**30 - 1).map(lambda r: r * r)), st.integers(-1, 1))
@example((2**30 - 1) ** 2, -1)
@example(0, 0)
def test_isqrt_beside_squares(value: int, beside: int) -> None:
    v = max(value + beside, 0)
    assert hook("nq_math_isqrt", ctypes.c_int64(v), wide=True) == isqrt(v)  # type: ignore[arg-type]


@given(st.integers(1, 2**16), st.data())
def test_mean_rounds_down(channels: int, data: st.DataObject) -> None:
    total = data.draw(st.integers(-(2**13) * channels, (2**13 - 1) * channels))
    assert hook("nq_math_mean", total, channels) == 256 * total // channels


@given(st.integers(-(2**47), 2**47), WIDTH, FRAC)
@example(-(2**47), 14, 20)
@example(2**47, 14, 20)
def test_normalize(scaled: int, width: int, frac: int) -> None:
    expected = slow.clamp_width((scaled + 2 ** (37 - frac)) >> (38 - frac), width)
    assert hook("nq_math_normalize", ctypes.c_int64(scaled), width, frac) == expected  # type: ignore[arg-type]


def parts(value: int) -> tuple[int, int]:
    """The high and the low part of a value."""
    high, low = ctypes.c_int32(), ctypes.c_int32()
    assert LIBRARY is not None
    LIBRARY.nq_math_parts(value, ctypes.byref(high), ctypes.byref(low))
    return high.value, low.value


@given(st.integers(-(2**14), 2**14 - 1))
@example(-(2**14))
@example(2**14 - 1)
def test_parts_are_signed_bytes(value: int) -> None:
    high, low = parts(value)
    assert 128 * high + low == value
    assert -128 <= high <= 127
    assert 0 <= low <= 127


@given(st.lists(st.tuples(st.integers(-(2**11), 2**11 - 1), st.integers(-(2**13), 2**13 - 1)), min_size=1, max_size=9))
@example([(-(2**11), -(2**13))] * 127)
@example([(2**11 - 1, -(2**13))] * 127)
def test_sums_of_parts_join_to_sums_of_products(pairs: list[tuple[int, int]]) -> None:
    """Weights of one byte by maps in parts, and both in parts; sums of parts wrap at 32 bits."""
    total = sum(w * x for w, x in pairs)
    high, mixed, low = 0, 0, 0
    for w, x in pairs:
        (wh, wl), (xh, xl) = parts(w), parts(x)
        high, mixed, low = high + wh * xh, mixed + wh * xl + wl * xh, low + wl * xl
    assert hook("nq_math_join_both", high, mixed, low) == total
    by_byte = [
        sum((w >> 4) * part for w, part in zip((w for w, _ in pairs), side, strict=True))
        for side in zip(*(parts(x) for _, x in pairs), strict=True)
    ]
    assert hook("nq_math_join", *by_byte) == sum((w >> 4) * x for w, x in pairs)


@given(INT32, INT32)
def test_joining_wraps(high: int, low: int) -> None:
    assert (hook("nq_math_join", high, low) - 128 * high - low) % 2**32 == 0


@given(*[st.integers(-128, 127)] * 4)
def test_bytes_are_packed_the_first_lowest(a: int, b: int, c: int, d: int) -> None:
    packed = hook("nq_math_pack_bytes", a, b, c, d) & 0xFFFFFFFF
    assert packed.to_bytes(4, "little") == bytes(v & 255 for v in (a, b, c, d))


@given(st.integers(0, 2**16 - 1), st.integers(1, 2**16 - 1))
@example(2**16 - 1, 1)
@example(2**16 - 1, 2**16 - 1)
def test_quotients_by_multiplication(a: int, b: int) -> None:
    assert hook("nq_math_quotient", a, b) == a // b


@given(st.lists(st.integers(-(2**13), 2**13 - 1), min_size=1, max_size=40))
@example([-(2**13)] * 2**16)
@example([-(2**13), 2**13 - 1] * 2**15)
def test_squared_deviations_from_sums(values: list[int]) -> None:
    total, squares = sum(values), sum(v * v for v in values)
    mean = 256 * total // len(values)
    arguments = ctypes.c_int64(squares), ctypes.c_int64(total), mean, len(values)
    found = hook("nq_math_squared_deviations", *arguments, wide=True)  # type: ignore[arg-type]
    assert found == sum((256 * v - mean) ** 2 for v in values)
