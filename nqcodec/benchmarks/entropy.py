"""Symbols per second of the three coders on one static table, and of ours in context, in one run on one thread.

Times are the best of several rounds in which the coders take turns. Only coding is counted: torchac's table of a row
for every symbol, and its symbol tensor, are made beforehand, and one table serves all pieces. The other coders start
from int32 values and the table of the specification.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

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


def _best_seconds(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


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
    return {name: values.size / seconds for name, seconds in _best_seconds(tasks, rounds).items()}


def run(pieces: int = 16, rounds: int = 5, with_torchac: bool = True, seed: int = 0) -> dict[str, Any]:
    """Measure the coders that this installation has.

    Args:
        pieces: of 65,536 symbols each; the Python coder takes 8,192 symbols once.
        rounds: of which the fastest counts.
        with_torchac: False leaves torchac alone, which may compile itself first.
        seed: of the symbols.

    Returns:
        A dictionary for JSON: `symbols_per_second` by "coder direction" and as `context_speeds` names them, `ratio` of
        native to torchac by direction where both ran, `bits_per_symbol`, and how it was measured.

    Raises:
        UnsupportedError: without libnq, or where torchac is asked for and missing.
    """
    count = pieces * PIECE_SYMBOLS
    split = np.split(_gaussian_values(count, seed), pieces)
    scales = native.PieceScales(np.array([SCALE], np.uint8), 1, 0)
    coded = [native.gaussian_encode(piece, scales, 0) for piece in split]
    seconds = _best_seconds(_python_tasks(split[0][:PYTHON_SYMBOLS]), 1)
    speeds = {name: PYTHON_SYMBOLS / time_taken for name, time_taken in seconds.items()}
    tasks = _native_tasks(split, coded)
    if with_torchac:
        tasks.update(_torchac_tasks(split, coded))
    speeds.update({name: count / time_taken for name, time_taken in _best_seconds(tasks, rounds).items()})
    speeds.update(context_speeds(rounds, seed))
    directions = ("encode", "decode") if with_torchac else ()
    return {
        "symbols_per_second": {name: round(speed) for name, speed in speeds.items()},
        "ratio": {d: round(speeds[f"native {d}"] / speeds[f"torchac {d}"], 2) for d in directions},
        "bits_per_symbol": round(8 * sum(map(len, coded)) / count, 4),
        "method": (
            f"{pieces} pieces of {PIECE_SYMBOLS} symbols, scale index {SCALE}, one thread, fastest of {rounds} rounds; "
            "torchac's rows prepared beforehand and not counted; in context a latent of "
            f"{'x'.join(map(str, LATENT_SHAPE))} values by {sum(map(bool, CONTEXT.mean))} neighbours"
        ),
    }
