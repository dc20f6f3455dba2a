"""What each way of sharing out bits, of calibrating, and each kind of quantizer, is worth: on one fit of one clip.

PSNR is PSNR-YUV (6:1:1) of what the real decoder shows, or of the float network where nothing is decoded; sizes are the
bytes of coded segments.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path

import torch

from nqcodec.backbones import hnerv
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.bitstream.segment import pack_segment
from nqcodec.media.clip import ClipInput
from nqcodec.methods.post_training.criteria import Substitution
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.network.integer_network import IntegerNetwork, IntTensor
from nqcodec.quantization.quantizers import SEARCHES, QuantizerKind, UniformQuantizer, bits_needed
from nqcodec.quantization.rate import tensor_bits
from nqcodec.quantization.settings import ALLOCATIONS, CALIBRATIONS, QuantSettings
from nqcodec.quantization.transform import tensor_names
from nqcodec.synthesis.backends import open_synthesizer
from nqcodec.training.checkpoint import load_fit, save_fit
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.evaluation import evaluate
from nqcodec.training.losses import plane_errors, psnr
from nqcodec.training.network import FloatNetwork, Transform
from nqcodec.training.presets import preset_settings
from nqcodec.training.recipes import paper_recipe
from nqcodec.training.start import new_network
from nqcodec.training.train import fit

PARAMETERS, PRESET = 40_000, "fast"
SECTIONS = ("allocation", "quantizers", "calibration")

LEAST_RATIO = 0.99
"""Sizes that are compared differ by no more than a percent."""


@dataclass(frozen=True)
class Subject:
    """The fit that everything is compared on."""

    network: FloatNetwork
    clip: PackedClip

    @cached_property
    def exact(self) -> float:
        """PSNR-YUV of the float network in dB."""
        return evaluate(self.network, self.clip).yuv

    @staticmethod
    def of(
        clip_path: str,
        fit_path: Path | None,
        parameters: int,
        preset: str,
        threads: int,
        seed: int,
        recipe: str | None = None,
    ) -> Subject:
        """A fit of a clip: read from `fit_path` if that exists, else made, and then kept there; by a paper's recipe at
        its full length if there is one, else by the preset."""
        source = ClipInput(clip_path)
        video = source.describe()
        if fit_path is not None and fit_path.exists():
            network = load_fit(fit_path).network
            return Subject(network, pack(source.frames(), video, network.program))
        program = hnerv.build(video, video.frames, parameters)
        clip = pack(source.frames(), video, program)
        if recipe:
            settings = paper_recipe(recipe, video.frames, threads=threads, seed=seed)
        else:
            settings = preset_settings(preset, video.frames, threads=threads, seed=seed)
        network = new_network(program, video.frames, settings)
        fit(network, clip, settings)
        if fit_path is not None:
            save_fit(fit_path, video, network)
        return Subject(network, clip)

    @torch.no_grad()
    def float_psnr(self, transform: Transform) -> float:
        """dB of the float network run through `transform`."""
        times = torch.arange(self.clip.frames).split(1)
        errors = [plane_errors(self.network(t, transform), self.clip.batch(t), self.clip) for t in times]
        return self._level(torch.cat(errors))

    def decoded_psnr(self, coded: IntegerNetwork) -> float:
        """dB of what the decoder shows of an integer network."""
        video, times = self.clip.video, torch.arange(self.clip.frames)
        with open_synthesizer(coded, video, video.frames) as synthesizer:
            shown = pack(map(synthesizer.frame, range(video.frames)), video, coded.program)
        return self._level(plane_errors(shown.batch(times), self.clip.batch(times), self.clip))

    def _level(self, errors: torch.Tensor) -> float:
        return float((psnr(errors, self.clip.video.depth) @ self.clip.weights).mean())


COLUMNS = (
    Column("section", "compared"),
    Column("way", "way"),
    Column("bits", "asked for", "bits a parameter", 2),
    Column("iterations", "iterations of calibration"),
    Column("bytes", "size", "bytes"),
    Column("coded_bits", "coded", "bits a parameter", 2),
    Column("psnr", "PSNR-YUV", "dB", 2),
    Column("lost_db", "lost to the float network", "dB", 2),
    Column("seconds", "time", "s", 1),
)


def run(
    clip_path: str,
    *,
    sections: tuple[str, ...] = SECTIONS,
    fit_path: Path | None = None,
    parameters: int = PARAMETERS,
    preset: str = PRESET,
    recipe: str | None = None,
    bits: tuple[float, ...] = (3.0, 4.0),
    finetune_iterations: tuple[int, ...] = (400,),
    threads: int = 1,
    seed: int = 0,
) -> Measurement:
    """A row for each way of quantizing one fit of a clip.

    Args:
        sections: of `SECTIONS`, what to compare.
        fit_path: a saved fit to take, or where to keep the one that is made.
        parameters, preset, recipe: of the fit, where one is made; a recipe replaces the preset.
        bits: coded bits a parameter: each is one size for all allocations.
        finetune_iterations: of each calibration; allocations are compared after the first, beside rounding to nearest.
    """

    def rows() -> Iterator[Cells]:
        subject = Subject.of(clip_path, fit_path, parameters, preset, threads, seed, recipe)
        settings = QuantSettings(
            finetune_iterations=finetune_iterations[0], threads=threads, seed=seed, min_ratio=LEAST_RATIO
        )
        if "allocation" in sections:
            for each in bits:
                yield from compare_allocations(subject, each, settings)
        if "quantizers" in sections:
            yield from compare_quantizers(subject)
        if "calibration" in sections:
            for each in bits:
                yield from compare_calibrations(subject, each, finetune_iterations, settings)

    note = (
        f"One fit of {clip_path} is quantized in each way. PSNR-YUV is 6:1:1, of what the decoder shows; for the "
        "quantizers it is of the float network, whose every tensor is rounded to nearest at so many bits."
    )
    return Measurement("quantise", "Ways to quantize one fit", COLUMNS, rows(), note)


def compare_allocations(subject: Subject, bits: float, settings: QuantSettings) -> Iterator[Cells]:
    """Rows for each of `ALLOCATIONS` at the same size: rounded to nearest, and after the same fine-tune."""
    for allocation in ALLOCATIONS:
        for iterations in (0, settings.finetune_iterations):
            how = replace(settings, allocation=allocation, finetune_iterations=iterations)
            yield _quantized(subject, "allocation", allocation, bits, how)


def compare_calibrations(
    subject: Subject, bits: float, counts: tuple[int, ...], settings: QuantSettings
) -> Iterator[Cells]:
    """A row for each of `CALIBRATIONS` and count of iterations at the same size, and one rounded to nearest."""
    for name, iterations in [("rounded to nearest", 0), *product(CALIBRATIONS, counts)]:
        how = replace(
            settings, finetune_iterations=iterations, calibration=name if iterations else settings.calibration
        )
        yield _quantized(subject, "calibration", name, bits, how)


def _quantized(subject: Subject, section: str, way: str, bits: float, settings: QuantSettings) -> Cells:
    """A row: the time that it takes to quantize for a size, the bytes that come out, and what the decoder shows."""
    parameters = subject.network.program.parameters
    begin = time.monotonic()
    coded = quantize(
        subject.network,
        subject.clip,
        max_bytes=int(bits * parameters / 8),
        size_of=payload_bytes,
        settings=settings,
    )
    seconds, size, psnr = time.monotonic() - begin, payload_bytes(coded), subject.decoded_psnr(coded)
    return {
        "section": section,
        "way": way,
        "bits": bits,
        "iterations": settings.finetune_iterations,
        "bytes": size,
        "coded_bits": 8 * size / parameters,
        "psnr": psnr,
        "lost_db": subject.exact - psnr,
        "seconds": seconds,
    }


def compare_quantizers(subject: Subject, widths: tuple[int, ...] = (4, 5, 6)) -> Iterator[Cells]:
    """A row for each `QuantizerKind` and bit width, the same for every tensor: rounded to nearest, maps in floats."""
    for width, symmetric, per_channel, search in product(widths, (True, False), (False, True), SEARCHES):
        rounded, coded = round_to_nearest(subject.network, width, QuantizerKind(symmetric, per_channel, search))
        psnr = subject.float_psnr(rounded)
        zero, per = "symmetric" if symmetric else "asymmetric", "channel" if per_channel else "tensor"
        yield {
            "section": "quantizers",
            "way": f"{zero}, step sizes a {per} by {search}",
            "bits": width,
            "coded_bits": coded / subject.network.program.parameters,
            "psnr": psnr,
            "lost_db": subject.exact - psnr,
        }


def round_to_nearest(network: FloatNetwork, width: int, kind: QuantizerKind) -> tuple[Substitution, float]:
    """(a network's tensors, each rounded to nearest at `width` bits, the bits that they code to)."""
    values, bits = {}, 0.0
    for tensor in tensor_names(network.program):
        x = network.tensors[tensor.key].detach().double().numpy()
        quantizer = UniformQuantizer.of(x, tensor.name, width, kind)
        integers = quantizer.integers(x)
        values[tensor.key] = torch.from_numpy(quantizer.values(x)).float()
        bits += tensor_bits(IntTensor(integers, bits_needed(integers), quantizer.step_indices), tensor.name)
    return Substitution(values), bits


def payload_bytes(network: IntegerNetwork) -> int:
    """Bytes of a network's coded segment."""
    return len(pack_segment(network).payload)
