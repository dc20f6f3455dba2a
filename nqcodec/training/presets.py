"""Presets: how many steps a fit takes. Counts follow from the clip alone; the clock only serves to announce a time."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from nqcodec.errors import UsageError
from nqcodec.training.clip import PackedClip
from nqcodec.training.compute import compute_settings
from nqcodec.training.network import FloatNetwork
from nqcodec.training.train import FitSettings, Trainer

WARMUP_STEPS, TIMED_STEPS = 3, 6
"""Steps of a trial that are not timed, and that are."""


@dataclass(frozen=True)
class Preset:
    """A trade of time for quality.

    Attributes:
        epochs: how often each frame is seen.
        least_steps: what a clip of few frames gets, whose epochs are short.
    """

    epochs: int
    least_steps: int


PRESETS: dict[str, Preset] = {
    "ultrafast": Preset(100, 400),
    "fast": Preset(400, 1600),
    "medium": Preset(1500, 6000),
    "slow": Preset(6000, 24000),
    "placebo": Preset(24000, 96000),
}
"""By name, each about four times as long as the one before."""

BATCH = 2
"""Frames a step: 1 measured slower a frame, and 4 worse at equal time."""


def preset_steps(presets: Mapping[str, Preset], name: str, frames: int) -> tuple[int, int]:
    """(steps, frames a step) of a preset for `frames` frames; raises UsageError for an unknown name."""
    if name not in presets:
        raise UsageError(f"there is no preset {name}: choose one of {', '.join(presets)}")
    preset, batch = presets[name], min(BATCH, frames)
    return max(preset.epochs * -(-frames // batch), preset.least_steps), batch


def preset_settings(name: str, frames: int, *, seed: int = 0, device: str = "cpu", threads: int = 1) -> FitSettings:
    """Settings of a preset for a segment of `frames` frames; raises UsageError for an unknown name."""
    steps, batch = preset_steps(PRESETS, name, frames)
    return FitSettings(steps=steps, batch=batch, seed=seed, device=device, threads=threads)


RATES: dict[str, dict[str, float]] = {
    "muon": {},
    "adam": {"lr": 2e-2, "latent_lr": 1e-1},
    "adamw": {"lr": 2e-2, "latent_lr": 1e-1, "decay": 0.01},
}
"""What each optimizer changes of the default rates, which are Muon's; measured best for networks of 20,000 parameters,
rates of 0.005 to 0.03 and of 0.01 to 0.1 for latents."""


def with_optimizer(settings: FitSettings, name: str) -> FitSettings:
    """Settings with another optimizer, at rates that suit it; raises UsageError for an unknown name."""
    rates: dict[str, Any] = dict(RATES.get(name, {}))
    return replace(settings, optimizer=name, **rates)


def expected_seconds(network: FloatNetwork, clip: PackedClip, settings: FitSettings) -> float:
    """Seconds that `fit` would take, from a few steps of a copy of `network`: for messages, nothing depends on it."""
    trial = copy.deepcopy(network)
    with compute_settings(trial, settings):
        trainer = Trainer(trial, clip, settings)
        for _ in range(WARMUP_STEPS):
            trainer.step()
        started = clock(clip.device)
        for _ in range(TIMED_STEPS):
            trainer.step()
        return (clock(clip.device) - started) / TIMED_STEPS * settings.steps


def clock(device: torch.device) -> float:
    """Seconds, once the device has finished what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
