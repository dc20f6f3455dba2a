"""Random numbers that no version of numpy changes, for the random makers of networks."""

from __future__ import annotations

import random
from collections.abc import MutableSequence
from typing import Any

import numpy as np
import numpy.typing as npt

Size = int | tuple[int, ...] | None


class Draws:
    """What the makers ask of a numpy Generator, from Python's `random.Random.random`, whose stream is promised.

    Methods take and return what those of `numpy.random.Generator` do; `normal` is a sum of twelve uniform numbers.
    """

    def __init__(self, seed: int) -> None:
        self._uniform = random.Random(seed).random

    def random(self, size: Size = None) -> Any:
        """Uniform in [0, 1): a float, or float64 of a size."""
        if size is None:
            return self._uniform()
        return self._array(size, self._uniform, np.float64)

    def uniform(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self._uniform()

    def normal(self, mean: float, deviation: float, size: Size) -> npt.NDArray[np.float64]:
        """Nearly normal numbers, float64."""
        return self._array(size, lambda: mean + deviation * (sum(self._uniform() for _ in range(12)) - 6), np.float64)

    def integers(self, low: int, high: int | None = None, size: Size = None) -> Any:
        """Uniform in low..high-1, or 0..low-1: an int, or int64 of a size."""
        first, count = (0, low) if high is None else (low, high - low)
        if size is None:
            return first + int(self._uniform() * count)
        return self._array(size, lambda: first + int(self._uniform() * count), np.int64)

    def choice(self, options: Any, size: Size = None) -> Any:
        """Entries of a list, each as likely as another."""
        chosen = np.asarray(options)[self.integers(len(options), size=size)]
        return chosen.item() if size is None and np.ndim(chosen) == 0 else chosen

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Put a list into a random order."""
        for last in range(len(items) - 1, 0, -1):
            other = self.integers(last + 1)
            items[last], items[other] = items[other], items[last]

    @staticmethod
    def _array(size: Size, draw: Any, dtype: Any) -> Any:
        shape = (size,) if isinstance(size, int) else tuple(int(n) for n in size or ())
        return np.array([draw() for _ in range(int(np.prod(shape)))], dtype).reshape(shape)
