"""Presets: how many iterations each phase of an encode takes. They follow from the clip alone, never from the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nqcodec.errors import UsageError
from nqcodec.training.settings import FitSettings


@dataclass(frozen=True)
class Preset:
    """The length of a fit: more time for more quality.

    Attributes:
        epochs: how often each frame is used.
        least_iterations: least iterations, for clips of few frames, whose epochs are short.
    """

    epochs: int
    least_iterations: int


@dataclass(frozen=True)
class Phase:
    """Training that follows a fit, whose length is the same part of the fit's with every preset.

    Attributes:
        share: its iterations, as a part of the fit's.
        least_iterations: least iterations, after a short fit.
        lr_scale: factor on the fit's learning rates, for the parameters that the fit has too.
    """

    share: float
    least_iterations: int
    lr_scale: float = 1.0

    def iterations(self, fit: int) -> int:
        """Iterations after a fit of `fit` iterations."""
        return max(self.least_iterations, round(self.share * fit))


PLAIN_PRESETS: dict[str, Preset] = {
    "ultrafast": Preset(100, 400),
    "fast": Preset(400, 1600),
    "medium": Preset(1500, 6000),
    "slow": Preset(6000, 24000),
    "placebo": Preset(24000, 96000),
}
"""Presets of plain fits by name, each about four times as long as the one before."""

RATE_AWARE_PRESETS: dict[str, Preset] = {
    "ultrafast": Preset(90, 1440),
    "fast": Preset(360, 5760),
    "medium": Preset(1440, 23040),
    "slow": Preset(5760, 92160),
    "placebo": Preset(23040, 368640),
}
"""Presets of rate-aware fits by name, each about four times as long as the one before."""

PHASES: dict[str, Phase] = {
    "calibration": Phase(0.25, 300),
    "brief calibration": Phase(1 / 16, 100),
    "further rate": Phase(0.125, 100, lr_scale=0.3),
    "more quality": Phase(0.2, 100, lr_scale=0.5),
}
"""Phases that follow a fit, by name: a plain one's calibration with rounding in the loop, in full or in brief; a
rate-aware one's further rates, which higher learning rates would have it forget, and its going on where it ended short
of a PSNR. A brief calibration takes a tenth of
the fit's time; against the whole one it loses 0.3 dB at 3 coded bits a parameter, 0.2 at 4 and less above
(docs/experiments.md)."""

BATCH = 2
"""Frames an iteration: 1 takes longer a frame, and 4 have less quality at equal time."""


def preset_iterations(presets: Mapping[str, Preset], name: str, frames: int) -> tuple[int, int]:
    """(iterations, frames an iteration) of a preset for `frames` frames; raises UsageError for an unknown name."""
    if name not in presets:
        raise UsageError(f"there is no preset {name}: choose one of {', '.join(presets)}")
    preset, batch = presets[name], min(BATCH, frames)
    return max(preset.epochs * -(-frames // batch), preset.least_iterations), batch


def preset_settings(name: str, frames: int, *, seed: int = 0, device: str = "cpu", threads: int = 1) -> FitSettings:
    """Settings of a preset for a segment of `frames` frames; raises UsageError for an unknown name."""
    iterations, batch = preset_iterations(PLAIN_PRESETS, name, frames)
    return FitSettings(iterations=iterations, batch=batch, seed=seed, device=device, threads=threads)


RATES: dict[str, dict[str, float]] = {
    "muon": {},
    "adam": {"lr": 2e-2, "latent_lr": 1e-1},
    "adamw": {"lr": 2e-2, "latent_lr": 1e-1, "decay": 0.01},
}
"""Learning rates of each optimizer that differ from the defaults, which are Muon's: the best, for networks of 20,000
parameters, of rates from 0.005 to 0.03, and from 0.01 to 0.1 for latents."""


def with_optimizer(settings: FitSettings, name: str) -> FitSettings:
    """Settings with another optimizer, at rates that suit it; raises UsageError for an unknown name."""
    rates: dict[str, Any] = dict(RATES.get(name, {}))
    return replace(settings, optimizer=name, **rates)
