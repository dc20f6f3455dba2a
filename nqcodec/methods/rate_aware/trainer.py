"""The rate-aware fit, top to bottom: J = D + lambda R with the file's own models, lambda steered to the size asked for.

`RateAwareTrainer.iterate` is one iteration: sample, forward, D + lambda R, backward, update. Every
`CONTROL_ITERATIONS` of them `look` takes the size and sets lambda. The result depends on the settings and
the state alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from nqcodec.methods.rate_aware.best_state import BestState
from nqcodec.methods.rate_aware.control import RoundedFile, SizeControl, Standing, expected_bits
from nqcodec.methods.rate_aware.gradients import combine
from nqcodec.methods.rate_aware.noise import Noise
from nqcodec.methods.rate_aware.passes import Passes
from nqcodec.methods.rate_aware.quantizer import FixedTensors, Quantizers
from nqcodec.methods.rate_aware.settings import RateAwareSettings
from nqcodec.network.integer_network import IntTensor
from nqcodec.training.checkpoint import (
    State,
    network_tensors,
    optimizer_tensors,
    restore_network,
    restore_optimizer,
)
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork
from nqcodec.training.optim import MuonAdam
from nqcodec.training.schedule import cosine, warm_up
from nqcodec.training.session import Measured, Report
from nqcodec.training.start import batch_frames

CONTROL_ITERATIONS = 25
"""Iterations between two looks at the size."""

REAL_SIZES = 4
"""With noise, one look in so many takes the real size by the file's coder, the others an estimate."""

PRUNINGS = 12
"""Most times that such a look also measures the saving by context pruning, which takes the time of five iterations. It
is 3 to 15 %, and small files would miss that many bytes if it were known only at the end."""

STEERING = 0.1
"""Part of the iterations after which lambda is steered: before, the size says little, because the network is new."""

MOST_SHIFT, SHIFT_RESOLUTION = 8.0, 0.02
"""Largest shift of step indices when they become whole, and the resolution of its search: a shift of 1 changes about 3
% of the bytes, and a fraction of 1 changes the indices of some tensors only."""

MOST_DELAY, LEAST_DELAY, DELAY_RATE = 0.2, 400, 0.2
"""Most iterations that rounding is put off by, as a part of all and at least, and their part of the learning rates."""

FACTS = ("done", "correction", "pruning_saved", "delayed", "rounded_size")
"""Attributes of a trainer that are saved beside its tensors."""

MOST_DEAD_ZONE, DEAD_ZONE_RESOLUTION = 0.25, 0.005
"""Widest dead zone by which the size is met where latents keep their step size, and the resolution of its search.
Another step size would round all latents anew, whose values are near whole numbers by then: it cost 4 dB."""

MOST_TRIM_SHIFT, TRIM_RESOLUTION = 2.0, 0.0005
"""Largest shift of step indices by which a PSNR above the one asked for is lowered to it, and the resolution of the
dead zone that does the rest: with one of 0.01 small files lose up to 0.2 dB."""

SizeOfTensors = Callable[[dict[str, IntTensor]], int]
"""Bytes of the whole file with given integer tensors."""


@dataclass
class RateAwareTrainer:
    """The state of one rate-aware fit; `network` is changed in place.

    Attributes:
        control: lambda, in nats of the loss a bit.
        size_of: real size of the file.
        done: iterations taken.
        correction: bits that the real file has beyond the smooth estimate.
        pruning_saved: bytes that context pruning saved when that was last measured.
        delayed: iterations by which rounding is put off, because the file is still too large for it.
        rounded_size: bytes of the file at the last look at rounded values, 0 before.
        best: the best rounded state at a look so far whose file is small enough.
        psnrs: PSNR-YUV in dB of the frames of each iteration since the last look, scalars on the device.
        bits: R of the last iteration, a scalar on the device.
    """

    network: FloatNetwork
    clip: PackedClip
    settings: RateAwareSettings
    control: SizeControl
    size_of: SizeOfTensors
    quantizers: Quantizers
    done: int = 0
    correction: float = 0.0
    pruning_saved: int = 0
    delayed: int = 0
    rounded_size: int = 0
    best: BestState | None = None
    psnrs: list[Tensor] = field(default_factory=list)
    bits: Tensor = field(init=False)
    optimizer: MuonAdam = field(init=False)

    def __post_init__(self) -> None:
        self.optimizer = self._make_optimizer()
        self._peaks = [group["lr"] for group in self.optimizer.param_groups]
        self._passes = Passes(self.network, self.clip, self.settings)

    def close(self) -> None:
        """End the threads."""
        self._passes.close()

    @property
    def first_rounded(self) -> int:
        """Number of the first iteration with rounding and with whole step indices."""
        return self.settings.first_rounded + self.delayed

    @property
    def rounds(self) -> bool:
        """Whether values are rounded by now, instead of noisy; the first such iteration makes step indices whole."""
        return self.done >= self.first_rounded

    @property
    def iterations(self) -> int:
        """All iterations of the schedule, by now."""
        return self.settings.iterations + self.delayed

    @property
    def _remaining_fraction(self) -> float:
        """Part of the iterations with rounding that is still to come, 1 before them."""
        rounded = self.iterations - self.first_rounded
        return min(max((self.iterations - self.done) / max(rounded, 1), 0.0), 1.0)

    def iterate(self) -> Measured:
        """One iteration; D, the PSNR and R stay on the device."""
        settings, lmbda, values = self.settings, self.control.lmbda, dict(self.network.tensors.items())
        if self.done == self.first_rounded:
            self.freeze_steps()

        # Sample frames, and every tensor's values with noise or rounded.
        times = batch_frames(self.clip.frames, settings.batch, self.done, settings.seed).to(self.clip.device)
        sample = self.quantizers.sample(None if self.rounds else self._noise(), settings.threads)
        self.network.rounds_vectors = self.rounds

        # Forward: D of the frames and R of the symbols, each with its gradients with respect to the sample.
        found, charged = self._passes.gradients(times, sample, self.quantizers.contexts)

        # Backward: gradients of J = D + lambda R with respect to values, step indices and context models.
        by_value, by_step_index = combine(values, sample, found.gradients, charged, lmbda, settings.threads)
        for key, value in values.items():
            fixed = settings.latent_step_index is not None and key in self.quantizers.contexts
            value.grad = None if fixed and self.rounds else by_value[key]
            keeps = fixed or self.rounds or key in self.quantizers.vectors
            self.quantizers.step_indices[key].grad = None if keeps else by_step_index[key]
        for key, gradients in charged.contexts.items():
            for parameter, gradient in zip(self.quantizers.contexts[key].parameters(), gradients, strict=True):
                parameter.grad = gradient * lmbda

        # Update all of them.
        part = self._learning_rate()
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * part
        self.optimizer.step()
        self.bits = charged.bits
        self.psnrs.append(found.psnr)
        self.done += 1
        self._delay_rounding()
        return Measured(found.loss, found.psnr)

    def _delay_rounding(self) -> None:
        """Put off rounding that is due now, if latents keep their values then and the file is still too large.

        It becomes smaller by coarser step sizes of latents. These do little harm only as long as latents still move.
        """
        most = max(round(MOST_DELAY * self.settings.iterations), LEAST_DELAY)
        is_due = self.done == self.first_rounded
        if not is_due or self.settings.latent_step_index is None or self.delayed >= most:
            return
        if 8 * self.final_size() * self.settings.aim > self.control.target:
            self.delayed += CONTROL_ITERATIONS
            for key in self.quantizers.contexts:
                self.quantizers.step_indices[key].add_(1.0)

    def _noise(self) -> Noise:
        """Noise that depends on settings and iteration alone."""
        settings = self.settings
        seed = (settings.seed * 0x9E3779B1 + self.done * 2654435761 + 1) & 0xFFFFFFFF
        generator = torch.Generator(self.clip.device).manual_seed(seed)
        part = min(self.done / max(settings.first_rounded, 1), 1.0)
        first, last = settings.first_temperature, settings.last_temperature
        temperature = first + part * (last - first)
        if settings.deviations is None:
            return Noise(generator, temperature, settings.peak + part * (1 - settings.peak))
        wide, narrow = settings.deviations
        return Noise(generator, temperature, deviation=wide + part * (narrow - wide))

    def _learning_rate(self) -> float:
        """Part of the peak learning rates: a linear warm-up, then a cosine down to `floor`, where it stays, but for
        iterations that put off rounding."""
        settings = self.settings
        if not self.rounds and self.done >= settings.first_rounded:
            return DELAY_RATE
        warmth = warm_up(self.done, settings.warmup * settings.iterations)
        return warmth * max(cosine(min(self.done / settings.iterations, 1.0), 1.0), settings.floor)

    def look(self) -> Report:
        """Look at the size, and set lambda by it."""
        smooth = float(self.bits)
        if not self.rounds:
            self.quantizers.keep_symbol_ranges()
        # The start of rounding changes the estimate at once but hardly the size, so the real size is taken every time.
        if self.rounds:
            self.rounded_size = self.final_size()
            self.correction = 8.0 * self.rounded_size - smooth
            self._keep_best()
        elif self._measures(REAL_SIZES):
            if self._measures(
                REAL_SIZES * -(-self.settings.iterations // (CONTROL_ITERATIONS * REAL_SIZES * PRUNINGS))
            ):
                self.pruning_saved = self.size_of(self.quantizers.integers()) - self.final_size()
            self.correction = 8.0 * self.real_size() - smooth
        # The correction may be old: if the estimate has fallen by more than that since, their sum could be below 0.
        size = max(smooth + self.correction, 1.0)
        if self.done >= STEERING * self.settings.iterations:
            self.control.steer(self._standing(size))
        self.psnrs = []
        return self.report(size / 8)

    def _standing(self, size: float) -> Standing:
        """Where the fit stands with a file of `size` bits."""
        iterations, psnr = self.settings.iterations, float(torch.stack(self.psnrs).mean())
        done, step = self.done / iterations, CONTROL_ITERATIONS / iterations
        return Standing(size, self._expected, psnr, done, step, self.rounds)

    def _measures(self, looks: int) -> bool:
        """Whether this look at the size, the first or one of so many, is one of those that measure more."""
        return self.done == CONTROL_ITERATIONS or self.done % (CONTROL_ITERATIONS * looks) == 0

    def report(self, size: float) -> Report:
        """The report for a file of `size` bytes."""
        return Report(size, self.control.lmbda, self.quantizers.step_indices)

    @property
    def _expected(self) -> float:
        """Bits that the file should have by now."""
        return expected_bits(
            self.control.target, self.done / self.settings.iterations, self._remaining_fraction, self.settings.excess
        )

    def freeze_steps(self) -> None:
        """Make step indices whole, and, if latents learn theirs and the file is too large, all of them coarser alike.

        They never become finer: that rounds all values anew and spends bytes without a gain (docs/experiments.md).
        """
        learned = self._step_indices()
        self._shift(learned, 0.0)
        most = (self.control.target + self._expected) / 2
        if self.settings.latent_step_index is None and 8 * self.final_size() > most:
            self._search(partial(self._shift, learned), self._expected / 8, 0.0, MOST_SHIFT, SHIFT_RESOLUTION)

    @property
    def most_bytes(self) -> float:
        """Bytes that the file may have, infinite where no size is asked for."""
        target = self.control.target / 8 / self.settings.aim
        return round(target) if math.isfinite(target) else target

    @property
    def is_full(self) -> bool:
        """Whether the file has outgrown its bytes since a state that goes into them. It would go on growing, because
        lambda hardly slows rounded values, so nothing better is to be expected."""
        return self.best is not None and self.rounded_size > self.most_bytes

    def _keep_best(self) -> None:
        """Keep this state if its file is small enough and no other is better."""
        # Until the first iteration with rounding, step indices are not whole, and nothing has adapted to it.
        has_rounded = self.done > self.first_rounded
        if not has_rounded or self.rounded_size > self.most_bytes:
            return
        now = RoundedFile(self.psnr(), self.rounded_size)
        if self.best is None or self.control.prefers(now, self.best):
            self.best = BestState.of(self.network, self.quantizers, now)

    def meet(self, size: float, most: float) -> None:
        """Make all step sizes coarser or finer alike, by whole indices, to the finest whose file has at most `size`
        bytes. Where latents have a step size given, a dead zone is tried first, and step sizes never become finer.

        Args:
            most: largest shift of the indices, on average.
        """
        finest = -most
        if self.settings.latent_step_index is not None:
            self._search(self._set_dead_zone, size, 0.0, MOST_DEAD_ZONE, DEAD_ZONE_RESOLUTION)
            if self.final_size() <= size:
                return
            self._set_dead_zone(0.0)
            finest = 0.0
        self._search(partial(self._shift, self._step_indices()), size, finest, most, SHIFT_RESOLUTION)

    def trim(self, psnr: float) -> None:
        """Make all step sizes coarser alike, unless latents have one given, and round more values to 0, as long as the
        rounded network still has `psnr` dB, so that its file becomes smaller."""
        if self.psnr() < psnr:
            return
        if self.settings.latent_step_index is None:
            self._widen(partial(self._shift, self._step_indices()), psnr, MOST_TRIM_SHIFT, SHIFT_RESOLUTION)
        self._widen(self._set_dead_zone, psnr, MOST_DEAD_ZONE, TRIM_RESOLUTION)

    def _widen(self, change: Callable[[float], None], psnr: float, most: float, resolution: float) -> None:
        """Apply the largest change from 0 to `most` with which the rounded network has `psnr` dB, to within
        `resolution`; none at all has them."""
        low, high = 0.0, most
        while high - low > resolution:
            middle = (low + high) / 2
            change(middle)
            if self.psnr() < psnr:
                high = middle
            else:
                low = middle
        change(low)

    def _step_indices(self) -> dict[str, float]:
        return {key: float(index) for key, index in self.quantizers.step_indices.items()}

    def _search(self, change: Callable[[float], None], size: float, low: float, high: float, resolution: float) -> None:
        """Apply the least change from `low` to `high` whose file has at most `size` bytes, to within `resolution`."""
        while high - low > resolution:
            middle = (low + high) / 2
            change(middle)
            if self.final_size() > size:
                low = middle
            else:
                high = middle
        change(high)

    def _set_dead_zone(self, width: float) -> None:
        self.quantizers.dead_zone = width

    def _shift(self, learned: dict[str, float], shift: float) -> None:
        """Whole step indices, `shift` coarser than those learned, but coarse enough for every value."""
        self.quantizers.set_step_indices(learned)
        self.quantizers.set_step_indices(self.quantizers.whole_indices(shift))
        self.quantizers.keep_symbol_ranges()

    def real_size(self) -> int:
        """Bytes of the file if the fit ended now, with the last measured saving by context pruning."""
        return self.size_of(self.quantizers.integers()) - self.pruning_saved

    def final_size(self) -> int:
        """Bytes of the file if the fit ended now, exactly."""
        return self.size_of(self.quantizers.integers(final=True))

    def rounded(self) -> FixedTensors:
        """A `Transform` of the tensors as the file would hold them now."""
        return FixedTensors(self.quantizers.sample(None).used)

    def psnr(self) -> float:
        """PSNR-YUV in dB if the fit ended now, the mean over all frames, but for the rounding of maps."""
        self.network.rounds_vectors = True
        return self._passes.psnr(self.quantizers.sample(None))

    def state(self) -> State:
        """All that iterations have changed."""
        tensors = network_tensors(self.network) | self.quantizers.tensors() | optimizer_tensors(self.optimizer)
        facts = {name: getattr(self, name) for name in FACTS}
        facts["dead_zone"] = self.quantizers.dead_zone
        facts["psnrs"] = [float(psnr) for psnr in self.psnrs]
        state = State(tensors, facts | self.control.facts())
        return state | self.best.state() if self.best else state

    def restore(self, state: State) -> None:
        """Go on from a saved state."""
        restore_network(self.network, state)
        self.quantizers.load(state.tensors)
        restore_optimizer(self.optimizer, state.tensors)
        for name in FACTS:
            setattr(self, name, state.facts[name])
        self.quantizers.dead_zone = state.facts["dead_zone"]
        self.psnrs = [torch.tensor(psnr, device=self.clip.device) for psnr in state.facts["psnrs"]]
        self.control.restore(state.facts)
        self.best = BestState.restored(state)

    def _make_optimizer(self) -> MuonAdam:
        settings, tensors = self.settings, self.network.tensors
        weights, biases, latents = (
            [value for key, value in tensors.items() if key.endswith(name)] for name in ("_weight", "_bias", "_latent")
        )
        models = [value for weights in self.quantizers.contexts.values() for value in weights.parameters()]
        groups = [
            {"params": weights, "lr": settings.lr, "decay": settings.decay, "muon": True},
            {"params": biases, "lr": settings.rest_lr},
            {"params": latents, "lr": settings.latent_lr, "betas": (0.9, settings.latent_square_decay)},
            {"params": list(self.quantizers.step_indices.values()), "lr": settings.step_index_lr},
            {"params": models, "lr": settings.context_lr},
        ]
        return MuonAdam([group for group in groups if group["params"]], threads=settings.threads)
