"""csrc/nq_math.h, which the C and CUDA backends share, against unbounded Python integers through its exported hooks."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
import slow_evaluator as slow
from hypothesis import example, given
from hypothesis import strategies as st

from nqcodec._native import load_libnq, why_absent
from nqcodec.formats import tables

LIBRARY = load_libnq()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason=why_absent("libnq"))

INT32 = st.integers(-(2**31), 2**31 - 1)


def hook(name: str, *arguments: int | ctypes.c_void_p, wide: bool = False) -> int:
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
    reach = 1 << 15 if activation == 4 else 1 << (width - 1)
    values = {-reach, -reach + 1, -9, -8, -1, 0, 1, 7, 8, reach - 1}
    values |= set(np.random.default_rng(frac).integers(-reach, reach, 60).tolist())
    for p in values:
        got = hook("nq_math_activate", p, activation, width, frac, *pointers)
        assert got == slow.activation(p, activation, width, frac), p


@given(st.integers(-(2**13), 2**13 - 1), st.integers(0, 20), st.integers(8, 12))
@example(-(2**13), 0, 12)
@example(2**13 - 1, 0, 12)
def test_sample(value: int, frac: int, depth: int) -> None:
    expected = slow.clamp(slow.shift(value, frac - depth) + 2 ** (depth - 1), 0, 2**depth - 1)
    assert hook("nq_math_sample", value, frac, depth) == expected
