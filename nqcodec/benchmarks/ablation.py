"""What each ingredient of quantisation is worth, against NeuroQuant's method: one fit, one table.

PSNR is PSNR-YUV (6:1:1): of what the real decoder shows for rows that are files, of floats for the others. Bytes are
those of coded segments, or fixed bits times values with all quantizers. Each row says how many bytes the full method
needs for the same PSNR, read off its own rate curve; so rows of different sizes compare.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, product

import numpy as np

from nqcodec.benchmarks.ablation_subject import FitChoice, Subject
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.bitstream.segment import payload_size
from nqcodec.methods.post_training.neuroquant import RECORD_BITS, NeuroQuantSettings, neuroquant
from nqcodec.methods.post_training.pipeline import calibrated, quantize
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.quantization.export import export
from nqcodec.quantization.quantizers import covering_step_index
from nqcodec.quantization.rate import total_bits
from nqcodec.quantization.settings import QuantSettings
from nqcodec.quantization.transform import QuantTransform, tensor_names
from nqcodec.training.compute import compute_settings

CURVE = (1.6, 2.4, 3.2, 4.0, 4.8, 5.6)
"""Coded bits a parameter at which the full method's rate curve is taken."""

EXTRA_BITS = (0, -1)
"""Bits added to NeuroQuant's widths: its own setting, and one that is smaller."""

UNIFORM_BITS = 5
"""Bit width of every tensor where nothing is allocated."""

VARIANTS: dict[str, tuple[str, float]] = {
    "rounding learned by layer": ("layer", 0.0),
    "rounding learned by layer, mixed inputs": ("layer", 0.5),
    "rounding learned by block": ("block", 0.0),
    "rounding learned network-wise": ("adaround", 0.0),
    "fine-tuned straight-through": ("tune", 0.0),
    "fine-tuned, then rounding learned": ("tune-adaround", 0.0),
}
"""Calibrations that are compared without the rate term, by row, each with its `input_mix`."""


@dataclass(frozen=True)
class Point:
    """One way to quantise: its bytes and its PSNR in dB; `file` says whether a decoder can show it."""

    name: str
    size: int
    psnr: float
    file: bool


COLUMNS = (
    Column("name", "way"),
    Column("bytes", "size", "bytes"),
    Column("psnr", "PSNR-YUV", "dB", 2),
    Column("lost_db", "lost", "dB", 2),
    Column("full_bytes", "full method", "bytes", 0),
    Column("saved_percent", "saved", "%", 0),
    Column("saved_at_least_percent", "saved, at least", "%", 0),
    Column("file", "is a file"),
)


def run(
    clip_path: str,
    choice: FitChoice,
    *,
    bits: float = 4.0,
    iterations: int = 800,
) -> Measurement:
    """A row for each way, and for each point of the full method's rate curve.

    A row has bytes, PSNR, dB lost to the float network, the bytes that the full method needs for the same PSNR (none
    beyond its curve), what it then saves, and what it saves at least, where all of its curve is better (none where
    none of it is as good).

    Args:
        choice: which fit of the clip; its seed and threads are those of every calibration, too.
        bits: coded bits a parameter that ingredients are compared at.
        iterations: of every calibration, NeuroQuant's too.
    """

    def rows() -> Iterator[Cells]:
        subject = Subject.of(clip_path, choice)
        settings = QuantSettings(finetune_iterations=iterations, threads=choice.threads, seed=choice.seed)
        # Float32, one thread count: what is compared differs in nothing else.
        how = replace(choice.preset_settings(subject.clip.frames), dtype="float32")
        with compute_settings(subject.network, how):
            exact = subject.exact
            curve = [_full(subject, settings, each) for each in CURVE]
            ways = chain(_baselines(subject, settings), _ingredients(subject, settings, bits), curve)
            yield from (_row(point, exact, curve) for point in ways)

    note = (
        f"One fit of {clip_path} is quantized in each way, with {iterations} iterations of every calibration. "
        "PSNR-YUV is 6:1:1, of what the decoder shows for what is a file and of the float network for the rest. "
        "The full method's bytes are those that it needs for the same PSNR, read off its own rate curve."
    )
    return Measurement("ablation", "What each ingredient of quantization is worth", COLUMNS, rows(), note)


def _row(point: Point, exact: float, curve: list[Point]) -> Cells:
    full, least = bytes_at(point.psnr, curve), least_saving(point, curve)
    return {
        "name": point.name,
        "bytes": point.size,
        "psnr": point.psnr,
        "lost_db": exact - point.psnr,
        "full_bytes": full,
        "saved_percent": None if full is None else 100 * (1 - full / point.size),
        "saved_at_least_percent": None if least is None else 100 * least,
        "file": point.file,
    }


def bytes_at(psnr: float, curve: list[Point]) -> float | None:
    """Bytes of a rate curve at a PSNR, log-linear between its rows; None outside them."""
    psnrs = [point.psnr for point in curve]
    if not psnrs[0] <= psnr <= psnrs[-1]:
        return None
    return math.exp(float(np.interp(psnr, psnrs, np.log([point.size for point in curve]))))


def least_saving(point: Point, curve: list[Point]) -> float | None:
    """Part of a point's bytes that the full method saves, at least, at no lower a PSNR; None if it never gets there."""
    as_good = [each.size for each in curve if each.psnr >= point.psnr]
    size = bytes_at(point.psnr, curve) or min(as_good, default=None)
    return None if size is None else 1 - size / point.size


def _full(subject: Subject, settings: QuantSettings, bits: float) -> Point:
    """The whole method, with the exact size met."""
    size = int(bits * subject.network.program.parameters / 8)
    coded = quantize(subject.network, subject.clip, max_bytes=size, size_of=payload_size, settings=settings)
    return _file(subject, f"full method at {bits:g} bits", coded)


def _file(subject: Subject, name: str, coded: IntegerNetwork) -> Point:
    return Point(name, payload_size(coded), subject.decoded_psnr(coded), True)


def _baselines(subject: Subject, settings: QuantSettings) -> Iterator[Point]:
    for turned, extra in product((False, True), EXTRA_BITS):
        how = NeuroQuantSettings(extra, turned, settings.finetune_iterations, settings.batch, settings.seed)
        result = neuroquant(subject.network, subject.clip, how)
        label = f"NeuroQuant{', padded Hadamard' if turned else ''}, {result.nominal:.2f} bits"
        yield Point(f"{label}: rounded to nearest", result.size, result.rounded, False)
        yield Point(f"{label}: as published", result.size, result.calibrated, False)
        yield Point(f"{label}: all hardened", result.size, result.hardened, False)


def _ingredients(subject: Subject, settings: QuantSettings, bits: float) -> Iterator[Point]:
    """One more ingredient from row to row; calibrations beside one another."""
    yield from _uniform(subject)
    size = int(bits * subject.network.program.parameters / 8)
    yield _unsearched(subject, "allocated", size, replace(settings, finetune_iterations=0))
    for name, (calibration, input_mix) in VARIANTS.items():
        how = replace(settings, rate_term=False, calibration=calibration, input_mix=input_mix)
        yield _unsearched(subject, name, size, how)
    yield _unsearched(subject, "fine-tuned, rounding learned, rate term", size, settings)
    yield _unsearched(subject, "and unpadded Hadamard where it helps", size, replace(settings, hadamard="auto"))


def _uniform(subject: Subject) -> Iterator[Point]:
    """Every tensor at `UNIFORM_BITS`, step sizes by the range: fixed bits, and the same integers entropy coded."""
    network = subject.network
    transform = QuantTransform({}, {})
    names = list(tensor_names(network.program))
    for tensor in names:
        step_index = covering_step_index(network.tensors[tensor.key].detach().cpu().numpy(), UNIFORM_BITS)
        transform.set_tensor(tensor.key, np.array([step_index], np.int32), UNIFORM_BITS, subject.clip.device)
    psnr = subject.float_psnr(transform)
    fixed = UNIFORM_BITS * network.program.parameters + RECORD_BITS * len(names)
    yield Point("rounded to nearest, uniform widths", -(-fixed // 8), psnr, False)
    integers = transform.integers(network)
    coded = total_bits((tensor.name, integers[tensor.key]) for tensor in names)
    yield Point("entropy coded", math.ceil(coded / 8), psnr, False)


def _unsearched(subject: Subject, name: str, size: int, settings: QuantSettings) -> Point:
    """What calibration makes for about `size` bytes, at the size that it has by itself: a size search would blur it."""
    tuning, _ = calibrated(subject.network, subject.clip, size, payload_size, settings)
    return _file(subject, name, export(tuning.network, tuning.transform))
