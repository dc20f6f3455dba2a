"""The two models: events and back for every scale and extreme, C against Python, and damaged pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.entropy import models, native, torchac_coder
from nqcodec.entropy.coder import TOTAL, ArithmeticEncoder
from nqcodec.errors import UnsupportedError
from nqcodec.network import tables

needs_native = pytest.mark.skipif(not native.available(), reason="libnq was not built")
needs_compiler = pytest.mark.skipif(not native.available(), reason="torchac needs the compiler that libnq needs")


def encode(events) -> bytes:
    encoder = ArithmeticEncoder()
    for event in zip(events[0].tolist(), events[1].tolist(), strict=True):
        encoder.encode(*event)
    return encoder.finish()


def per_value(scales) -> native.PieceScales:
    return native.PieceScales(np.ascontiguousarray(scales, np.uint8), 1, 0)


def extreme_values(rng) -> np.ndarray:
    edges = [0, 1, 2, 3, 126, 127, 128, 129, 2**12 - 1, 2**15 - 1, 2**15, 2**16 - 1]
    near = rng.integers(-300, 300, 60)
    return np.concatenate([edges, np.negative(edges), near]).astype(np.int32)


@needs_native
@pytest.mark.parametrize("scale", range(64))
def test_gaussian_codes_any_value_at_any_scale(scale):
    values = extreme_values(np.random.default_rng(scale))
    scales = np.full(values.size, scale, np.int32)
    for offset in (0, -(2**15), 2**15 - 1, 37):
        piece = encode(models.gaussian_events(values, scales, offset))
        assert native.gaussian_encode(values, per_value(scales), offset) == piece
        assert np.array_equal(models.gaussian_decode(piece, scales, offset), values)
        assert np.array_equal(native.gaussian_decode(piece, values.size, per_value(scales), offset), values)


def test_events_of_an_escape_and_low_bits_by_hand():
    # Scale 36: k = 2, row 28 with L = 96. v = -401: u + 2 = -399, h = -100, y = 4 (100 in binary), low bits 01.
    table = tables.gaussian()
    width = int(table.half_width[28])
    assert width == 96
    low, high = models.gaussian_events(np.array([-401], np.int32), np.array([36], np.int32), 0)
    assert (low[0], high[0]) == (table.cumulative[28, 2 * width + 1], TOTAL)
    assert (low[1:] // 32768).tolist() == [1, 0, 0, 1, 0, 0, 0, 1]
    assert (high - low)[1:].tolist() == [32768] * 8


@needs_native
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-(2**15), 2**15 - 1), st.integers(0, 63)), min_size=1, max_size=80))
def test_gaussian_with_a_scale_for_every_value(pairs):
    values, scales = np.array(pairs, np.int32).T
    piece = encode(models.gaussian_events(values, scales, 5))
    assert native.gaussian_encode(values, per_value(scales), 5) == piece
    assert np.array_equal(models.gaussian_decode(piece, scales, 5), values)
    assert np.array_equal(native.gaussian_decode(piece, values.size, per_value(scales), 5), values)


@needs_native
def test_runs_of_channels_start_anywhere():
    rng = np.random.default_rng(3)
    scales = rng.integers(0, 64, 7)
    values = rng.integers(-100, 100, 500).astype(np.int32)
    for inner in (1, 2, 9, 1000):
        for start in (0, 1, 8, 65536):
            chosen = scales[(start + np.arange(500)) // inner % 7].astype(np.int32)
            where = native.PieceScales(scales.astype(np.uint8), inner, start)
            piece = encode(models.gaussian_events(values, chosen, 0))
            assert native.gaussian_encode(values, where, 0) == piece
            assert np.array_equal(native.gaussian_decode(piece, 500, where, 0), values)


@needs_native
def test_values_beyond_every_escape_are_refused():
    values, scales = np.array([0, 2**21], np.int32), np.array([0, 0], np.int32)
    with pytest.raises(ValueError, match="from the offset"):
        models.gaussian_events(values, scales, 0)
    with pytest.raises(ValueError, match="cannot code"):
        native.gaussian_encode(values, per_value(scales), 0)


@needs_native
@pytest.mark.parametrize(("zeros", "legal"), [(19, True), (20, False)])
def test_an_escape_has_at_most_twenty_bits(zeros, legal):
    row = tables.gaussian().cumulative[12]
    symbol = 2 * int(tables.gaussian().half_width[12]) + 1
    encoder = ArithmeticEncoder()
    encoder.encode(int(row[symbol]), TOTAL)
    for bit in [0] + [0] * zeros + [1] * (zeros + 1):
        encoder.encode(bit * 32768, (bit + 1) * 32768)
    piece, scale = encoder.finish(), np.array([12], np.int32)
    if legal:
        expected = int(tables.gaussian().half_width[12]) + 2**20 - 1
        assert models.gaussian_decode(piece, scale, 0).tolist() == [expected]
        assert native.gaussian_decode(piece, 1, per_value(scale), 0).tolist() == [expected]
        return
    with pytest.raises(ValueError, match="escape of more than 20 bits"):
        models.gaussian_decode(piece, scale, 0)
    with pytest.raises(ValueError, match="escape of more than 20 bits"):
        native.gaussian_decode(piece, 1, per_value(scale), 0)


def adversarial(symbols: int, rng) -> list[int]:
    """Long runs of one symbol, sweeps and noise: what drives an adaptive context to its limits."""
    runs = [[x] * 6000 for x in (0, symbols - 1, symbols // 2)]
    return [*runs[0], *runs[1], *runs[2], *range(symbols), *rng.integers(0, symbols, 500).tolist()]


@pytest.mark.parametrize("symbols", [2, 4, 8, 16])
def test_adaptive_frequencies_stay_legal_and_learn(symbols):
    context = models.AdaptiveContext(symbols)
    assert np.ptp(np.diff(context.cumulative)) <= 1
    for number, symbol in enumerate(adversarial(symbols, np.random.default_rng(symbols))):
        context.update(symbol)
        frequencies = np.diff(context.cumulative)
        assert frequencies.min() >= 1
        assert context.cumulative[0] == 0
        assert context.cumulative[-1] == TOTAL
        if number == 5999:
            # A rate of 2^-12 without fractional bits would leave thousands to symbols that never came.
            assert frequencies[0] > TOTAL - 2 * symbols


@needs_native
@pytest.mark.parametrize("bits", range(2, 9))
def test_adaptive_coders_agree(bits):
    rng = np.random.default_rng(bits)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    laplace = np.clip(np.rint(rng.laplace(0, 1.5, 3000)), low, high)
    runs = np.repeat([low, high, 0, -1], 1200)
    values = np.concatenate([laplace, runs, rng.integers(low, high + 1, 1000)]).astype(np.int32)
    events = models.adaptive_events(values, bits)
    for mine, theirs in zip(events, native.adaptive_events(values, bits), strict=True):
        assert np.array_equal(mine, theirs)
    piece = encode(events)
    assert native.adaptive_encode(values, bits) == piece
    assert torchac_coder.encode_events(events) == piece
    assert np.array_equal(models.adaptive_decode(piece, values.size, bits), values)
    assert np.array_equal(native.adaptive_decode(piece, values.size, bits), values)


@needs_native
@pytest.mark.parametrize("value", [-9, 8, 2**31 - 1, -(2**31)])
def test_native_adaptive_refuses_values_outside_its_bits(value):
    with pytest.raises(ValueError, match="cannot code"):
        native.adaptive_encode(np.array([0, value], np.int32), 4)


@needs_native
@pytest.mark.parametrize("bits", [-1, 0, 1, 9, 40])
def test_native_adaptive_refuses_other_widths(bits):
    with pytest.raises(ValueError, match="an argument is not valid"):
        native.adaptive_decode(b"abc", 3, bits)


@needs_native
def test_native_refuses_scales_over_63():
    with pytest.raises(ValueError, match="an argument is not valid"):
        native.gaussian_decode(b"abc", 3, per_value([64]), 0)


def outcome(decode, *args):
    """A decoder's values as a list, or its error's class: what must be the same for C and Python."""
    try:
        return decode(*args).tolist()
    except ValueError:
        return ValueError


@needs_native
@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.lists(st.integers(0, 63), min_size=1, max_size=60), st.integers(-99, 99))
def test_gaussian_decoders_agree_on_any_bytes(data, scales, offset):
    expected = outcome(models.gaussian_decode, data, np.array(scales, np.int32), offset)
    assert outcome(native.gaussian_decode, data, len(scales), per_value(scales), offset) == expected


@needs_native
@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 80), st.integers(2, 8))
def test_adaptive_decoders_agree_on_any_bytes(data, count, bits):
    expected = outcome(models.adaptive_decode, data, count, bits)
    assert outcome(native.adaptive_decode, data, count, bits) == expected


@needs_native
@pytest.mark.parametrize("model", ["gaussian", "adaptive"])
def test_damaged_pieces_are_errors_or_other_values(model):
    rng = np.random.default_rng(11)
    values = np.clip(np.rint(rng.normal(0, 4, 4000)), -128, 127).astype(np.int32)
    if model == "gaussian":
        where = native.PieceScales(np.array([20], np.uint8), 1, 0)
        piece = native.gaussian_encode(values, where, 0)
        args = (native.gaussian_decode, values.size, where, 0)
    else:
        piece = native.adaptive_encode(values, 8)
        args = (native.adaptive_decode, values.size, 8)
    decode, *rest = args
    cut = [piece[:size] for size in (*range(0, len(piece), 97), len(piece) - 1)] + [piece + b"\0", piece * 2]
    flipped = []
    for position in rng.integers(0, len(piece) - 4, 60):
        changed = bytearray(piece)
        changed[position] ^= 1 << int(rng.integers(8))
        flipped.append(bytes(changed))
    results = [outcome(decode, data, *rest) for data in cut + flipped]
    assert values.tolist() not in results
    # A cut piece still has a chance to fit the length of the other values that it decodes to.
    assert sum(result is ValueError for result in results[: len(cut)]) >= 0.9 * len(cut)


@needs_compiler
def test_torchac_decodes_static_tables_without_escapes():
    rng = np.random.default_rng(5)
    values = np.clip(np.rint(rng.normal(2, 2, 5000)), -8, 12).astype(np.int32)
    scales = np.full(values.size, 16, np.int32)
    piece = encode(models.gaussian_events(values, scales, 2))
    assert np.array_equal(torchac_coder.gaussian_decode(piece, values.size, 16, 2), values)


@needs_compiler
def test_torchac_says_what_it_cannot_decode():
    with pytest.raises(UnsupportedError, match="bypass bits"):
        torchac_coder.gaussian_decode(b"\0\0", 1, 40, 0)
    piece = encode(models.gaussian_events(np.array([1000], np.int32), np.array([12], np.int32), 0))
    with pytest.raises(UnsupportedError, match="escapes"):
        torchac_coder.gaussian_decode(piece, 1, 12, 0)
