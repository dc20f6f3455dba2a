"""The Gaussian and the adaptive model: values to events and back (formats/nq.md, 3.3 and 3.4). The definition.

Values are int32 and need not fit any width here; callers check ranges. Scale indices are 0 to 63.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nqcodec.entropy.coder import HALF_TOTAL, TOTAL, ArithmeticDecoder
from nqcodec.network import tables
from nqcodec.network.tables import FrequencyTable

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt32 = npt.NDArray[np.uint32]

Events = tuple[UInt32, UInt32]
"""Intervals (low, high) of a piece's events in order, each uint32 [events]; 0 <= low < high <= 2^16."""

MAX_SCALE = 63
MAX_ESCAPE_BITS = 20
ADAPTIVE_MAX_BITS = 8

STATE_BITS = 13
"""Fractional bits of an adaptive estimate below the 16 of a frequency: without them slow rates would stall."""

RATES = (8, 12)
"""Slowest shifts of the fast and of the slow estimate."""

COUNT_LIMIT = (1 << RATES[1]) - 4


def scale_row(scale: Int64) -> tuple[Int64, Int64]:
    """(row, k) of scale indices: the frequency row and the number of low bits coded as they are."""
    shift = np.where(scale < 32, 0, (scale - 28) >> 2)
    return scale - 4 * shift, shift


def bit_length(values: Int64) -> Int64:
    """Number of bits of non-negative integers below 2^53."""
    exponents: Int64 = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    return exponents


def table_events(table: FrequencyTable, rows: Int64, shifts: Int64, distances: Int64) -> Events:
    """Events of values that have a row of a table each, escapes and low bits included (formats/nq.md, 3.3).

    Args:
        table: frequencies.
        rows: int64 [n], row of each value.
        shifts: int64 [n], k of each value: its low bits that are coded as they are.
        distances: int64 [n], u of each value: how far it lies from what its row is centred on.

    Raises:
        ValueError: for a value that is too far away to be coded.
    """
    biased = distances + ((np.int64(1) << shifts) >> 1)
    h = biased >> shifts
    width = table.half_width[rows].astype(np.int64)
    beyond = np.abs(h) - width
    escaped = beyond > 0
    length = np.where(escaped, bit_length(np.maximum(beyond, 0)), 0)
    if length.size and int(length.max()) > MAX_ESCAPE_BITS:
        raise ValueError(f"a value is more than 2^{MAX_ESCAPE_BITS} from the offset")
    symbol = np.where(escaped, 2 * width + 1, h + width)
    escape_events = np.where(escaped, 2 * length, 0)
    events_of_value = 1 + escape_events + shifts
    start = np.cumsum(events_of_value) - events_of_value
    total = int(events_of_value.sum())
    low, high = np.zeros(total, np.uint32), np.full(total, HALF_TOTAL, np.uint32)
    low[start], high[start] = table.cumulative[rows, symbol], table.cumulative[rows, symbol + 1]
    _put_bypass((low, high), (h < 0).astype(np.int64), start + 1, escaped.astype(np.int64))
    _put_bypass((low, high), beyond, start + 2, np.where(escaped, 2 * length - 1, 0))
    _put_bypass((low, high), biased, start + 1 + escape_events, shifts)
    return low, high


def gaussian_events(values: Int32, scales: Int32, offset: int) -> Events:
    """Events of values under the Gaussian model.

    Args:
        values: int32 [n].
        scales: int32 [n], scale index of each value.
        offset: m of the specification.

    Raises:
        ValueError: for a value that is too far from the offset to be coded.
    """
    rows, shifts = scale_row(scales.astype(np.int64))
    return table_events(tables.gaussian(), rows, shifts, values.astype(np.int64) - offset)


def _put_bypass(events: Events, numbers: Int64, first: Int64, bits: Int64) -> None:
    """Write the low `bits` bits of each number as bypass bits from event `first` on; all arrays are int64 [n]."""
    low, high = events
    for position in range(int(bits.max(initial=0))):
        chosen = bits > position
        where = first[chosen] + position
        bit = ((numbers[chosen] >> (bits[chosen] - 1 - position)) & 1).astype(np.uint32)
        low[where], high[where] = bit * HALF_TOTAL, (bit + 1) * HALF_TOTAL


def decode_distance(decoder: ArithmeticDecoder, cumulative: list[int], width: int, shift: int) -> int:
    """u of the next value, whose row has these cumulative frequencies and half-width, and whose k is `shift`."""
    symbol = bisect_right(cumulative, decoder.target()) - 1
    decoder.advance(cumulative[symbol], cumulative[symbol + 1])
    h = symbol - width if symbol <= 2 * width else _decode_escape(decoder, width)
    return (h << shift) + decoder.bypass(shift) - ((1 << shift) >> 1)


def gaussian_decode(data: bytes, scales: Int32, offset: int) -> Int32:
    """Values of one piece, int32 [n] for scale indices [n]; raises ValueError for a damaged piece."""
    table = tables.gaussian()
    rows = [row.tolist() for row in table.cumulative]
    decoder = ArithmeticDecoder(data)
    values = np.empty(scales.size, np.int32)
    row_of, shift_of = scale_row(scales.astype(np.int64))
    for index, (row, shift) in enumerate(zip(row_of.tolist(), shift_of.tolist(), strict=True)):
        values[index] = offset + decode_distance(decoder, rows[row], int(table.half_width[row]), shift)
    decoder.check_finished()
    return values


def _decode_escape(decoder: ArithmeticDecoder, width: int) -> int:
    negative = decoder.bypass()
    bits = 1
    while not decoder.bypass():
        bits += 1
        if bits > MAX_ESCAPE_BITS:
            raise ValueError(f"an escape of more than {MAX_ESCAPE_BITS} bits")
    magnitude = width + ((1 << (bits - 1)) | decoder.bypass(bits - 1))
    return -magnitude if negative else magnitude


@dataclass
class AdaptiveContext:
    """One context of the adaptive model: frequencies of `symbols` symbols that follow what was coded.

    `cumulative` is c of the specification, symbols + 1 entries.
    """

    symbols: int
    cumulative: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._top = (TOTAL - self.symbols) << STATE_BITS
        self._fast = [self._top * i // self.symbols for i in range(self.symbols)]
        self._slow = list(self._fast)
        self._count = 0
        self._refresh()

    def update(self, symbol: int) -> None:
        """Learn one symbol."""
        rate = (self._count + 4).bit_length() - 1
        fast, slow = (min(rate, limit) for limit in RATES)
        for i in range(1, self.symbols):
            target = 0 if i <= symbol else self._top
            self._fast[i] += (target - self._fast[i]) >> fast
            self._slow[i] += (target - self._slow[i]) >> slow
        self._count = min(self._count + 1, COUNT_LIMIT)
        self._refresh()

    def _refresh(self) -> None:
        both = zip(self._fast, self._slow, strict=True)
        self.cumulative = [i + ((f + s) >> (STATE_BITS + 1)) for i, (f, s) in enumerate(both)] + [TOTAL]


class AdaptiveModel:
    """The adaptive model of `bits`-bit values, 2 to 8, from its starting state."""

    def __init__(self, bits: int) -> None:
        self._bias = 1 << (bits - 1)
        self._low_bits = 4 if bits > 4 else 0
        first = AdaptiveContext(1 << (bits - self._low_bits))
        rest = [AdaptiveContext(1 << self._low_bits) for _ in range(first.symbols if self._low_bits else 0)]
        self._contexts = [first, *rest]

    def events(self, value: int) -> list[tuple[int, int]]:
        """Intervals of one value, which is learned."""
        w = value + self._bias
        high, low = w >> self._low_bits, w & ((1 << self._low_bits) - 1)
        intervals = [self._learn(self._contexts[0], high)]
        if self._low_bits:
            intervals.append(self._learn(self._contexts[1 + high], low))
        return intervals

    def decode(self, decoder: ArithmeticDecoder) -> int:
        """The next value, which is learned."""
        w = self._take(self._contexts[0], decoder)
        if self._low_bits:
            w = (w << self._low_bits) | self._take(self._contexts[1 + w], decoder)
        return w - self._bias

    @staticmethod
    def _learn(context: AdaptiveContext, symbol: int) -> tuple[int, int]:
        interval = context.cumulative[symbol], context.cumulative[symbol + 1]
        context.update(symbol)
        return interval

    @classmethod
    def _take(cls, context: AdaptiveContext, decoder: ArithmeticDecoder) -> int:
        symbol = bisect_right(context.cumulative, decoder.target()) - 1
        decoder.advance(*cls._learn(context, symbol))
        return symbol


def adaptive_events(values: Int32, bits: int) -> Events:
    """Events of one piece of int32 values [n] under the adaptive model of `bits` bits, from its starting state."""
    model = AdaptiveModel(bits)
    intervals = [interval for value in values.tolist() for interval in model.events(value)]
    both = np.array(intervals, np.uint32).reshape(-1, 2)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def adaptive_decode(data: bytes, count: int, bits: int) -> Int32:
    """`count` values of one piece, int32; raises ValueError for a damaged piece."""
    decoder, model = ArithmeticDecoder(data), AdaptiveModel(bits)
    values = np.array([model.decode(decoder) for _ in range(count)], np.int32)
    decoder.check_finished()
    return values
