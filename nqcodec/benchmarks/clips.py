"""What parts of a clip's fit are worth: one part changed at a time, at equal bytes (`nqtool bench clips`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nqcodec.benchmarks import trials
from nqcodec.benchmarks.coarse_first import CoarseStart
from nqcodec.benchmarks.motion import displaced, following_both
from nqcodec.benchmarks.results import Column, Measurement
from nqcodec.benchmarks.trials import Excerpt, Variant, rows
from nqcodec.methods.rate_aware.settings import RateAwareSettings
from nqcodec.network.program import Program

FOUR_FRAMES = 0.58
"""Iterations of four frames that take as long as one of two."""


def moving(excerpt: Excerpt, size: int) -> Program:
    """The pyramid that vectors displace, beside the camera's path if that is worth following."""
    return following_both(excerpt, size) or displaced(excerpt, size)


def _rated(settings: RateAwareSettings, weights: float, latents: float) -> RateAwareSettings:
    return replace(settings, lr=weights, latent_lr=latents)


def _of_four(settings: RateAwareSettings) -> RateAwareSettings:
    return replace(settings, batch=4, iterations=round(FOUR_FRAMES * settings.iterations))


VARIANTS: Mapping[str, Variant] = {
    "as it is": Variant(moving),
    "twice as long": Variant(moving, lambda settings: replace(settings, iterations=2 * settings.iterations)),
    "small pictures first": Variant(moving, lambda settings: replace(settings, warmup=0.0), before=CoarseStart),
    "four frames an iteration": Variant(moving, _of_four),
    "rates of 0.03 and 0.06": Variant(moving, lambda settings: _rated(settings, 0.03, 0.06)),
    "rates of 0.02 and 0.06": Variant(moving, lambda settings: _rated(settings, 0.02, 0.06)),
    "rates of 0.014 and 0.06": Variant(moving, lambda settings: _rated(settings, 0.014, 0.06)),
    "rates of 0.02 and 0.13": Variant(moving, lambda settings: _rated(settings, 0.02, 0.13)),
}
"""By name; rates are the learning rates of convolution weights and of latents."""

COLUMNS = (*trials.COLUMNS, Column("cpu_seconds", "time of the fit", "CPU s", 1))


def measurement(
    clips: Sequence[str], frames: int, bpp: float, iterations: int, seeds: Sequence[int], variants: Sequence[str]
) -> Measurement:
    """A row for each clip, variant and seed: the first `frames` frames, fitted for `bpp`.

    Raises:
        KeyError: there is no variant of a name.
    """
    chosen = {name: VARIANTS[name] for name in variants}
    note = (
        f"The first {frames} frames, fitted for {bpp:g} bits a pixel of payload in {iterations} iterations unless the "
        "variant says otherwise, and decoded from their integers; one thread."
    )
    excerpts = (Excerpt.read(clip, 0, frames) for clip in clips)
    return Measurement("clips", "Parts of a clip's fit", COLUMNS, rows(excerpts, chosen, bpp, iterations, seeds), note)
