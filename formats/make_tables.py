"""Generates the normative integer tables of formats/nq.md, sections 3.3, 3.6, 6.5 and 6.7.

`python formats/make_tables.py FOLDER` writes all files. The shipped ones are what counts; this program shows where
they come from and gives them again, digit for digit. It works in decimal arithmetic of 50 digits, so no result depends
on a machine's libm, and no entry is near enough to a half for its rounding to be in doubt (`round_exactly` checks it).
"""

from __future__ import annotations

import json
import sys
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, getcontext
from itertools import pairwise
from pathlib import Path

getcontext().prec = 50

PI = Decimal("3.14159265358979323846264338327950288419716939937510582")
DOUBT = Decimal("1e-30")
"""The series below are exact to about 1e-45; a value this near to a half would need more digits."""

ROWS = 32
PHASES = 5
TOTAL = 1 << 16
ENTRIES = 4096
Q15 = 1 << 15


def round_exactly(value: Decimal) -> int:
    """Nearest integer; raises ArithmeticError where 50 digits cannot tell which it is."""
    nearest = value.to_integral_value(ROUND_HALF_UP)
    if 0 < abs(abs(value - nearest) - Decimal("0.5")) < DOUBT:
        raise ArithmeticError(f"{value} is too near to a half")
    return int(nearest)


def normal_cdf(x: Decimal) -> Decimal:
    """Phi(x), by the series phi(x) (x + x^3/3 + x^5/15 + ...), whose terms all have one sign."""
    term, total, n = x, x, 1
    while abs(term) > Decimal("1e-48"):
        n += 2
        term = term * x * x / n
        total += term
    return Decimal("0.5") + total * (-x * x / 2).exp() / (2 * PI).sqrt()


def gaussian_row(row: int) -> list[int]:
    """Frequencies of one row: 2 L + 1 symbols from -L to L, then the escape; their sum is 2^16.

    Every frequency is at least 1. What that floor adds in the tails is taken from all symbols in proportion, and what
    is left of it by rounding from the centre, which keeps the row symmetric.
    """
    sigma = Decimal(2) ** (Decimal(row - 12) / 4)
    reach = (6 * sigma).quantize(Decimal("1e-30"))
    half_width = min(127, max(2, int(reach.to_integral_value(ROUND_CEILING))))
    edges = [normal_cdf((Decimal(h) - Decimal("0.5")) / sigma) for h in range(half_width + 2)]
    mass = [high - low for low, high in pairwise(edges)]
    outside = 2 * (1 - edges[-1])
    expected = [TOTAL * p for p in (*mass[1:], *mass[1:], outside)]
    scale = TOTAL - sum((1 - frequency for frequency in expected if frequency < 1), Decimal(0))
    side = [max(1, round_exactly(scale * p)) for p in mass[1:]]
    escape = max(1, round_exactly(scale * outside))
    return [*reversed(side), TOTAL - 2 * sum(side) - escape, *side, escape]


def gaussian() -> dict[str, list[list[int]]]:
    """The file tables/gaussian.json: `frequencies`, a list of each row's; a row of n entries has L = n / 2 - 1."""
    return {"frequencies": [gaussian_row(row) for row in range(ROWS)]}


def logistic_row(row: int, phase: int) -> list[int]:
    """Frequencies of one row at one phase: 2 L + 1 symbols from -L to L, then the escape; their sum is 2^16.

    A logistic distribution with mean phase / 8. Every frequency is at least 1, as in `gaussian_row`; what rounding
    leaves goes to the symbol 0. L depends on the row alone: at 6.5 standard deviations the tails hold 2^-16.
    """
    sigma = Decimal(2) ** (Decimal(row - 16) / 4)
    half_width = max(4, int((sigma * Decimal("6.5")).quantize(Decimal("1e-30")).to_integral_value(ROUND_CEILING)))
    unit, mean = sigma * Decimal(3).sqrt() / PI, Decimal(phase) / 8
    bounds = range(-half_width, half_width + 2)
    edges = [1 / (1 + ((mean + Decimal("0.5") - h) / unit).exp()) for h in bounds]
    mass = [high - low for low, high in pairwise(edges)]
    mass.append(edges[0] + 1 - edges[-1])
    expected = [TOTAL * p for p in mass]
    scale = TOTAL - sum((1 - frequency for frequency in expected if frequency < 1), Decimal(0))
    frequencies = [max(1, round_exactly(scale * p)) for p in mass]
    frequencies[half_width] += TOTAL - sum(frequencies)
    return frequencies


def logistic() -> dict[str, list[list[int]]]:
    """The file tables/logistic.json: `frequencies`, a list of each row's at each phase, five a row."""
    return {"frequencies": [logistic_row(row, phase) for row in range(ROWS) for phase in range(PHASES)]}


def activations() -> dict[str, list[int]]:
    """The file tables/activations.json: gates of GELU and SiLU and half the hyperbolic tangent, at i / 256, in Q15."""
    points = [Decimal(i) / 256 for i in range(-ENTRIES // 2, ENTRIES // 2)]
    sigmoid = [1 / (1 + (-x).exp()) for x in points]
    half_tanh = [1 / (1 + (-2 * x).exp()) - Decimal("0.5") for x in points]
    return {
        "gelu": [min(Q15 - 1, round_exactly(Q15 * normal_cdf(x))) for x in points],
        "silu": [min(Q15 - 1, round_exactly(Q15 * y)) for y in sigmoid],
        "half_tanh": [round_exactly(Q15 * y) for y in half_tanh],
    }


def first_quadrant_sine(x: Decimal) -> Decimal:
    """sin(x) for 0 <= x <= pi / 2, by its power series."""
    term, total, n = x, x, 1
    while abs(term) > Decimal("1e-48"):
        n += 2
        term = -term * x * x / (n * (n - 1))
        total += term
    return total


def sine() -> dict[str, list[int]]:
    """The file tables/sine.json: one turn of a sine in Q15, whose symmetries are exact."""
    quarter = ENTRIES // 4
    rise = [round_exactly(Q15 * first_quadrant_sine(2 * PI * i / ENTRIES)) for i in range(quarter + 1)]
    half = rise[:-1] + rise[:0:-1]
    return {"sine": half + [-value for value in half]}


def write(folder: Path) -> None:
    """Write the files into `folder`, one list a line."""
    for make in (gaussian, logistic, activations, sine):
        name, content = make.__name__, make()
        text = json.dumps(content, separators=(",", ":")).replace("],", "],\n").replace(":[", ":\n[")
        (folder / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
