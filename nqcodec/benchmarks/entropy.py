"""Symbols per second of the three coders on one static table, and of ours in context, in one run on one thread.

Times are the best of several rounds in which the coders take turns. Only coding is counted: torchac's table of a row
for every symbol, and its symbol tensor, are made beforehand, and one table serves all pieces. The other coders start
from int32 values and the table of the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.benchmarks.timing import best, in_turns, timed
from nqcodec.entropy import models, native, torchac_coder
from nqcodec.entropy.coder import ArithmeticEncoder
from nqcodec.entropy.models import Int32
from nqcodec.entropy.tensors import PIECE_SYMBOLS
from nqcodec.network import tables
from nqcodec.network.integer_network import Context

SCALE = 20
"""Standard deviation 4, about 4 bits a symbol: what convolution weights of a mid-rate file have."""

PYTHON_SYMBOLS = 1 << 13

LATENT_SHAPE = (16, 2, 45, 80)

COLUMNS = (
    Column("coder", "coder"),
    Column("task", "task"),
    Column("msymbols_per_s", "speed", "M symbols/s", 3),
    Column("over_torchac", "over torchac's", "", 2),
)

CONTEXT = Context(
    256,
    (26, 24, -12, 4, 26, 2, 2, 3, -3, 0, 0, 0, 0, 0),
    (16, 16, 4, 8, 16, 2, 2, 2, 0, 0, 0, 0, 0, 0),
)
"""As many neighbours, and about the weights, that fitted latents have."""


def _gaussian_values(count: int, seed: int) -> Int32:
    """Normal integers of the table's deviation, none so far out that it would be an escape; int32 [count]."""
    width = int(tables.gaussian().half_width[SCALE])
    normal = np.random.default_rng(seed).normal(0, 2 ** ((SCALE - 12) / 4), count)
    return np.clip(np.rint(normal), -width, width).astype(np.int32)


def _python_tasks(values: Int32) -> dict[str, Callable[[], object]]:
    scales = np.full(values.size, SCALE, np.int32)

    def encode() -> bytes:
        encoder = ArithmeticEncoder()
        low, high = models.gaussian_events(values, scales, 0)
        for event in zip(low.tolist(), high.tolist(), strict=True):
            encoder.encode(*event)
        return encoder.finish()

    data = encode()
    return {"python encode": encode, "python decode": lambda: models.gaussian_decode(data, scales, 0)}


def _native_tasks(pieces: list[Int32], coded: list[bytes]) -> dict[str, Callable[[], object]]:
    scales = native.PieceScales(np.array([SCALE], np.uint8), 1, 0)
    return {
        "native encode": lambda: [native.gaussian_encode(piece, scales, 0) for piece in pieces],
        "native decode": lambda: [native.gaussian_decode(data, PIECE_SYMBOLS, scales, 0) for data in coded],
    }


def _torchac_tasks(pieces: list[Int32], coded: list[bytes]) -> dict[str, Callable[[], object]]:
    torchac = torchac_coder.load()
    import torch

    rows = torch.from_numpy(torchac_coder.gaussian_rows(SCALE, PIECE_SYMBOLS))
    width = int(tables.gaussian().half_width[SCALE])
    symbols = [torch.from_numpy((piece + width).astype(np.int16)) for piece in pieces]
    return {
        "torchac encode": lambda: [torchac.encode_int16_normalized_cdf(rows, piece) for piece in symbols],
        "torchac decode": lambda: [torchac.decode_int16_normalized_cdf(rows, data) for data in coded],
    }


def _smooth_latent(seed: int) -> Int32:
    """Waves that drift in time, and noise of deviation 1.5: int32 [T, C, H, W], 8 bits."""
    rng = np.random.default_rng(seed)
    t, c, y, x = np.meshgrid(*map(np.arange, LATENT_SHAPE), indexing="ij")
    wave = np.sin(0.3 * y + 0.1 * t + 2 * c) + np.cos(0.2 * x - 0.15 * t)
    return np.rint(20 * wave + rng.normal(0, 1.5, LATENT_SHAPE)).astype(np.int32)


def _speeds(tasks: Mapping[str, Callable[[], object]], symbols: int, rounds: int) -> dict[str, float]:
    """Symbols per second of each task, by the fastest of some rounds in which the tasks take turns."""
    times = in_turns({name: timed(task) for name, task in tasks.items()}, rounds)
    return {name: symbols / seconds for name, seconds in best(times).items()}


def context_speeds(rounds: int = 5, seed: int = 0) -> dict[str, float]:
    """Symbols per second of the native context model on one latent, whose two pieces count as one task.

    Returns:
        By "context encode", "context decode" and "context cost", which is what a rate control asks for.

    Raises:
        UnsupportedError: without libnq.
    """
    values = _smooth_latent(seed)
    pieces = native.context_encode(values, 8, CONTEXT, PIECE_SYMBOLS)
    tasks: dict[str, Callable[[], object]] = {
        "context encode": lambda: native.context_encode(values, 8, CONTEXT, PIECE_SYMBOLS),
        "context decode": lambda: native.context_decode(pieces, values.shape, 8, CONTEXT, PIECE_SYMBOLS),
        "context cost": lambda: native.context_bits(values, 8, CONTEXT),
    }
    return _speeds(tasks, values.size, rounds)


def run(pieces: int = 16, rounds: int = 5, with_torchac: bool = True, seed: int = 0) -> Measurement:
    """The coders that this installation has, a row for each coder and direction.

    Args:
        pieces: of 65,536 symbols each; the Python coder takes 8,192 symbols once.
        rounds: of which the fastest counts.
        with_torchac: False leaves torchac alone, which may compile itself first.
        seed: of the symbols.
    """
    latent = "x".join(map(str, LATENT_SHAPE))
    note = (
        f"{pieces} pieces of {PIECE_SYMBOLS} symbols with scale index {SCALE} are coded on one thread, and the fastest "
        f"of {rounds} rounds counts. Preparing the rows of torchac's table is not counted. The context model codes a "
        f"latent of {latent} values by {sum(map(bool, CONTEXT.mean))} neighbours."
    )
    return Measurement("coder", "Speed of the entropy coders", COLUMNS, _rows(pieces, rounds, with_torchac, seed), note)


def _rows(pieces: int, rounds: int, with_torchac: bool, seed: int) -> Iterator[Cells]:
    """Raises UnsupportedError without libnq, or where torchac is asked for and missing."""
    count = pieces * PIECE_SYMBOLS
    split = np.split(_gaussian_values(count, seed), pieces)
    scales = native.PieceScales(np.array([SCALE], np.uint8), 1, 0)
    coded = [native.gaussian_encode(piece, scales, 0) for piece in split]
    tasks = _native_tasks(split, coded)
    if with_torchac:
        tasks.update(_torchac_tasks(split, coded))
    speeds = _speeds(_python_tasks(split[0][:PYTHON_SYMBOLS]), PYTHON_SYMBOLS, 1)
    speeds |= _speeds(tasks, count, rounds)
    for name, speed in {**speeds, **context_speeds(rounds, seed)}.items():
        coder, task = name.split()
        torchac = speeds.get(f"torchac {task}") if coder == "native" else None
        ratio = speed / torchac if torchac else None
        yield {"coder": coder, "task": task, "msymbols_per_s": speed / 1e6, "over_torchac": ratio}
