"""Shapes of the learning rate over the iterations of a stage, as parts of its peak."""

from __future__ import annotations

import math
from collections.abc import Callable


def warm_up(iteration: float, iterations: float) -> float:
    """A straight line up to 1, which it reaches with the last of `iterations` iterations."""
    return min(1.0, (iteration + 1) / max(1.0, iterations))


def cosine(iteration: float, iterations: float) -> float:
    """Half a cosine, from 1 to 0."""
    return 0.5 + 0.5 * math.cos(math.pi * iteration / iterations)


def linear(iteration: float, iterations: float) -> float:
    """A straight line, from 1 to 0."""
    return 1.0 - iteration / iterations


def staircase(iteration: float, iterations: float) -> float:
    """1, then a tenth from the half on, and a hundredth from three quarters on."""
    return 1.0 if iteration < 0.5 * iterations else 0.1 if iteration < 0.75 * iterations else 0.01


def constant_decay(iteration: float, iterations: float) -> float:
    """1 for seven tenths, then a straight line to 0."""
    return min(1.0, (1.0 - iteration / iterations) / 0.3)


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "cosine": cosine,
    "late-cosine": cosine,
    "linear": linear,
    "step": staircase,
    "constant-decay": constant_decay,
}
"""Parts of the peak learning rate at an iteration of so many, by name. They run over a whole stage, and the warm-up
multiplies them; "late-cosine" alone begins where the warm-up ends, as NeRV's, HNeRV's and NeuroQuant's do."""
