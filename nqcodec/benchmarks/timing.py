"""Contestants that take turns, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Turn = Callable[[int], float]
"""One turn of a contestant: takes the number of the round and returns the seconds that it took."""

Contestant = TypeVar("Contestant")


def timed(task: Callable[[], object], wait: Callable[[], object] = lambda: None) -> Turn:
    """A turn that is one run of a task by the wall clock; `wait` ends what the task has started."""

    def turn(number: int) -> float:
        wait()
        begin = time.perf_counter()
        task()
        wait()
        return time.perf_counter() - begin

    return turn


def in_turns(turns: Mapping[str, Turn], rounds: int, seconds: float = 0.0, rest: float = 0.0) -> dict[str, list[float]]:
    """Seconds of each contestant in each round.

    Args:
        turns: of the contestants, by name, in the order that they take turns in.
        rounds: at least so many.
        seconds: that the rounds take together, at least.
        rest: seconds to sleep before each turn. Thread pools spin for a while after their work, and would take the next
            contestant's time.
    """
    times: dict[str, list[float]] = {name: [] for name in turns}
    begin, number = time.perf_counter(), 0
    while number < rounds or time.perf_counter() - begin < seconds:
        for name, turn in turns.items():
            if rest:
                time.sleep(rest)
            times[name].append(turn(number))
        number += 1
    return times


def best(times: Mapping[str, list[float]]) -> dict[str, float]:
    """The least seconds of each contestant."""
    return {name: min(taken) for name, taken in times.items()}


def working(makers: Mapping[str, Callable[[], Contestant]]) -> tuple[dict[str, Contestant], dict[str, str]]:
    """The contestants that work on this machine, and why the others do not.

    Args:
        makers: make each contestant, or raise RuntimeError as torch does where it cannot.
    """
    works: dict[str, Contestant] = {}
    failed: dict[str, str] = {}
    for name, make in makers.items():
        try:
            works[name] = make()
        except RuntimeError as error:
            failed[name] = str(error).splitlines()[0]
    return works, failed
