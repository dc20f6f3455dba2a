"""What each option of a float fit is worth: against the default, with equal steps, on one clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from nqcodec.backbones import hnerv
from nqcodec.media.clip import ClipInput
from nqcodec.methods.post_training.criteria import Substitution
from nqcodec.network.integer_network import IntTensor
from nqcodec.network.program import Program
from nqcodec.quantization.quantizers import QuantizerKind, UniformQuantizer, bits_needed
from nqcodec.quantization.rate import tensor_bits
from nqcodec.quantization.transform import tensor_names
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.compute import compute_settings
from nqcodec.training.evaluation import evaluate
from nqcodec.training.network import FloatNetwork
from nqcodec.training.paper.prune import Pruning
from nqcodec.training.paper.quant_noise import QuantNoise
from nqcodec.training.presets import BATCH, with_optimizer
from nqcodec.training.recipes import RECIPES, paper_recipe
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit

PARAMETERS, STEPS = 20_000, 400

ROUNDED_BITS = (6, 4)
"""Bits that every tensor is rounded to for the figures of a coded network: those of HiNeRV's Quant-Noise, and fewer."""

Change = Callable[[FitSettings], FitSettings]


def _with(**changes: Any) -> Change:
    return lambda settings: replace(settings, **changes)


def _optimizer(name: str) -> Change:
    return lambda settings: with_optimizer(settings, name)


def _recipe(name: str) -> Change:
    """The recipe with the fit's steps instead of its own; pruned and other stages keep their shares of them."""

    def change(settings: FitSettings) -> FitSettings:
        how = paper_recipe(name, BATCH, seed=settings.seed, threads=settings.threads)
        return replace(how, steps=settings.steps)

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


def run(
    clip_path: str,
    *,
    parameters: int = PARAMETERS,
    steps: int = STEPS,
    threads: int = 1,
    seed: int = 0,
    options: tuple[str, ...] = tuple(OPTIONS),
) -> dict[str, Any]:
    """The table as plain data: {"clip", "parameters", "steps", "definitions", "options"}.

    A row has option, psnr_y, psnr (YUV), seconds (of the fit), zeros (part of the convolution weights), for each b of
    `ROUNDED_BITS` psnr_b and coded_b, both of the network rounded to b bits, and gain (psnr over the default's).
    """
    source = ClipInput(clip_path)
    video = source.describe()
    program = hnerv.build(video, video.frames, parameters)
    clip = pack(source.frames(), video, program)
    default = FitSettings(steps=steps, batch=min(BATCH, video.frames), threads=threads, seed=seed)
    names = ("default", *(name for name in options if name != "default"))
    rows = [_row(name, program, clip, OPTIONS[name](default)) for name in names]
    for row in rows:
        row["gain"] = row["psnr"] - rows[0]["psnr"]
    return {
        "clip": clip_path,
        "parameters": program.parameters,
        "steps": steps,
        "definitions": {
            "psnr": "PSNR-YUV (6:1:1) of the float network, dB",
            "psnr_b": "the same with every tensor rounded to nearest at b bits, a step for each channel",
            "coded_b": "bits a parameter of the network so rounded, under the file's entropy models",
        },
        "options": rows,
    }


def _row(name: str, program: Program, clip: PackedClip, settings: FitSettings) -> dict[str, Any]:
    network = new_network(program, clip.frames, settings)
    result = fit(network, clip, settings)
    weights = torch.cat([v.detach().flatten() for k, v in network.tensors.items() if k.endswith("_weight")])
    row = {
        "option": name,
        "psnr_y": result.quality.planes[0],
        "psnr": result.quality.yuv,
        "seconds": result.seconds,
        "zeros": float((weights == 0).float().mean()),
    }
    with compute_settings(network, replace(settings, dtype="float32")):
        for width in ROUNDED_BITS:
            row[f"psnr_{width}"], bits = _rounded(network, clip, width)
            row[f"coded_{width}"] = bits / program.parameters
    return row


def _rounded(network: FloatNetwork, clip: PackedClip, width: int) -> tuple[float, float]:
    """(PSNR-YUV, coded bits) of the network with every tensor rounded to nearest at `width` bits."""
    kind = QuantizerKind(symmetric=True, per_channel=True, search="max")
    values, bits = {}, 0.0
    for tensor in tensor_names(network.program):
        x = network.tensors[tensor.key].detach().double().numpy()
        quantizer = UniformQuantizer.of(x, tensor.name, width, kind)
        integers = quantizer.integers(x)
        values[tensor.key] = torch.from_numpy(quantizer.values(x)).float()
        bits += tensor_bits(IntTensor(integers, bits_needed(integers), quantizer.steps), tensor.name)
    return evaluate(network, clip, Substitution(values)).yuv, bits
