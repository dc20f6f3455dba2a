"""One tensor's coded pieces back to its values, for tests; the product decodes the tensors of a segment at once."""

from __future__ import annotations

from collections.abc import Sequence

from nqcodec.entropy.tensors import CodedValues, TensorModel, decode_all
from nqcodec.network.integer_network import Int32


def decode_values(
    pieces: Sequence[bytes],
    shape: tuple[int, ...],
    bits: int,
    model: TensorModel,
    axis: int,
    backend: str | None = None,
    threads: int = 1,
) -> Int32:
    """The tensor, int32 of `shape`; raises ValueError for damaged pieces or a model that does not fit the tensor."""
    (found,) = decode_all([CodedValues.of(pieces, shape, bits, model, axis)], backend, threads)
    if isinstance(found, ValueError):
        raise found
    return found
