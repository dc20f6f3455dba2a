"""Context pruning: it removes the weights of a context model that cost more bytes than they save."""

from __future__ import annotations

from dataclasses import replace

from nqcodec.entropy.context import record_bytes
from nqcodec.entropy.tensors import TensorModel, model_bits
from nqcodec.network.integer_network import (
    CONTEXT_BASE_RANGE,
    CONTEXT_MEAN_RANGE,
    CONTEXT_SCALE_RANGE,
    Context,
    Int32,
    channel_axis,
)

CHANGES = (-3, 3, -1, 1)
"""Changes of a weight that are tried, in the file's units."""

BASE_CHANGES = (0.85, 1.2, 0.95, 1.05)
"""Factors of the base that are tried."""


def prune_context(values: Int32, bits: int, context: Context) -> Context:
    """`context` without weights that cost more bits than they save, the others adjusted to integers `values`.

    The adjustment is needed because the weights were fitted to noisy values, and were rounded for the file. Arguments
    as in `nqcodec.entropy.tensors.model_bits`; the cost is exact, and the weights' own bytes are included.
    """
    search = _Search(values, bits, context)
    order = sorted(range(len(context.mean)), key=lambda j: abs(context.mean[j]) + context.scale[j])
    for j in order:
        search.offer(_with(_with(search.best, "mean", j, 0), "scale", j, 0))
    for factor in BASE_CHANGES:
        search.offer(replace(search.best, base=clamp(search.best.base * factor, CONTEXT_BASE_RANGE)))
    for j in order:
        for name, bounds in (("mean", CONTEXT_MEAN_RANGE), ("scale", CONTEXT_SCALE_RANGE)):
            for change in CHANGES:
                weight = getattr(search.best, name)[j]
                if weight or name == "mean":
                    search.offer(_with(search.best, name, j, clamp(weight + change, bounds)))
    return search.best


class _Search:
    """Keeps the context of least cost of those offered; of equal ones the later."""

    def __init__(self, values: Int32, bits: int, context: Context):
        self._values, self._bits = values, bits
        self.best, self._least = context, self._cost(context)

    def offer(self, context: Context) -> None:
        """Keep `context` if it costs no more than the best one so far."""
        if context != self.best and (cost := self._cost(context)) <= self._least:
            self.best, self._least = context, cost

    def _cost(self, context: Context) -> float:
        model = TensorModel(False, context=context)
        return model_bits(self._values, self._bits, model, channel_axis("latent")) + 8 * record_bytes(context)


def _with(context: Context, name: str, place: int, weight: int) -> Context:
    weights: tuple[int, ...] = getattr(context, name)
    changed = (*weights[:place], weight, *weights[place + 1 :])
    return replace(context, mean=changed) if name == "mean" else replace(context, scale=changed)


def clamp(value: float, bounds: tuple[int, int]) -> int:
    """The integer nearest to `value` within `bounds`."""
    return min(max(round(value), bounds[0]), bounds[1])
