"""The loop of all training: it counts iterations, and at intervals checks the size, `stop` and the clock.

What an iteration does depends on its number and the trainer's state alone, never on the clock or on a generator's
state, so the same seed gives the same network on the same machine, and so does training that was stopped and resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from nqcodec.training.checkpoint import Checkpoint, State
from nqcodec.training.interrupt import interrupt_flag
from nqcodec.training.progress import Listener, Progress


@dataclass(frozen=True)
class Measured:
    """The figures of an iteration, scalars on the device: its loss without the rate's part, and the mean PSNR-YUV of
    its frames in dB, None if it computes no frames."""

    loss: Tensor
    psnr: Tensor | None


@dataclass(frozen=True)
class Report:
    """The figures of a look at the training: bytes of the file as it is now, lambda, and step indices by tensor key."""

    size: float | None = None
    lmbda: float | None = None
    step_indices: Mapping[str, Tensor] = field(default_factory=dict)


class Trainer(Protocol):
    """A training method that a session runs."""

    @property
    def done(self) -> int:
        """Iterations taken, before a resume too."""

    def iterate(self) -> Measured:
        """Run one iteration, which must not wait for the device."""

    def look(self) -> Report:
        """Measure the size, if there is one, and steer by it."""

    def state(self) -> State:
        """All that iterations have changed."""


@dataclass
class TrainingSession:
    """Runs trainers, one after the other if training has several phases.

    Attributes:
        stage: its name in progress reports.
        iterations: the number of all iterations.
        interval: iterations between two looks; each makes a GPU wait for the host.
        stop: asked at every look; True ends the training.
        checkpoint: where the state is saved now and then, and when the training ends early.
        reports_last: whether the look after the last iteration is reported; False if `end` reports in its place.
        interrupted: asked after every iteration; see `interrupt_flag`.
        stopped: whether the training ended early.
    """

    stage: str
    iterations: int
    interval: int
    progress: Listener | None = None
    stop: Callable[[], bool] | None = None
    checkpoint: Checkpoint | None = None
    reports_last: bool = True
    interrupted: Callable[[], bool] = lambda: False
    stopped: bool = False
    _first: int | None = field(init=False, default=None)
    _begin: float = field(init=False, default_factory=time.monotonic)
    _losses: list[Tensor] = field(init=False, default_factory=list)
    _psnrs: list[Tensor] = field(init=False, default_factory=list)
    _last_loss: list[Tensor] = field(init=False, default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begin

    def run(self, trainer: Trainer, until: int) -> None:
        """Run the remaining iterations up to number `until`; none once the session has stopped."""
        while trainer.done < until and not self.stopped:
            self.iterate(trainer)

    def iterate(self, trainer: Trainer) -> None:
        """Run one iteration, with its report, checkpoint and check for an interrupt."""
        if self._first is None:
            self._first = trainer.done
        measured = trainer.iterate()
        self._last_loss = [measured.loss]
        self._losses.append(measured.loss)
        if measured.psnr is not None:
            self._psnrs.append(measured.psnr)
        if trainer.done % self.interval == 0 or trainer.done >= self.iterations:
            self._look(trainer)
        elif self.interrupted():
            self.stopped = True
            self.save(trainer.state())

    def save(self, state: State) -> None:
        """Save a state, if there is a checkpoint."""
        if self.checkpoint:
            self.checkpoint.save(state)

    def end(self, iterations: int, psnr: float, report: Report) -> None:
        """Report the final figures: PSNR-YUV in dB over all frames, and those of the file that is made."""
        self.iterations = iterations
        self._report(iterations, psnr, report)

    def _look(self, trainer: Trainer) -> None:
        report = trainer.look()
        if self.reports_last or trainer.done < self.iterations:
            self._report(trainer.done, _mean(self._psnrs), report)
        self._psnrs = []
        self.stopped = self.interrupted() or (self.stop is not None and self.stop())
        if self.checkpoint and (self.stopped or self.checkpoint.due):
            self.save(trainer.state())

    def _report(self, done: int, psnr: float | None, report: Report) -> None:
        if self.progress is None:
            self._losses = []
            return
        # Without an iteration since the last report, the loss of the last iteration is reported.
        loss = _mean(self._losses or self._last_loss)
        self._losses = []
        seconds, taken = self.seconds, done - (done if self._first is None else self._first)
        self.progress(
            Progress(
                self.stage,
                # Training without iterations is reported as one of one.
                max(done, 1),
                max(self.iterations, 1),
                seconds,
                seconds / max(taken, 1) * (self.iterations - done),
                loss,
                psnr,
                None if report.size is None else round(report.size),
                report.lmbda,
                _means(report.step_indices),
            )
        )


@contextmanager
def interruptible(session: TrainingSession) -> Iterator[TrainingSession]:
    """Let Ctrl-C and the like end the session between iterations; the end of the block then raises
    KeyboardInterrupt."""
    with interrupt_flag() as interrupted:
        session.interrupted = interrupted
        yield session
        if interrupted():
            raise KeyboardInterrupt


def _mean(values: list[Tensor]) -> float | None:
    return float(torch.stack(values).mean()) if values else None


def _means(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Means by key, with a single wait for the device instead of one a tensor."""
    if not values:
        return {}
    means = torch.stack([value.detach().mean() for value in values.values()]).tolist()
    return dict(zip(values, means, strict=True))
