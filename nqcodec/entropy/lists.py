"""The common sequence of a segment: side lists and small tensors under the Gaussian model (formats/nq.md, 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nqcodec.entropy import costs, models, native, torchac_coder
from nqcodec.entropy.models import Int32
from nqcodec.entropy.tensors import PIECE_SYMBOLS, default_coder, encode_with_python

IntArray = npt.NDArray[np.integer]
UInt8 = npt.NDArray[np.uint8]


def list_scale(values: IntArray) -> int:
    """The scale index that codes a side list, integers [n], in fewest bits."""
    return _best_scale(values)[0]


def list_bits(values: IntArray) -> float:
    """Bits of a side list, integers [n], at that scale index."""
    return _best_scale(values)[1]


def _best_scale(values: IntArray) -> tuple[int, float]:
    return costs.best_scale(costs.Histogram.of(values, None).bits_by_scale(0))


def code_sequence(values: Int32, scales: UInt8, coder: str | None = None) -> list[bytes]:
    """The pieces of a common sequence. Every coder gives the same bytes.

    Args:
        values: int32 [n], each less its offset.
        scales: uint8 [n], scale index of each.
        coder: native, python or torchac; None for the fastest present.

    Raises:
        ValueError: for a value too large to be coded.
        UnsupportedError: for a coder that this installation lacks.
    """
    coder, pieces = coder or default_coder(), []
    for start in range(0, values.size, PIECE_SYMBOLS):
        part = np.ascontiguousarray(values[start : start + PIECE_SYMBOLS], np.int32)
        by_value = np.ascontiguousarray(scales[start : start + PIECE_SYMBOLS], np.uint8)
        if coder == "native":
            pieces.append(native.gaussian_encode(part, native.PieceScales(by_value, 1, 0), 0))
            continue
        events = models.gaussian_events(part, by_value.astype(np.int32), 0)
        pieces.append(encode_with_python(events) if coder == "python" else torchac_coder.encode_events(events))
    return pieces


def decode_sequence(pieces: Sequence[bytes], scales: UInt8) -> Int32:
    """A common sequence, int32 [n], each value less its offset, for uint8 scale indices [n].

    Raises:
        ValueError: for a damaged piece.
    """
    values = np.empty(scales.size, np.int32)
    for number, piece in enumerate(pieces):
        part = slice(number * PIECE_SYMBOLS, (number + 1) * PIECE_SYMBOLS)
        by_value = np.ascontiguousarray(scales[part])
        try:
            if native.available():
                where = native.PieceScales(by_value, 1, 0)
                values[part] = native.gaussian_decode(piece, by_value.size, where, 0)
            else:
                values[part] = models.gaussian_decode(piece, by_value.astype(np.int32), 0)
        except ValueError as error:
            raise ValueError(f"piece {number} of {len(pieces)}: {error}") from error
    return values
