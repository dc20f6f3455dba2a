"""The papers' training recipes as settings, to compare our fits with.

All train in float32, and on whole frames but for HiNeRV, which trains on patches: an iteration has as many of them
as cover a frame, as published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nqcodec.errors import UsageError
from nqcodec.media.video import Video
from nqcodec.training.paper.prune import Pruning
from nqcodec.training.paper.quant_noise import QuantNoise
from nqcodec.training.settings import FitSettings


@dataclass(frozen=True)
class Recipe:
    """A paper's training: epochs, Adam's learning rate for everything, differences from `ADAM`, and whether on
    patches."""

    epochs: int
    lr: float
    changes: dict[str, Any] = field(default_factory=dict)
    patches: bool = False


ADAM: dict[str, Any] = {"optimizer": "adam", "schedule": "late-cosine", "batch": 1, "decay": 0.0, "dtype": "float32"}
"""Settings that the recipes share."""

_NERV: dict[str, Any] = {"betas": (0.5, 0.999), "warmup": 0.2, "warmup_from": 0.1, "loss": "l1-ssim"}
_HINERV: dict[str, Any] = {
    "schedule": "cosine",
    "warmup": 0.1,
    "floor": 0.01,
    "gradient_norm": 1.0,
    "loss": "l1-ms-ssim",
}

RECIPES: dict[str, Recipe] = {
    "nerv": Recipe(300, 5e-4, _NERV),
    "nerv-pruned": Recipe(400, 5e-4, _NERV | {"pruning": Pruning(0.4, "magnitude", 100 / 400)}),
    "nervpp": Recipe(300, 5e-4, _NERV),
    "hnerv": Recipe(300, 1e-3, {"batch": 2, "warmup": 0.1, "warmup_from": 0.1, "loss": "mse"}),
    "hinerv": Recipe(300, 2e-3, _HINERV, patches=True),
    "hinerv-pruned": Recipe(390, 2e-3, _HINERV | {"pruning": Pruning(), "noise": QuantNoise()}, patches=True),
    "neuroquant": Recipe(300, 5e-4, {"warmup": 0.1, "warmup_from": 0.1, "floor": 0.05, "loss": "mse"}),
}
"""By name: Chen et al., NeRV, NeurIPS 2021; NeRV++; Chen et al., HNeRV, CVPR 2023; Kwan et al., HiNeRV, NeurIPS 2023;
the base fits of NeuroQuant. The pruned ones hold the papers' fine-tunes too: 100 epochs with 40 % of the weights kept
(NeRV), 60 with 85 % and 30 with Quant-Noise at a tenth of the rate (HiNeRV)."""


PAPER_PATCHES = {(1920, 1080): 120, (1280, 720): 80}
"""Sides of HiNeRV's patches in luma samples, by the least size of the picture; 144 make a frame of just that size."""


def paper_patch(video: Video) -> tuple[int, int] | None:
    """(width, height) of HiNeRV's patches for a clip's size; None where the paper has none.

    It has none for small pictures and for subsampled chroma, of whose patches the loss's MS-SSIM is not defined.
    """
    if set(video.chroma.sub) != {1}:
        return None
    for (width, height), side in PAPER_PATCHES.items():
        if max(video.width, video.height) >= width and min(video.width, video.height) >= height:
            return side, side
    return None


def paper_recipe(
    name: str, frames: int, *, video: Video | None = None, seed: int = 0, device: str = "cpu", threads: int = 1
) -> FitSettings:
    """The settings of a recipe for `frames` frames, at its full length; raises UsageError for an unknown name.

    `video` is the clip's description, from which the patches of a recipe with patches follow; None for whole frames.
    """
    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name}: choose one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    how = ADAM | recipe.changes
    batch = min(how.pop("batch"), frames)
    iterations = recipe.epochs * -(-frames // batch)
    rates: dict[str, Any] = {"lr": recipe.lr, "rest_lr": recipe.lr, "latent_lr": recipe.lr}
    patch = paper_patch(video) if recipe.patches and video else None
    return FitSettings(
        iterations=iterations, batch=batch, patch=patch, **rates, **how, seed=seed, device=device, threads=threads
    )
