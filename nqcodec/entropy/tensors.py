"""Integer tensors to pieces and back, and the model that codes each best (formats/nq.md, 3 and 4).

`axis` is the channel axis: 0 for weights and biases, 1 for latents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nqcodec.entropy import context as contexts
from nqcodec.entropy import costs, models, native, torchac_coder
from nqcodec.entropy.coder import ArithmeticEncoder
from nqcodec.entropy.models import ADAPTIVE_MAX_BITS, MAX_SCALE, Events, Int32
from nqcodec.network.integer_network import Context

IntArray = npt.NDArray[np.integer]

PIECE_SYMBOLS = 1 << 16
"""Values of a piece (formats/nq.md, 3.1)."""

SMALL_VALUES = 4096
"""Most values of a tensor that the common sequence holds (formats/nq.md, 3.1)."""

CODERS = ("native", "python", "torchac")
BACKENDS = ("native", "python")

CHANNEL_VALUES = 8
"""Least values of a channel for which a scale of its own can save bits."""

RECORD_BYTES, PIECE_BYTES = 3, 3
"""Bytes of a record's bits, flags and step index, and of a piece's length field and rounding, for estimates."""

SHORT_PIECE_BITS = 12
"""Bits of the length field and the rounding of a piece of a few values."""


@dataclass(frozen=True, eq=False)
class TensorModel:
    """How a tensor's values are coded.

    Attributes:
        adaptive: whether the adaptive model codes the tensor; the other fields then mean nothing.
        offset: m of the Gaussian model.
        scale: base scale index, 0..63; the scale index of all values if `scales` is None.
        scales: int32 [channels], absolute scale index of each channel, or None.
        scale_scale: Gaussian scale index of the list that transmits scales - scale.
        context: weights of the context model if that codes the tensor; the other fields then mean nothing.
    """

    adaptive: bool
    offset: int = 0
    scale: int = 0
    scales: Int32 | None = None
    scale_scale: int = 0
    context: Context | None = None


def default_coder() -> str:
    """The fastest coder that this installation has without asking for torchac."""
    return "native" if native.available() else "python"


@dataclass(frozen=True)
class _Layout:
    """The pieces of a tensor and the scale index of each of its values."""

    count: int
    scales: npt.NDArray[np.uint8]
    inner: int

    @staticmethod
    def of(shape: tuple[int, ...], bits: int, model: TensorModel, axis: int) -> _Layout:
        """Check the model against the tensor; raises ValueError."""
        scales = np.array([model.scale]) if model.scales is None else np.asarray(model.scales)
        if model.context is not None:
            contexts.check(shape, bits, model.context)
        elif model.adaptive:
            if not 2 <= bits <= ADAPTIVE_MAX_BITS:
                raise ValueError(f"the adaptive model codes 2 to {ADAPTIVE_MAX_BITS} bits, not {bits}")
        elif scales.size not in (1, shape[axis]):
            raise ValueError(f"{scales.size} scales for {shape[axis]} channels")
        elif int(scales.min()) < 0 or int(scales.max()) > MAX_SCALE:
            raise ValueError(f"a scale index is outside 0..{MAX_SCALE}")
        inner = math.prod(shape[axis + 1 :])
        return _Layout(math.prod(shape), np.ascontiguousarray(scales, np.uint8), inner)

    def starts(self) -> range:
        return range(0, self.count, PIECE_SYMBOLS)

    def size(self, start: int) -> int:
        return min(PIECE_SYMBOLS, self.count - start)

    def piece(self, start: int) -> native.PieceScales:
        return native.PieceScales(self.scales, self.inner, start)

    def value_scales(self, start: int) -> Int32:
        """Scale index of each value of the piece at `start`, int32 [size]."""
        position = np.arange(start, start + self.size(start))
        return self.scales[position // self.inner % self.scales.size].astype(np.int32)


def _check_bits(values: IntArray, bits: int) -> None:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if values.size and (int(values.min()) < low or int(values.max()) > high):
        raise ValueError(f"a value is outside {bits} bits ({low}..{high})")


def encode_with_python(events: Events) -> bytes:
    encoder = ArithmeticEncoder()
    for low, high in zip(events[0].tolist(), events[1].tolist(), strict=True):
        encoder.encode(low, high)
    return encoder.finish()


def _native_piece(values: Int32, bits: int, model: TensorModel, layout: _Layout, start: int) -> bytes:
    if model.adaptive:
        return native.adaptive_encode(values, bits)
    return native.gaussian_encode(values, layout.piece(start), model.offset)


def _piece_events(values: Int32, bits: int, model: TensorModel, layout: _Layout, start: int) -> Events:
    if model.adaptive:
        return models.adaptive_events(values, bits)
    return models.gaussian_events(values, layout.value_scales(start), model.offset)


def _encode_in_context(values: IntArray, bits: int, context: Context, layout: _Layout, coder: str) -> list[bytes]:
    if coder == "native":
        return native.context_encode(np.ascontiguousarray(values, np.int32), bits, context, PIECE_SYMBOLS)
    points = contexts.points(values, bits, context)
    code = encode_with_python if coder == "python" else torchac_coder.encode_events
    return [code(points.events(start, start + PIECE_SYMBOLS)) for start in layout.starts()]


def encode_values(values: IntArray, bits: int, model: TensorModel, axis: int, coder: str | None = None) -> list[bytes]:
    """The tensor's pieces, 65,536 values each in array order. Every coder gives the same bytes.

    Args:
        values: integers of any shape.
        bits: width that they fit.
        model: from `choose_model`.
        axis: channel axis.
        coder: one of CODERS; None for the default.

    Raises:
        ValueError: for values outside `bits` or a model that does not fit the tensor.
        UnsupportedError: for a coder that this installation lacks.
    """
    coder = coder or default_coder()
    if coder not in CODERS:
        raise ValueError(f"coder {coder} is none of {', '.join(CODERS)}")
    layout = _Layout.of(values.shape, bits, model, axis)
    _check_bits(values, bits)
    if model.context is not None:
        return _encode_in_context(values, bits, model.context, layout, coder)
    flat = np.ascontiguousarray(values, np.int32).ravel()
    pieces = []
    for start in layout.starts():
        piece = flat[start : start + PIECE_SYMBOLS]
        if coder == "native":
            pieces.append(_native_piece(piece, bits, model, layout, start))
        elif coder == "python":
            pieces.append(encode_with_python(_piece_events(piece, bits, model, layout, start)))
        else:
            pieces.append(torchac_coder.encode_events(_piece_events(piece, bits, model, layout, start)))
    return pieces


@dataclass(frozen=True, eq=False)
class CodedValues:
    """A tensor's pieces and what they decode by.

    Attributes:
        pieces: of 65,536 values each, the last shorter.
        shape: of the tensor.
        bits: width of its values.
        model: that they are coded by.
        layout: where the pieces lie.
    """

    pieces: list[bytes]
    shape: tuple[int, ...]
    bits: int
    model: TensorModel
    layout: _Layout

    @staticmethod
    def of(pieces: Sequence[bytes], shape: tuple[int, ...], bits: int, model: TensorModel, axis: int) -> CodedValues:
        """Check model and number of pieces against the tensor; raises ValueError."""
        layout = _Layout.of(shape, bits, model, axis)
        if len(pieces) != len(layout.starts()):
            raise ValueError(f"{len(pieces)} pieces instead of {len(layout.starts())}")
        return CodedValues(list(pieces), shape, bits, model, layout)

    def parts(self, values: Int32) -> list[tuple[int, native.Part]]:
        """(number of its first piece, part) of what libnq decodes by itself, into `values`."""
        if self.model.context is not None:
            context, piece = self.model.context, PIECE_SYMBOLS
            return [(0, native.Part(self.pieces, values, self.bits, native.IN_CONTEXT, context=context, piece=piece))]
        flat, found = values.reshape(-1), []
        together = 2 if self.model.adaptive else 1
        for number in range(0, len(self.pieces), together):
            start, pieces = number * PIECE_SYMBOLS, self.pieces[number : number + together]
            target = flat[start : start + together * PIECE_SYMBOLS]
            if self.model.adaptive:
                part = native.Part(pieces, target, self.bits, native.ADAPTIVE, piece=PIECE_SYMBOLS)
            else:
                scales, offset = self.layout.piece(start), self.model.offset
                part = native.Part(pieces, target, self.bits, native.GAUSSIAN, scales, offset)
            found.append((number, part))
        return found

    def decode_with_python(self) -> Int32:
        """The tensor; raises ValueError for a damaged piece."""
        if self.model.context is not None:
            return contexts.decode(self.pieces, self.shape, self.bits, self.model.context, PIECE_SYMBOLS)
        flat = np.empty(self.layout.count, np.int32)
        for number, start in enumerate(self.layout.starts()):
            target = flat[start : start + PIECE_SYMBOLS]
            try:
                if self.model.adaptive:
                    target[:] = models.adaptive_decode(self.pieces[number], target.size, self.bits)
                else:
                    scales = self.layout.value_scales(start)
                    target[:] = models.gaussian_decode(self.pieces[number], scales, self.model.offset)
                _check_bits(target, self.bits)
            except ValueError as error:
                raise ValueError(f"piece {number} of {len(self.pieces)}: {error}") from error
        return flat.reshape(self.shape)


def decode_all(
    tensors: Sequence[CodedValues], backend: str | None = None, threads: int = 1
) -> list[Int32 | ValueError]:
    """Tensors, int32 of their shapes, up to the first that is damaged, whose place has the error.

    Pieces, and latents in context, are decoded beside one another by libnq; results and errors do not depend on
    `threads`.

    Raises:
        MemoryError: where the system has none.
        UnsupportedError: for the native backend without libnq.
    """
    backend = backend or default_coder()
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend} is none of {', '.join(BACKENDS)}")
    return _all_with_python(tensors) if backend == "python" else _all_with_libnq(tensors, threads)


def _all_with_python(tensors: Sequence[CodedValues]) -> list[Int32 | ValueError]:
    found: list[Int32 | ValueError] = []
    for tensor in tensors:
        try:
            found.append(tensor.decode_with_python())
        except ValueError as error:
            return [*found, error]
    return found


def _all_with_libnq(tensors: Sequence[CodedValues], threads: int) -> list[Int32 | ValueError]:
    values = [np.empty(tensor.shape, np.int32) for tensor in tensors]
    parts = [
        (place, first, part) for place, tensor in enumerate(tensors) for first, part in tensor.parts(values[place])
    ]
    results = native.decode_parts([part for _, _, part in parts], threads)
    for (place, first, _), (status, failed) in zip(parts, results, strict=True):
        if status:
            tensor = tensors[place]
            text = native.status_text(status, tensor.bits)
            return [*values[:place], ValueError(f"piece {first + failed} of {len(tensor.pieces)}: {text}")]
    return list(values)


def _best_gaussian(values: IntArray, axis: int) -> tuple[TensorModel, float]:
    """The best Gaussian model and its bits: values, scale list, and what its record has beyond an adaptive one's."""
    channels = values.shape[axis]
    worth = channels > 1 and values.size // channels >= CHANNEL_VALUES
    histogram = costs.Histogram.of(values, axis if worth else None)
    tried = [(costs.best_scale(by_scale := histogram.bits_by_scale(m)), m, by_scale) for m in histogram.offsets()]
    (scale, bits), offset, by_scale = min(tried, key=lambda trial: trial[0][1])
    record_bits = 8 * (2 if -64 <= offset < 64 else 3)
    model = TensorModel(False, offset, scale)
    if worth:
        scales, base, list_scale, channel_bits = costs.best_channel_scales(by_scale)
        channel_bits += 8 + _own_piece_bits(values)  # the list's scale index
        if channel_bits < bits:
            model, bits = TensorModel(False, offset, base, scales, list_scale), channel_bits
    return model, bits + record_bits


def _own_piece_bits(values: IntArray) -> float:
    """Bits that pieces of its own cost a tensor which could be in the common sequence."""
    return SHORT_PIECE_BITS if values.size <= SMALL_VALUES else 0


def _context_model(values: IntArray, bits: int, context: Context) -> tuple[TensorModel, float]:
    """The context model and its bits: values, and what its record has beyond an adaptive one's."""
    model = TensorModel(False, context=context)
    own = _own_piece_bits(values)
    return model, model_bits(values, bits, model, 1) + 8 * contexts.record_bytes(context) + own


def choose_model(values: IntArray, bits: int, axis: int, context: Context | None = None) -> TensorModel:
    """The model of fewest bits, side information included.

    It is Gaussian with one scale, Gaussian with one a channel, adaptive, or the context model of `context`. Costs are
    exact cross-entropies under the integer tables; the coder stays within a few bits of them.

    Args:
        values: integers of any shape; of a latent [T, C, H, W].
        bits: width that they fit.
        axis: channel axis.
        context: weights of the context model for a latent, None where it has none.

    Raises:
        ValueError: for values outside `bits` or a context that does not fit the tensor.
    """
    best = _best_gaussian(values, axis)
    if bits <= ADAPTIVE_MAX_BITS:
        adaptive = TensorModel(True)
        adaptive_bits = model_bits(values, bits, adaptive, axis) + _own_piece_bits(values)
        best = min(best, (adaptive, adaptive_bits), key=_bits)
    if context is not None:
        best = min(best, _context_model(values, bits, context), key=_bits)
    return best[0]


def _bits(candidate: tuple[TensorModel, float]) -> float:
    return candidate[1]


def model_bits(values: IntArray, bits: int, model: TensorModel, axis: int) -> float:
    """Cross-entropy in bits of a tensor's values under a model, without side lists; exact for the integer tables.

    Raises:
        ValueError: for values outside `bits` or a model that does not fit the tensor.
    """
    layout = _Layout.of(values.shape, bits, model, axis)
    _check_bits(values, bits)
    if model.context is not None:
        if native.available():
            return native.context_bits(np.ascontiguousarray(values, np.int32), bits, model.context)
        return costs.event_bits(contexts.points(values, bits, model.context).events(0, values.size))
    if model.adaptive:
        flat = np.ascontiguousarray(values, np.int32).ravel()
        return sum(costs.adaptive_bits(flat[start : start + PIECE_SYMBOLS], bits) for start in layout.starts())
    histogram = costs.Histogram.of(values, axis if layout.scales.size > 1 else None)
    by_scale = histogram.bits_by_scale(model.offset)
    return float(by_scale[np.arange(layout.scales.size), layout.scales].sum())


def estimate_bits(values: IntArray, bits: int, axis: int, context: Context | None = None) -> float:
    """Estimated bits of a tensor in a file: values, side information, record and piece lengths.

    The adaptive model is not run. Its estimate is the order-0 entropy and bits for learning each distinct value, as
    measured on stationary data; tensors whose statistics drift can take less. The context model's bits are exact.

    Raises:
        ValueError: for a context that does not fit the tensor.
    """
    smallest = _best_gaussian(values, axis)[1]
    pieces = -(-values.size // PIECE_SYMBOLS)
    if bits <= ADAPTIVE_MAX_BITS:
        length = values.size / pieces
        learning = np.unique(values).size * pieces * (0.5 * math.log2(length + 1) + 1.6e-4 * length)
        smallest = min(smallest, costs.empirical_bits(values) + learning + _own_piece_bits(values))
    if context is not None:
        smallest = min(smallest, _context_model(values, bits, context)[1])
    return smallest + 8 * (RECORD_BYTES + (PIECE_BYTES * pieces if values.size > SMALL_VALUES else 0))
