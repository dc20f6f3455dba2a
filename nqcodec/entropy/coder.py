"""The arithmetic coder as the specification says it (formats/nq.md, 3.2): the definition of csrc/entropy/arith.h.

An event is an interval [low, high) of cumulative frequencies out of 2^16. The bytes are those of torchac for the same
intervals.
"""

from __future__ import annotations

FREQUENCY_BITS = 16
TOTAL = 1 << FREQUENCY_BITS
HALF_TOTAL = TOTAL // 2
"""Boundary of a bypass bit: 0 is [0, HALF_TOTAL), 1 is [HALF_TOTAL, TOTAL)."""

_QUARTER, _HALF, _THREE_QUARTERS, _MASK = 1 << 30, 1 << 31, 3 << 30, (1 << 32) - 1


def piece_bytes(shifts: int) -> int:
    """Bytes that a piece has after its last event, for a coder that has shifted `shifts` times."""
    return (shifts + 9) // 8


class ArithmeticEncoder:
    """Turns intervals into bytes; `encode` each event in order, then `finish` once."""

    def __init__(self) -> None:
        self._low, self._high = 0, _MASK
        self._owed = 0
        self._bits: list[int] = []

    def encode(self, low: int, high: int) -> None:
        """Code the event [low, high), 0 <= low < high <= 2^16."""
        span = self._high - self._low + 1
        self._high = self._low + ((span * high) >> FREQUENCY_BITS) - 1
        self._low += (span * low) >> FREQUENCY_BITS
        while True:
            if self._high < _HALF:
                base = 0
                self._put(0)
            elif self._low >= _HALF:
                base = _HALF
                self._put(1)
            elif self._low >= _QUARTER and self._high < _THREE_QUARTERS:
                base = _QUARTER
                self._owed += 1
            else:
                return
            self._low = 2 * (self._low - base)
            self._high = 2 * (self._high - base) + 1

    def finish(self) -> bytes:
        """The piece: the bits so far and the two that place `code` in the last interval, padded with zeros."""
        self._owed += 1
        self._put(0 if self._low < _QUARTER else 1)
        self._bits.extend([0] * (-len(self._bits) % 8))
        return int("".join(map(str, self._bits)), 2).to_bytes(len(self._bits) // 8, "big")

    def _put(self, bit: int) -> None:
        self._bits.append(bit)
        self._bits.extend([1 - bit] * self._owed)
        self._owed = 0


class ArithmeticDecoder:
    """Turns bytes into events: `target` says where the next one lies, `advance` takes its interval.

    Any bytes decode to something; `check_finished` after the last event is what finds a piece of another length.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._low, self._high = 0, _MASK
        self._shifts = 0
        self._code = 0
        self._read = 0
        for _ in range(32):
            self._code = 2 * self._code + self._next_bit()

    def target(self) -> int:
        """`count` of the specification: the next event is the one with low <= target < high."""
        return ((self._code - self._low + 1) * TOTAL - 1) // (self._high - self._low + 1)

    def advance(self, low: int, high: int) -> None:
        """Take the event [low, high), which holds `target()`."""
        span = self._high - self._low + 1
        self._high = self._low + ((span * high) >> FREQUENCY_BITS) - 1
        self._low += (span * low) >> FREQUENCY_BITS
        while True:
            if self._high < _HALF:
                base = 0
            elif self._low >= _HALF:
                base = _HALF
            elif self._low >= _QUARTER and self._high < _THREE_QUARTERS:
                base = _QUARTER
            else:
                return
            self._low = 2 * (self._low - base)
            self._high = 2 * (self._high - base) + 1
            self._code = 2 * (self._code - base) + self._next_bit()
            self._shifts += 1

    def bypass(self, bits: int = 1) -> int:
        """A bypass number of `bits` bits, most significant first."""
        number = 0
        for _ in range(bits):
            bit = int(self.target() >= HALF_TOTAL)
            self.advance(bit * HALF_TOTAL, (bit + 1) * HALF_TOTAL)
            number = 2 * number + bit
        return number

    def check_finished(self) -> None:
        """Raise ValueError unless the piece has exactly the bytes that its events need."""
        expected = piece_bytes(self._shifts)
        if len(self._data) != expected:
            raise ValueError(f"a piece of {len(self._data)} bytes whose symbols take {expected}")

    def _next_bit(self) -> int:
        byte = self._read >> 3
        bit = (self._data[byte] >> (7 - (self._read & 7))) & 1 if byte < len(self._data) else 0
        self._read += 1
        return bit
