"""What each option of a float fit is worth: against the default, with equal iterations, on one clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from nqcodec.backbones import hnerv
from nqcodec.benchmarks.quantization import round_to_nearest
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.media.clip import ClipInput
from nqcodec.network.program import Program
from nqcodec.quantization.quantizers import QuantizerKind
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.compute import compute_settings
from nqcodec.training.evaluation import evaluate
from nqcodec.training.paper.prune import Pruning
from nqcodec.training.paper.quant_noise import QuantNoise
from nqcodec.training.presets import BATCH, with_optimizer
from nqcodec.training.recipes import RECIPES, paper_recipe
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit

PARAMETERS, ITERATIONS = 20_000, 400

ROUNDED_BITS = (6, 4)
"""Bits that every tensor is rounded to for the figures of a coded network: those of HiNeRV's Quant-Noise, and fewer."""

KIND = QuantizerKind(symmetric=True, per_channel=True, search="max")
"""How every tensor is rounded."""

Change = Callable[[FitSettings], FitSettings]


def _with(**changes: Any) -> Change:
    return lambda settings: replace(settings, **changes)


def _optimizer(name: str) -> Change:
    return lambda settings: with_optimizer(settings, name)


def _recipe(name: str) -> Change:
    """The recipe with the fit's iterations instead of its own; pruned and other stages keep their shares of them."""

    def change(settings: FitSettings) -> FitSettings:
        how = paper_recipe(name, BATCH, seed=settings.seed, threads=settings.threads)
        return replace(how, iterations=settings.iterations)

    return change


OPTIONS: dict[str, Change] = {
    "default": _with(),
    "loss mse": _with(loss="mse"),
    "loss l1": _with(loss="l1"),
    "loss l1-ssim": _with(loss="l1-ssim"),
    "loss l1-ms-ssim": _with(loss="l1-ms-ssim"),
    "loss of luma alone": _with(plane_weights=(1.0, 0.0, 0.0)),
    "loss with planes 4:1:1": _with(plane_weights=(4.0, 1.0, 1.0)),
    "coarse 0.15": _with(coarse=0.15),
    "coarse 0.3": _with(coarse=0.3),
    "schedule late-cosine": _with(schedule="late-cosine"),
    "schedule linear": _with(schedule="linear"),
    "schedule step": _with(schedule="step"),
    "schedule constant-decay": _with(schedule="constant-decay"),
    "coarse 0.15, schedule constant-decay": _with(coarse=0.15, schedule="constant-decay"),
    "optimizer adam": _optimizer("adam"),
    "optimizer adamw": _optimizer("adamw"),
    "gradient norm 1": _with(gradient_norm=1.0),
    "ema 0.99": _with(ema=0.99),
    "ema 0.99, floor 0.3": _with(ema=0.99, floor=0.3),
    "floor 0.3": _with(floor=0.3),
    "pruned to 85 %, scaled (HiNeRV)": _with(pruning=Pruning()),
    "pruned to 40 %, magnitude (NeRV)": _with(pruning=Pruning(0.4, "magnitude", 0.25)),
    "Quant-Noise, 6 bits (HiNeRV)": _with(noise=QuantNoise()),
    **{f"recipe {name}": _recipe(name) for name in RECIPES},
}
"""By name, what each row changes of the default."""


COLUMNS = (
    Column("option", "option"),
    Column("psnr", "PSNR-YUV", "dB", 2),
    Column("gain", "over the default", "dB", 2),
    Column("psnr_y", "PSNR-Y", "dB", 2),
    *(
        column
        for width in ROUNDED_BITS
        for column in (
            Column(f"psnr_{width}", f"PSNR-YUV at {width} bits", "dB", 2),
            Column(f"coded_{width}", f"coded at {width} bits", "bits a parameter", 2),
        )
    ),
    Column("zeros_percent", "zeros in the weights", "%", 0),
    Column("seconds", "fit", "s", 1),
)


def run(
    clip_path: str,
    *,
    parameters: int = PARAMETERS,
    iterations: int = ITERATIONS,
    threads: int = 1,
    seed: int = 0,
    options: tuple[str, ...] = tuple(OPTIONS),
) -> Measurement:
    """A row for the default and for each of `options`: the float network, and it rounded to `ROUNDED_BITS` bits."""
    note = (
        f"One HNeRV of about {parameters:,} parameters is fitted to {clip_path} in {iterations} iterations for each "
        "row. PSNR-YUV is 6:1:1, of the float network and of it with every tensor rounded to nearest at so many bits; "
        "coded bits are those of the file's entropy models."
    )
    rows = _rows(clip_path, parameters, FitSettings(iterations=iterations, threads=threads, seed=seed), options)
    return Measurement("options", "What each option of a float fit is worth", COLUMNS, rows, note)


def _rows(clip_path: str, parameters: int, settings: FitSettings, options: tuple[str, ...]) -> Iterator[Cells]:
    source = ClipInput(clip_path)
    video = source.describe()
    program = hnerv.build(video, video.frames, parameters)
    clip = pack(source.frames(), video, program)
    default = replace(settings, batch=min(BATCH, video.frames))
    reference: float | None = None
    for name in ("default", *(name for name in options if name != "default")):
        row = _row(program, clip, OPTIONS[name](default))
        reference = row["psnr"] if reference is None else reference
        yield {"option": name, "gain": row["psnr"] - reference, **row}


def _row(program: Program, clip: PackedClip, settings: FitSettings) -> dict[str, float]:
    network = new_network(program, clip.frames, settings)
    result = fit(network, clip, settings)
    weights = torch.cat([v.detach().flatten() for k, v in network.tensors.items() if k.endswith("_weight")])
    row = {
        "psnr_y": result.quality.planes[0],
        "psnr": result.quality.yuv,
        "seconds": result.seconds,
        "zeros_percent": 100 * float((weights == 0).float().mean()),
    }
    with compute_settings(network, replace(settings, dtype="float32")):
        for width in ROUNDED_BITS:
            rounded, bits = round_to_nearest(network, width, KIND)
            row[f"psnr_{width}"] = evaluate(network, clip, rounded).yuv
            row[f"coded_{width}"] = bits / program.parameters
    return row
