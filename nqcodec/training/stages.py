"""The stages of a plain fit, and its learning rate at each iteration."""

from __future__ import annotations

from dataclasses import dataclass

from nqcodec.training.schedule import SCHEDULES, warm_up
from nqcodec.training.settings import FitSettings


@dataclass(frozen=True)
class Stage:
    """Iterations with a schedule of their own.

    Attributes:
        name: "fit", "prune" (the fine-tune after pruning) or "noise" (the one with Quant-Noise).
        first, iterations: its first iteration and its number of iterations.
        rate: its peak learning rate, as a part of the fit's.
    """

    name: str
    first: int
    iterations: int
    rate: float


def stages(settings: FitSettings) -> list[Stage]:
    """The stages of a fit in order: pruning and Quant-Noise take their shares from the end of its iterations."""
    pruning, noise = settings.pruning, settings.noise
    pruned = max(1, round(pruning.share * settings.iterations)) if pruning else 0
    noisy = max(1, round(noise.share * settings.iterations)) if noise else 0
    plain = settings.iterations - pruned - noisy
    plan = [Stage("fit", 0, plain, 1.0)]
    if pruning:
        plan.append(Stage("prune", plain, pruned, pruning.rate))
    if noise:
        plan.append(Stage("noise", plain + pruned, noisy, noise.rate))
    return plan


def stage_at(iteration: int, settings: FitSettings) -> Stage:
    """The stage that an iteration belongs to; the end of the fit belongs to the last one."""
    plan = stages(settings)
    return next((stage for stage in plan if iteration < stage.first + stage.iterations), plan[-1])


def learning_rate(iteration: int, settings: FitSettings) -> float:
    """Part of the peak learning rate at an iteration: in each stage a linear warm-up, then the schedule down to
    `floor`."""
    stage = stage_at(iteration, settings)
    local, warm = iteration - stage.first, settings.warmup * stage.iterations
    rise = settings.warmup_from + (1 - settings.warmup_from) * warm_up(local, warm)
    begin = warm if settings.schedule == "late-cosine" else 0.0
    shape = SCHEDULES[settings.schedule](max(0.0, local - begin), stage.iterations - begin)
    return stage.rate * rise * max(shape, settings.floor)
