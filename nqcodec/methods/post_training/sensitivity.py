"""The distortion by quantising a tensor: measured by running the network, and predicted by its curvature.

Distortion is the loss's own first-order change: for ln(MSE), the increase of each plane's MSE relative to what it is,
weighted as the loss weighs planes. Frames and probes are fixed by the settings, so figures repeat exactly.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from nqcodec.quantization.hadamard import INPUT_CHANNELS
from nqcodec.quantization.map_formats import spread_frames
from nqcodec.training.clip import PackedClip
from nqcodec.training.hadamard import hadamard
from nqcodec.training.losses import LOSSES, plane_errors
from nqcodec.training.network import FloatNetwork, Transform


@dataclass(frozen=True)
class Meter:
    """Measures distortion against the float network on a few frames.

    Attributes:
        frames: frame numbers [n] int64.
        targets: packed frames [n, C, h, w].
        errors: plane errors of the float network, [n, planes].
        slopes: derivative of the loss in each of them, [n, planes].
    """

    network: FloatNetwork
    clip: PackedClip
    frames: Tensor
    targets: Tensor
    errors: Tensor
    slopes: Tensor

    @staticmethod
    def of(network: FloatNetwork, clip: PackedClip, frames: Tensor, loss: str) -> Meter:
        """Run the float network on `frames`; `loss` is a name of `LOSSES`."""
        frames = frames.to(clip.device)
        targets = clip.batch(frames)
        with torch.no_grad():
            errors = _errors(network, clip, frames, targets, None)
        return Meter(network, clip, frames, targets, errors, loss_slopes(errors, clip, loss))

    @property
    def device(self) -> torch.device:
        """The device that the clip is on."""
        return self.clip.device

    @torch.no_grad()
    def distortion(self, transform: Transform) -> float:
        """Change of the loss, to first order in the plane errors, when the network runs through `transform`."""
        errors = _errors(self.network, self.clip, self.frames, self.targets, transform)
        return float(((errors - self.errors) * self.slopes).sum())


def _errors(
    network: FloatNetwork, clip: PackedClip, frames: Tensor, targets: Tensor, transform: Transform | None
) -> Tensor:
    """Plane errors [n, planes], one frame at a time: maps of large pictures need not fit in memory n times."""
    each = [
        plane_errors(network(time, transform), target, clip)
        for time, target in zip(frames.split(1), targets.split(1), strict=True)
    ]
    return torch.cat(each)


def loss_slopes(errors: Tensor, clip: PackedClip, loss: str) -> Tensor:
    """Derivative of the loss in each plane error [n, planes]."""
    variable = errors.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(LOSSES[loss](variable, clip.weights), variable)
    return slopes


def curvature(
    network: FloatNetwork,
    clip: PackedClip,
    frames: Tensor,
    loss: str,
    seed: int,
    coefficients: Collection[str] = (),
) -> dict[str, Tensor]:
    """The Gauss-Newton diagonal of the loss: by tensor key, shaped as the tensor, float32.

    An error d of one parameter raises the loss by about curvature * d^2. Estimated with one random vector of signs a
    frame (Hutchinson): for weights w of the squared errors of samples, E[(J^T sqrt(w) signs)^2] = diag(J^T W J).
    Of the tensors in `coefficients` the parameters are taken to be those of the Hadamard domain.
    """
    generator = torch.Generator().manual_seed(seed)
    total = {key: torch.zeros_like(value) for key, value in network.tensors.items()}
    parameters = list(network.tensors.values())
    for time in frames.to(clip.device).split(1):
        output = network(time)
        errors = plane_errors(output.detach(), clip.batch(time), clip)
        scale = _sample_weights(output, clip, loss_slopes(errors, clip, loss)).sqrt()
        signs = torch.randint(0, 2, output.shape, generator=generator).to(output) * 2 - 1
        gradients = torch.autograd.grad((output * signs * scale).sum(), parameters)
        for key, gradient in zip(total, gradients, strict=True):
            # The transform is symmetric: coefficients have the transform of the gradient as theirs.
            total[key] += (hadamard(gradient, INPUT_CHANNELS) if key in coefficients else gradient).square()
    return {key: value / len(frames) for key, value in total.items()}


def _sample_weights(output: Tensor, clip: PackedClip, slopes: Tensor) -> Tensor:
    """Weight of each sample's squared error in the loss, shaped as `output`: 0 in padding.

    The derivative of a sum of weighted squares at 1/2 is the weights themselves.
    """
    half = torch.full_like(output, 0.5, requires_grad=True)
    total = (plane_errors(half, torch.zeros_like(half), clip) * slopes).sum()
    return torch.autograd.grad(total, half)[0].clamp(min=0)


CURVATURE_FRAMES = 4
"""Frames of the curvature for each frame of the other criteria: a pass costs little, and more of them less noise."""


def measure_curvature(
    network: FloatNetwork,
    clip: PackedClip,
    *,
    frames: int,
    loss: str,
    seed: int,
    coefficients: Collection[str] = (),
) -> dict[str, Tensor]:
    """`curvature` on `CURVATURE_FRAMES` times as many frames as the criteria have."""
    return curvature(network, clip, spread_frames(clip.frames, frames * CURVATURE_FRAMES), loss, seed, coefficients)
