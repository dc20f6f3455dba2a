"""The arithmetic coder: Python, C and torchac byte for byte, and what each does with pieces that are not whole."""

from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.entropy import native, torchac_coder
from nqcodec.entropy.coder import TOTAL, ArithmeticDecoder, ArithmeticEncoder

needs_native = pytest.mark.skipif(not native.available(), reason="libnq was not built")


def encode(low, high) -> bytes:
    encoder = ArithmeticEncoder()
    for event in zip(low.tolist(), high.tolist(), strict=True):
        encoder.encode(*event)
    return encoder.finish()


def random_table(rng, symbols: int, skew: float) -> np.ndarray:
    """Cumulative frequencies of a random table, [symbols + 1], every frequency at least 1."""
    weights = rng.random(symbols) ** skew
    cumulative = np.floor(np.cumsum(weights) / weights.sum() * (TOTAL - symbols)).astype(np.int64)
    return np.concatenate([[0], cumulative[:-1] + np.arange(1, symbols), [TOTAL]])


def random_events(seed: int, count: int = 3000):
    """Events of tables that change all the time, symbols drawn by frequency or, every fourth, uniformly."""
    rng = np.random.default_rng(seed)
    low, high = np.empty(count, np.uint32), np.empty(count, np.uint32)
    for i in range(count):
        table = random_table(rng, int(rng.integers(2, 300)), float(rng.choice([0.2, 1, 8, 40])))
        uniform = i % 4 == 0
        symbol = int(rng.integers(table.size - 1)) if uniform else bisect_right(table, rng.integers(TOTAL)) - 1
        low[i], high[i] = table[symbol], table[symbol + 1]
    return low, high


def constant_events(low: int, high: int, count: int = 2000):
    return np.full(count, low, np.uint32), np.full(count, high, np.uint32)


EXTREMES = {
    "nothing": constant_events(0, TOTAL, 0),
    "certain": constant_events(0, TOTAL),
    "first of 1/65536": constant_events(0, 1),
    "last of 1/65536": constant_events(TOTAL - 1, TOTAL),
    "all but the first": constant_events(1, TOTAL),
    "all but the last": constant_events(0, TOTAL - 1),
    "straddling the middle": constant_events(TOTAL // 2 - 1, TOTAL // 2 + 1),
    "owed bits": constant_events(TOTAL // 4, 3 * TOTAL // 4, 20000),
    "owed bits, lopsided": constant_events(TOTAL // 2 - 1, 3 * TOTAL // 4, 5000),
}


@needs_native
@pytest.mark.parametrize("seed", range(4))
def test_three_coders_agree_on_random_tables(seed):
    events = random_events(seed)
    piece = encode(*events)
    assert native.encode_events(events) == piece
    assert torchac_coder.encode_events(events) == piece


@needs_native
@pytest.mark.parametrize("name", EXTREMES)
def test_three_coders_agree_on_extremes(name):
    events = EXTREMES[name]
    piece = encode(*events)
    assert native.encode_events(events) == piece
    assert torchac_coder.encode_events(events) == piece


@pytest.mark.parametrize("name", EXTREMES)
def test_decoder_follows_extremes(name):
    low, high = EXTREMES[name]
    decoder = ArithmeticDecoder(encode(low, high))
    for event in zip(low.tolist(), high.tolist(), strict=True):
        assert event[0] <= decoder.target() < event[1]
        decoder.advance(*event)
    decoder.check_finished()


@pytest.mark.parametrize("seed", range(4))
def test_size_is_that_of_the_information(seed):
    low, high = random_events(seed)
    bits = -np.log2((high - low) / TOTAL).sum()
    size = len(encode(low, high))
    assert bits / 8 <= size <= 1.005 * bits / 8 + 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_decoder_inverts_the_encoder(targets, seed):
    rng = np.random.default_rng(seed)
    tables = [random_table(rng, int(rng.integers(2, 40)), 4.0) for _ in targets]
    symbols = [bisect_right(table, target) - 1 for table, target in zip(tables, targets, strict=True)]
    encoder = ArithmeticEncoder()
    for table, symbol in zip(tables, symbols, strict=True):
        encoder.encode(int(table[symbol]), int(table[symbol + 1]))
    piece = encoder.finish()
    decoder = ArithmeticDecoder(piece)
    for table, symbol in zip(tables, symbols, strict=True):
        assert bisect_right(table, decoder.target()) - 1 == symbol
        decoder.advance(int(table[symbol]), int(table[symbol + 1]))
    decoder.check_finished()


@pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: p + b"\0", lambda p: p + p])
def test_a_piece_of_another_length_is_found(change):
    low, high = random_events(9, 200)
    decoder = ArithmeticDecoder(change(encode(low, high)))
    for event in zip(low.tolist(), high.tolist(), strict=True):
        decoder.advance(*event)
    with pytest.raises(ValueError, match="bytes whose symbols take"):
        decoder.check_finished()


@needs_native
@pytest.mark.parametrize("event", [(5, 5), (6, 5), (0, TOTAL + 1), (2**32 - 1, 0)])
def test_native_refuses_what_is_no_interval(event):
    good = constant_events(0, 7, 10)
    bad = tuple(np.append(part, np.uint32(bound)) for part, bound in zip(good, event, strict=True))
    with pytest.raises(ValueError, match="interval"):
        native.encode_events(bad)


@needs_native
def test_native_never_writes_past_its_buffer(monkeypatch):
    events = constant_events(0, 1, 100)
    monkeypatch.setattr(native, "BYTES_PER_EVENT", 1)
    with pytest.raises(ValueError, match="larger than its buffer"):
        native.encode_events(events)
