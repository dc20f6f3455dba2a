"""What each way of sharing out bits, of calibrating, and each kind of quantizer, is worth: on one fit of one clip.

PSNR is PSNR-YUV (6:1:1) of what the real decoder shows, or of the float network where nothing is decoded; sizes are the
bytes of coded segments.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

from nqcodec.backbones import hnerv
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
    seconds: float

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
        begin = time.monotonic()
        if fit_path is not None and fit_path.exists():
            network = load_fit(fit_path).network
            return Subject(network, pack(source.frames(), video, network.program), 0.0)
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
        return Subject(network, clip, time.monotonic() - begin)

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


def run(
    clip_path: str,
    *,
    sections: tuple[str, ...] = SECTIONS,
    fit_path: Path | None = None,
    parameters: int = PARAMETERS,
    preset: str = PRESET,
    recipe: str | None = None,
    bits: tuple[float, ...] = (3.0, 4.0),
    finetune_steps: tuple[int, ...] = (400,),
    threads: int = 1,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare on one fit of a clip; figures are plain data.

    Args:
        sections: of `SECTIONS`, what to compare.
        fit_path: a saved fit to take, or where to keep the one that is made.
        parameters, preset, recipe: of the fit, where one is made; a recipe replaces the preset.
        bits: coded bits a parameter: each is one size for all allocations.
        finetune_steps: of each calibration; allocations are compared after the first, beside rounding to nearest.
    """
    subject = Subject.of(clip_path, fit_path, parameters, preset, threads, seed, recipe)
    settings = QuantSettings(finetune_steps=finetune_steps[0], threads=threads, seed=seed, min_ratio=LEAST_RATIO)
    result: dict[str, Any] = {
        "clip": clip_path,
        "parameters": subject.network.program.parameters,
        "float_psnr": evaluate(subject.network, subject.clip).yuv,
        "fit_seconds": subject.seconds,
    }
    if "allocation" in sections:
        result["allocation"] = [row for each in bits for row in compare_allocations(subject, each, settings)]
    if "quantizers" in sections:
        result["quantizers"] = list(compare_quantizers(subject))
    if "calibration" in sections:
        result["calibration"] = [
            row for each in bits for row in compare_calibrations(subject, each, finetune_steps, settings)
        ]
    return result


def compare_allocations(subject: Subject, bits: float, settings: QuantSettings) -> Iterator[dict[str, Any]]:
    """A row for each of `ALLOCATIONS` at the same size: rounded to nearest, and after the same fine-tune."""
    size = int(bits * subject.network.program.parameters / 8)
    for allocation in ALLOCATIONS:
        row: dict[str, Any] = {"bits": bits, "allocation": allocation}
        for label, steps in (("rounded", 0), ("tuned", settings.finetune_steps)):
            how = replace(settings, allocation=allocation, finetune_steps=steps)
            row |= {f"{label}_{name}": value for name, value in _quantised(subject, size, how).items()}
        yield row


def compare_calibrations(
    subject: Subject, bits: float, counts: tuple[int, ...], settings: QuantSettings
) -> Iterator[dict[str, Any]]:
    """A row for each of `CALIBRATIONS` and count of steps at the same size, and one that is rounded to nearest."""
    size = int(bits * subject.network.program.parameters / 8)
    exact = evaluate(subject.network, subject.clip).yuv
    ways = [("rounded to nearest", 0), *product(CALIBRATIONS, counts)]
    for name, steps in ways:
        how = replace(settings, finetune_steps=steps, calibration=name if steps else settings.calibration)
        row = _quantised(subject, size, how)
        lost = exact - row["psnr"]
        yield {"bits": bits, "calibration": name, "steps": steps, **row, "lost_db": lost}


def _quantised(subject: Subject, size: int, settings: QuantSettings) -> dict[str, Any]:
    """Seconds that it takes to quantise for `size` bytes, bytes that come out, and dB that the decoder shows."""
    begin = time.monotonic()
    coded = quantize(subject.network, subject.clip, max_bytes=size, size_of=payload_bytes, settings=settings)
    seconds = time.monotonic() - begin
    return {"seconds": seconds, "bytes": payload_bytes(coded), "psnr": subject.decoded_psnr(coded)}


def compare_quantizers(subject: Subject, widths: tuple[int, ...] = (4, 5, 6)) -> Iterator[dict[str, Any]]:
    """A row for each `QuantizerKind` and bit width, the same for every tensor: rounded to nearest, maps in floats."""
    for width, symmetric, per_channel, search in product(widths, (True, False), (False, True), SEARCHES):
        kind = QuantizerKind(symmetric, per_channel, search)
        values, coded = {}, 0.0
        for tensor in tensor_names(subject.network.program):
            x = subject.network.tensors[tensor.key].detach().double().numpy()
            quantizer = UniformQuantizer.of(x, tensor.name, width, kind)
            integers = quantizer.integers(x)
            values[tensor.key] = torch.from_numpy(quantizer.values(x)).float()
            coded += tensor_bits(IntTensor(integers, bits_needed(integers), quantizer.steps), tensor.name)
        yield {
            "width": width,
            "zero": "symmetric" if symmetric else "asymmetric",
            "steps": "channel" if per_channel else "tensor",
            "search": search,
            "coded_bits": coded / subject.network.program.parameters,
            "psnr": subject.float_psnr(Substitution(values)),
        }


def payload_bytes(network: IntegerNetwork) -> int:
    """Bytes of a network's coded segment."""
    return len(pack_segment(network).payload)
