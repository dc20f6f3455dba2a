"""The loss around a float network: sensitivity by tensor and width, interactions, and a surface. Encode side: torch.

All figures are of the loss that fits minimise, the mean of ln(MSE) with planes weighted 6:1:1, on a few frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from nqcodec.media.video import Frame
from nqcodec.methods.post_training.criteria import Substitution
from nqcodec.methods.post_training.omega import Change, Omega
from nqcodec.network.integer_network import channel_axis
from nqcodec.network.operations import Planes
from nqcodec.quantization.map_formats import spread_frames
from nqcodec.quantization.quantizers import QuantizerKind, UniformQuantizer
from nqcodec.quantization.transform import TensorName, tensor_names
from nqcodec.reporting.finding import Finding
from nqcodec.reporting.sensitivity_table import SensitivitySettings, measure_sensitivities
from nqcodec.reporting.tables import HESSIAN, SENSITIVITY, SURFACE
from nqcodec.synthesis.reference import cropped_planes
from nqcodec.training.clip import PackedClip
from nqcodec.training.losses import LOSSES, plane_errors, psnr
from nqcodec.training.network import FloatNetwork

Report = Callable[[int, int], None]
LOSS = "log-mse"


@dataclass(frozen=True)
class LandscapeSettings:
    """How much of the landscape is looked at.

    Attributes:
        bits: widths of the sensitivity.
        method: its criterion, a name of `nqcodec.quantization.settings.CRITERIA`.
        width: bit width whose rounding errors the interactions are of.
        probes: frames that the loss is taken on.
        groups: rows of the map of interactions at most: tensors are cut into that many groups of channels.
        grid: points of the surface along a side, odd, so that the solution is one.
        reach: how far the surface goes either way, as a part of each filter's norm.
        seed: of the surface's directions.
    """

    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)
    method: str = "omega"
    width: int = 4
    probes: int = 2
    groups: int = 96
    grid: int = 21
    reach: float = 0.5
    seed: int = 0


def sensitivity(
    network: FloatNetwork, clip: PackedClip, settings: LandscapeSettings, subject: str, report: Report | None = None
) -> Finding:
    """Rise of the MSE by tensor and bit width, and what each then costs, by one criterion."""
    asked = SensitivitySettings(settings.method, settings.bits, frames=settings.probes)
    found = measure_sensitivities(network, clip, asked, report)
    tensors = zip(found.tensors, found.distortions.tolist(), found.rates.tolist(), strict=True)
    data = {
        "method": settings.method,
        "bits": list(found.bits),
        "probes": settings.probes,
        "tensors": [
            {"label": _label(network, tensor), "rise": rise, "coded_bits": rates} for tensor, rise, rates in tensors
        ],
        "together": found.together.tolist(),
    }
    return Finding(SENSITIVITY, f"Sensitivity ({settings.method}): {subject}", data)


def interactions(
    network: FloatNetwork, clip: PackedClip, settings: LandscapeSettings, subject: str, report: Report | None = None
) -> Finding:
    """The Hessian seen by rounding errors: dw_i' H dw_j / 2 for groups of channels i and j, H over all tensors.

    Each dw is what rounding a group to `width` bits adds to it. A diagonal approximation keeps i = j alone.
    """
    changes, labels = _group_changes(network, settings)
    frames = spread_frames(clip.frames, settings.probes)
    pairs = Omega(network, clip, frames, LOSS).pairs(changes, report)
    diagonal = float(pairs.diagonal().sum())
    data = {
        "width": settings.width,
        "probes": len(frames),
        "groups": labels,
        "pairs": pairs.tolist(),
        "diagonal_sum": diagonal,
        "all_sum": float(pairs.sum()),
    }
    return Finding(HESSIAN, f"Interactions at {settings.width} bits: {subject}", data)


def _label(network: FloatNetwork, tensor: TensorName) -> str:
    return f"{tensor.index} {network.program.operations[tensor.index].name} {tensor.name}"


@torch.no_grad()
def _group_changes(network: FloatNetwork, settings: LandscapeSettings) -> tuple[list[Change], list[dict[str, Any]]]:
    """(changes, what each is of) for groups of neighbouring channels, shared out by tensors' numbers of channels.

    Biases make one group each; every other tensor has one group at least, and no more than it has channels.
    """
    tensors = list(tensor_names(network.program))
    counts = [
        1 if tensor.name == "bias" else network.tensors[tensor.key].shape[channel_axis(tensor.name)]
        for tensor in tensors
    ]
    share = min(1.0, max(0, settings.groups - len(tensors)) / max(1, sum(counts) - len(tensors)))
    changes: list[Change] = []
    labels: list[dict[str, Any]] = []
    for tensor, count in zip(tensors, counts, strict=True):
        value = network.tensors[tensor.key].detach()
        rounded = UniformQuantizer.of(value.cpu().double().numpy(), tensor.name, settings.width, QuantizerKind())
        error = torch.from_numpy(rounded.values(value.cpu().double().numpy())).to(value) - value
        axis = channel_axis(tensor.name)
        number = 1 + int(share * (count - 1))
        for part in np.array_split(np.arange(value.shape[axis]), number):
            change = torch.zeros_like(value)
            first, length = int(part[0]), len(part)
            change.narrow(axis, first, length).copy_(error.narrow(axis, first, length))
            changes.append((tensor.key, change))
            labels.append({"tensor": _label(network, tensor), "channels": [first, first + length]})
    return changes, labels


@torch.no_grad()
def surface(
    network: FloatNetwork, clip: PackedClip, settings: LandscapeSettings, subject: str, report: Report | None = None
) -> Finding:
    """Loss and PSNR over a plane through the solution, along two random directions of each filter's own norm.

    Filter-wise normalisation as in Li et al., Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018: otherwise
    a network's scale, which its activations make arbitrary, would decide how sharp its minimum looks.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    directions = [_direction(network, generator) for _ in range(2)]
    times = spread_frames(clip.frames, settings.probes).to(clip.device)
    targets = clip.batch(times)
    along = np.linspace(-settings.reach, settings.reach, settings.grid)
    losses, psnrs = np.zeros((2, settings.grid, settings.grid))
    for row, b in enumerate(along):
        for column, a in enumerate(along):
            moved = {
                key: value + float(a) * directions[0][key] + float(b) * directions[1][key]
                for key, value in network.tensors.items()
            }
            errors = torch.cat(
                [
                    plane_errors(network(time, Substitution(moved)), target, clip)
                    for time, target in zip(times.split(1), targets.split(1), strict=True)
                ]
            )
            losses[row, column] = float(LOSSES[LOSS](errors, clip.weights))
            psnrs[row, column] = float((psnr(errors, clip.video.depth) @ clip.weights).mean())
        if report:
            report(row + 1, settings.grid)
    data = {"along": along.tolist(), "loss": losses.tolist(), "psnr": psnrs.tolist(), "settings": asdict(settings)}
    return Finding(SURFACE, f"Loss around the solution: {subject}", data)


def _direction(network: FloatNetwork, generator: torch.Generator) -> dict[str, Tensor]:
    """A Gaussian direction whose every channel has the norm of the network's own."""
    result = {}
    for key, value in network.tensors.items():
        name = key.rpartition("_")[2]
        noise = torch.randn(value.shape, generator=generator).to(value)
        axes = [axis for axis in range(value.ndim) if axis != channel_axis(name)]
        if not axes:
            result[key] = noise * value.norm() / noise.norm()
            continue
        norms = [torch.linalg.vector_norm(tensor, dim=axes, keepdim=True) for tensor in (value, noise)]
        result[key] = noise * norms[0] / norms[1].clamp(min=torch.finfo(value.dtype).tiny)
    return result


@torch.no_grad()
def float_frames(network: FloatNetwork, clip: PackedClip) -> Iterator[Frame]:
    """What a float network shows, rounded to samples: the clip's planes [H, W], frame by frame."""
    head = network.program.operations[-1]
    assert isinstance(head, Planes)
    levels = 1 << clip.video.depth
    for time in torch.arange(clip.frames, device=clip.device).split(1):
        samples = ((network(time)[0].float() + 0.5) * levels).round().clamp(0, levels - 1)
        planes = cropped_planes(samples.cpu().numpy(), head.ratio, clip.video)
        yield cast(Frame, tuple(plane.astype(clip.video.dtype) for plane in planes))


def float_tensors(network: FloatNetwork) -> dict[tuple[int, str], Any]:
    """The tensors of a float network by (operation, name), float64 arrays."""
    return {
        (tensor.index, tensor.name): network.tensors[tensor.key].detach().cpu().double().numpy()
        for tensor in tensor_names(network.program)
    }
