"""Side lists, of a tensor's step and scale indices: one piece each of the Gaussian model (formats/nq.md, 4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nqcodec.entropy import costs, models, native
from nqcodec.entropy.models import Int32
from nqcodec.entropy.tensors import encode_with_python

IntArray = npt.NDArray[np.integer]


def code_list(values: IntArray, scale: int | None = None) -> tuple[int, bytes]:
    """A side list as one piece of the Gaussian model with offset 0.

    Args:
        values: integers [n].
        scale: scale index; None for the one that codes the list in fewest bits.

    Returns:
        (scale index, piece).
    """
    if scale is None:
        scale = costs.best_scale(costs.Histogram.of(values, None).bits_by_scale(0))[0]
    flat = np.ascontiguousarray(values, np.int32).ravel()
    if native.available():
        return scale, native.gaussian_encode(flat, native.PieceScales(np.array([scale], np.uint8), 1, 0), 0)
    return scale, encode_with_python(models.gaussian_events(flat, np.full(flat.size, scale, np.int32), 0))


def decode_list(data: bytes, count: int, scale: int) -> Int32:
    """The `count` entries of a side list, int32 [count]; raises ValueError for a damaged piece."""
    if native.available():
        return native.gaussian_decode(data, count, native.PieceScales(np.array([scale], np.uint8), 1, 0), 0)
    return models.gaussian_decode(data, np.full(count, scale, np.int32), 0)
