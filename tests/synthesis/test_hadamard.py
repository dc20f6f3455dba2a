"""The Walsh-Hadamard transform of libnq and numpy: against dense matrices, every size, type and CPU level.

Rows lie between guard bytes, so that a write outside them shows.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.errors import UnsupportedError
from nqcodec.native.cpu import CPU_LEVELS, cpu_levels
from nqcodec.native.loading import load_libnq, why_absent
from nqcodec.network import hadamard as definition
from nqcodec.network.hadamard import MAX_BLOCK, block_sizes, block_stages
from nqcodec.synthesis import hadamard as native
from nqcodec.synthesis.hadamard import Rows

NEEDS_LIBRARY = pytest.mark.skipif(not native.available(), reason=why_absent("libnq"))
GUARD = 64
POWERS = tuple(1 << m for m in range(13))
LENGTHS = (3, 7, 12, 53, 77, 100, 255, 257, 300, 1000, 4095, 4097, 9000)
Values = npt.NDArray[Any]


@cache
def sign_matrix(size: int) -> npt.NDArray[np.float64]:
    """(-1)^(bits set in i & j), by counting them."""
    index = np.arange(size, dtype=np.int16)
    shared = index[:, None] & index
    odd = np.zeros_like(shared)
    for bit in range(13):
        odd ^= shared >> bit & 1
    return 1.0 - 2.0 * odd


def dense(values: Values, orthonormal: bool = False) -> npt.NDArray[np.float64]:
    """Block by block along the last axis by the sign matrix, exact in float64 for the integers of these tests."""
    out, first = values.astype(np.float64), 0
    for size in block_sizes(values.shape[-1]):
        part = slice(first, first + size)
        out[..., part] = out[..., part] @ sign_matrix(size) * (size**-0.5 if orthonormal else 1.0)
        first += size
    return out


def guarded(values: Values) -> tuple[npt.NDArray[np.uint8], int]:
    """(bytes of the values between guards, address of the first value, which is only aligned to its own size)."""
    whole = np.frombuffer(b"\xa5" * (2 * GUARD + values.nbytes), np.uint8).copy()
    whole[GUARD:-GUARD] = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
    return whole, whole.ctypes.data + GUARD


def run(values: Values, kind: str, *, orthonormal: bool, cpu: str, threads: int = 1, in_place: bool = False) -> Values:
    """Transform [rows, C] by libnq; the guards, and the source unless in place, must stay as they were."""
    source, source_address = guarded(values)
    target, target_address = (source, source_address) if in_place else guarded(np.zeros_like(values))
    rows = Rows(values.shape[0], values.shape[1], kind, orthonormal)
    native.transform_memory(rows, source_address, target_address, threads=threads, cpu=cpu)
    for whole in (source, target):
        assert (whole[:GUARD] == 0xA5).all(), "bytes before the rows were written"
        assert (whole[-GUARD:] == 0xA5).all(), "bytes after the rows were written"
    if not in_place:
        assert source[GUARD:-GUARD].tobytes() == values.tobytes(), "the source was written"
    return target[GUARD:-GUARD].view(values.dtype).reshape(values.shape)


def bfloat16_to_float(bits: Values) -> npt.NDArray[np.float32]:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def float_to_bfloat16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Nearest even, for finite values."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def test_blocks_by_hand() -> None:
    assert block_sizes(53) == (32, 16, 4, 1)
    assert block_sizes(1) == (1,)
    assert block_sizes(9000) == (4096, 4096, 512, 256, 32, 8)
    assert block_stages(6).tolist() == [2, 2, 2, 2, 1, 1]
    with pytest.raises(ValueError, match="no blocks"):
        block_sizes(0)


@given(st.integers(1, 1 << 20))
def test_blocks_sum_to_the_length_and_never_grow(length: int) -> None:
    sizes = block_sizes(length)
    assert sum(sizes) == length
    assert all(size & (size - 1) == 0 and size <= MAX_BLOCK for size in sizes)
    below = [size for size in sizes if size < MAX_BLOCK]
    assert below == sorted(set(below), reverse=True)


def test_a_transform_by_hand() -> None:
    assert definition.transform(np.array([[1, 2, 3, 4, 5, 6, 7]], np.int32)).tolist() == [[10, -2, -4, 0, 11, -1, 7]]


@pytest.mark.parametrize("length", [*POWERS, *LENGTHS])
def test_definition_is_the_sign_matrix(length: int) -> None:
    values = np.random.default_rng(length).integers(-128, 128, (3, 2, length)).astype(np.int32)
    assert np.array_equal(definition.transform(values), dense(values))


@NEEDS_LIBRARY
@pytest.mark.parametrize("cpu", CPU_LEVELS)
@pytest.mark.parametrize("length", [*POWERS, *LENGTHS])
def test_integers_are_the_definition_and_twice_is_n_times(length: int, cpu: str) -> None:
    if cpu not in cpu_levels():
        pytest.skip("this CPU does not have it")
    rng = np.random.default_rng(length)
    for rows in (1, 5):
        values = rng.integers(-128, 128, (rows, length)).astype(np.int32)
        values[0] = -128
        once = run(values, "int32", orthonormal=False, cpu=cpu)
        assert np.array_equal(once, definition.transform(values))
        assert np.array_equal(run(values, "int32", orthonormal=False, cpu=cpu, in_place=True), once)
        twice = run(once, "int32", orthonormal=False, cpu=cpu)
        assert np.array_equal(twice, values << block_stages(length))


@NEEDS_LIBRARY
@pytest.mark.parametrize("cpu", CPU_LEVELS)
def test_integers_wrap(cpu: str) -> None:
    if cpu not in cpu_levels():
        pytest.skip("this CPU does not have it")
    values = np.random.default_rng(0).integers(-(2**31), 2**31, (7, 333)).astype(np.int32)
    with np.errstate(over="ignore"):
        assert np.array_equal(run(values, "int32", orthonormal=False, cpu=cpu), definition.transform(values))


@NEEDS_LIBRARY
@pytest.mark.parametrize("length", [*POWERS, *LENGTHS])
def test_floats_are_the_dense_matrix_and_every_level_gives_the_same_bits(length: int) -> None:
    rng = np.random.default_rng([length, 1])
    values = rng.normal(size=(5, length)).astype(np.float32)
    for orthonormal in (False, True):
        outputs = [run(values, "float32", orthonormal=orthonormal, cpu=cpu) for cpu in cpu_levels()]
        expected = dense(values, orthonormal)
        # log2(n) roundings of half an ulp each, and the scale's, against the norm of a row.
        bound = (np.log2(length) + 2) * 2**-24 * np.abs(expected).max() * 4
        assert np.abs(outputs[0] - expected).max() <= bound
        for cpu, other in zip(cpu_levels()[1:], outputs[1:], strict=True):
            assert other.tobytes() == outputs[0].tobytes(), cpu
        for cpu in cpu_levels():
            in_place = run(values, "float32", orthonormal=orthonormal, cpu=cpu, in_place=True)
            assert in_place.tobytes() == outputs[0].tobytes(), cpu


@NEEDS_LIBRARY
@pytest.mark.parametrize("cpu", CPU_LEVELS)
@pytest.mark.parametrize("length", [*POWERS, *LENGTHS])
def test_16_bit_floats_are_float32_rounded_once(length: int, cpu: str) -> None:
    if cpu not in cpu_levels():
        pytest.skip("this CPU does not have it")
    rng = np.random.default_rng([length, 2])
    half = (rng.normal(size=(3, length)) * 10.0 ** rng.integers(-7, 2, (3, length))).astype(np.float16)
    brain = float_to_bfloat16(rng.normal(size=(3, length)).astype(np.float32) * np.float32(1e-20))
    for orthonormal in (False, True):
        wide = run(half.astype(np.float32), "float32", orthonormal=orthonormal, cpu=cpu)
        with np.errstate(over="ignore"):
            expected = wide.astype(np.float16)
        for in_place in (False, True):
            got = run(half, "float16", orthonormal=orthonormal, cpu=cpu, in_place=in_place)
            assert got.tobytes() == expected.tobytes()
        # So the error against the dense matrix is half a last place of the result, and float32's.
        exact = dense(half, orthonormal)
        slack = 2**-11 * np.abs(exact) + 2**-25 + 2**-18 * np.abs(exact).max()
        assert (np.abs(expected.astype(np.float64) - exact) <= slack).all()
        wide = run(bfloat16_to_float(brain), "float32", orthonormal=orthonormal, cpu=cpu)
        got = run(brain, "bfloat16", orthonormal=orthonormal, cpu=cpu)
        assert np.array_equal(got, float_to_bfloat16(wide))
        exact = dense(bfloat16_to_float(brain), orthonormal)
        slack = 2**-8 * np.abs(exact) + 2**-18 * np.abs(exact).max()
        assert (np.abs(bfloat16_to_float(got).astype(np.float64) - exact) <= slack).all()


@NEEDS_LIBRARY
@pytest.mark.parametrize("length", [1, 37])
def test_every_16_bit_float_is_read_and_written_alike(length: int) -> None:
    """A row of one value is a conversion there and back; others mix infinities and NaN, whose payloads may differ."""
    bits = np.arange(1 << 16, dtype=np.uint16)[: (1 << 16) // length * length].reshape(-1, length)
    for kind in ("float16", "bfloat16"):
        outputs = [run(bits, kind, orthonormal=True, cpu=cpu) for cpu in cpu_levels()]
        infinity = 0x7C00 if kind == "float16" else 0x7F80
        number = (outputs[0] & 0x7FFF) <= infinity
        for other in outputs[1:]:
            assert np.array_equal(other[number], outputs[0][number])
            assert np.array_equal((other & 0x7FFF) <= infinity, number)
        if length == 1:
            assert np.array_equal(outputs[0][number], bits[number])
            assert np.array_equal(number, (bits & 0x7FFF) <= infinity)


@NEEDS_LIBRARY
@given(st.floats(width=32, allow_nan=False))
def test_rounding_to_16_bits(value: float) -> None:
    """Single values through blocks of two: (x + 0, x - 0), from float32's own rounding in numpy."""
    x = np.float32(value)
    with np.errstate(over="ignore"):
        half = np.array([[np.float16(x), 0]], np.float16)
        expected = (half.astype(np.float32) * np.float32(0.70710678)).astype(np.float16)
    for cpu in cpu_levels():
        if np.isfinite(half).all():
            assert np.all(run(half, "float16", orthonormal=True, cpu=cpu) == expected[0, 0])


@NEEDS_LIBRARY
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_show(threads: int) -> None:
    """Enough values that threads start, in rows that do not divide into tasks evenly."""
    for shape in ((4097, 77), (3, 300_001), (131, 4096)):
        values = np.random.default_rng(threads).normal(size=shape).astype(np.float32)
        for cpu in cpu_levels():
            alone = run(values, "float32", orthonormal=True, cpu=cpu)
            assert run(values, "float32", orthonormal=True, cpu=cpu, threads=threads).tobytes() == alone.tobytes()


@NEEDS_LIBRARY
def test_no_rows() -> None:
    empty = np.zeros((0, 12), np.int32)
    assert run(empty, "int32", orthonormal=False, cpu="scalar").shape == (0, 12)


@NEEDS_LIBRARY
def test_what_the_library_refuses() -> None:
    values = np.zeros((2, 6), np.int32)
    address = values.ctypes.data
    with pytest.raises(ValueError, match="not valid"):
        native.transform_memory(Rows(2, 6, "int32", orthonormal=True), address, address)
    with pytest.raises(ValueError, match="not valid"):
        native.transform_memory(Rows(2, 6, "int32", orthonormal=False), address, address, threads=0)
    library = load_libnq()
    assert library is not None
    for blocks in ((3, 3), (4, 4), (4,), (8192,)):
        sizes = np.array(blocks, np.int32)
        plan = native._Descriptor(0, 6, sizes.ctypes.data, None, len(blocks), 0)
        none = ctypes.c_void_p()
        assert library.nq_hadamard(ctypes.byref(plan), none, none, 1, 0) == 5, blocks


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "load_libnq", lambda: None)
    assert native.fastest() is definition.transform
    with pytest.raises(UnsupportedError, match="Hadamard transform"):
        native.transform(np.zeros((1, 4), np.int32))
