"""What each part of a still's fit is worth: single frames fitted for equal bytes, one part changed at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nqcodec.backbones import picture, pyramid
from nqcodec.benchmarks.results import Measurement
from nqcodec.benchmarks.trials import COLUMNS, Change, Excerpt, Variant, rows
from nqcodec.network.operations import Activation, Conv
from nqcodec.network.program import Program


def _as_it_is(still: Excerpt, size: int) -> Program:
    """The picture network that nqenc chooses."""
    return picture.for_bytes(still.video, 1, size)


def with_gelu(still: Excerpt, size: int) -> Program:
    """The picture network with GELU in the place of ReLU."""
    operations = [
        replace(op, activation=Activation.GELU) if isinstance(op, Conv) and op.activation is Activation.RELU else op
        for op in _as_it_is(still, size).operations
    ]
    return Program.of(operations, still.video)


def _setting(**values: object) -> Change:
    return lambda settings: replace(settings, **values)  # type: ignore[arg-type]


VARIANTS: Mapping[str, Variant] = {
    "as it is": Variant(_as_it_is),
    "no grid at full resolution": Variant(lambda still, size: picture.assemble(still.video, 1, 2)),
    "no residual at half resolution": Variant(lambda still, size: picture.assemble(still.video, 1, refined=False)),
    "GELU instead of ReLU": Variant(with_gelu),
    "noise of the pyramid's fits": Variant(
        _as_it_is, _setting(deviations=None, first_temperature=1.0, last_temperature=0.2)
    ),
    "slower second moments of latents": Variant(_as_it_is, _setting(latent_square_decay=0.999)),
    "learned step sizes of latents": Variant(_as_it_is, _setting(latent_step_index=None)),
    "twice the learning rate of weights": Variant(_as_it_is, lambda settings: replace(settings, lr=2 * settings.lr)),
    "pyramid": Variant(lambda still, size: pyramid.for_bytes(still.video, 1, size)),
}


def measurement(
    clips: Sequence[str], bpp: float, iterations: int, seeds: Sequence[int], variants: Sequence[str]
) -> Measurement:
    """A row for each clip's first frame, variant and seed, all fitted for `bpp` with equal iterations.

    Raises:
        KeyError: there is no variant of a name.
    """
    chosen = {name: VARIANTS[name] for name in variants}
    note = (
        f"First frames, fitted for {bpp:g} bits a pixel of payload in {iterations} iterations and one thread, and "
        "decoded from their integers."
    )
    stills = (Excerpt.read(clip, 0, 1) for clip in clips)
    return Measurement("stills", "Parts of a still's fit", COLUMNS, rows(stills, chosen, bpp, iterations, seeds), note)
