"""The definition of the block Walsh-Hadamard transform, in numpy (formats/nq.md, 6.3.1). The other paths match it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]

MAX_BLOCK = 4096
"""Values of the largest block."""

Transform: TypeAlias = Callable[[Int32], Int32]
"""A function with the result of `transform`: int32 [..., C] to int32 of the same shape."""


@cache
def block_sizes(length: int) -> tuple[int, ...]:
    """The powers of two that an axis of `length` is cut into, largest first: 53 = 32 + 16 + 4 + 1.

    Raises:
        ValueError: a length below 1.
    """
    if length < 1:
        raise ValueError(f"an axis of {length} values has no blocks")
    sizes: list[int] = [MAX_BLOCK] * (length // MAX_BLOCK)
    rest = length % MAX_BLOCK
    sizes += [1 << bit for bit in reversed(range(rest.bit_length())) if rest >> bit & 1]
    return tuple(sizes)


def block_stages(length: int) -> Int32:
    """m of each position along an axis of `length`, where 2^m is the size of its block; int32 [length]."""
    sizes = block_sizes(length)
    return np.repeat(np.array([size.bit_length() - 1 for size in sizes], np.int32), sizes)


def transform(values: Int32) -> Int32:
    """Unnormalised transform of each block along the last axis, by integer butterflies; int32 [..., C], a copy.

    The caller sees to it that sums stay within 32 bits: |value| * 4096 < 2^31 (coded weights reach 2^19).
    """
    out = values.copy()
    first = 0
    for size in block_sizes(values.shape[-1]):
        block = out[..., first : first + size]
        distance = 1
        while distance < size:
            pairs = block.reshape(*values.shape[:-1], size // (2 * distance), 2, distance)
            a, b = pairs[..., 0, :], pairs[..., 1, :]
            block = np.stack([a + b, a - b], axis=-2).reshape(*values.shape[:-1], size)
            distance *= 2
        out[..., first : first + size] = block
        first += size
    return out
