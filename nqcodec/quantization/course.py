"""The course of a calibration: steps are counted, the size is steered, progress is told, and state is kept on disk.

What a step does depends on its number and the state alone, so a calibration that was stopped and resumed gives the
same network as one that ran through.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nqcodec.errors import InputError
from nqcodec.quantization.control import RateControl
from nqcodec.quantization.settings import Progress, QuantProgress
from nqcodec.training.checkpoint import read_tensors, write_tensors
from nqcodec.training.train import CHECKPOINT_SECONDS

CONTROL_STEPS = 8
"""Steps between two looks at the size, and at `stop`."""

KIND = "nqcodec calibration"
"""Of the file that holds a calibration's state, beside those of `nqcodec.training.checkpoint`."""


@dataclass(frozen=True)
class State:
    """A calibration at one of its steps: tensors by name, and facts that JSON holds exactly."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def __or__(self, other: State) -> State:
        return State(self.tensors | other.tensors, self.facts | other.facts)

    def within(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix` and a dot, by the rest of their names."""
        start = f"{prefix}."
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}


@dataclass
class Store:
    """The file that keeps a calibration's state; `fingerprint` ties it to everything that the result depends on."""

    path: Path
    fingerprint: str
    saved: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        """Whether so much time has passed since the last save that a crash would hurt."""
        return time.monotonic() - self.saved > CHECKPOINT_SECONDS

    def save(self, state: State) -> None:
        """Write a state; raises OutputError if that fails."""
        metadata = {"facts": json.dumps(state.facts), "fingerprint": self.fingerprint}
        write_tensors(self.path, KIND, state.tensors, metadata)
        self.saved = time.monotonic()

    def load(self) -> State | None:
        """The state that was saved, None if there is none.

        Raises:
            InputError: if the file is damaged, or of another network, clip, size or settings.
        """
        if not self.path.exists():
            return None
        tensors, metadata = read_tensors(self.path, KIND)
        if metadata.get("fingerprint") != self.fingerprint:
            raise InputError(
                f"{self.path}: this calibration is of another network, clip, size or settings: "
                "repeat the options that it was made with, or start without --resume"
            )
        return State(tensors, json.loads(metadata["facts"]))


def fingerprint(claims: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """A digest of settings that JSON holds, and of tensors by name."""
    digest = hashlib.blake2b(json.dumps(claims, sort_keys=True).encode(), digest_size=16)
    for name, value in tensors.items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


@dataclass
class Course:
    """Counts the steps of a calibration; every `CONTROL_STEPS` looks at the size, at `stop` and at the clock.

    Attributes:
        control: steered by the size.
        steps: all that there are.
        done: those taken, before a resume too.
        resumed: the state to go on from, for the phase that it was saved in.
        stopped: whether `stop` ended it early.
        figures: gives what else progress tells of the calibration as it is now, or None.
    """

    control: RateControl
    steps: int
    progress: Progress | None = None
    stop: Callable[[], bool] | None = None
    store: Store | None = None
    done: int = 0
    resumed: State | None = None
    stopped: bool = False
    figures: Callable[[], dict[str, float]] | None = None
    _levels: list[Tensor] = field(default_factory=list)
    _first: int = 0
    _begin: float = field(default_factory=time.monotonic)

    def resume(self, state: State) -> None:
        """Go on from the step of a saved state."""
        self.resumed = state
        self.done = self._first = state.facts["done"]

    def left(self, first: int, count: int) -> Iterator[int]:
        """The numbers, from 0, of those of `count` steps that are still to be taken; the first is step `first` of all.

        Ends early where the course is stopped.
        """
        for step in range(max(self.done - first, 0), count):
            if self.stopped:
                return
            yield step

    def step(self, level: Tensor | None, size: Callable[[], float], state: Callable[[], State], learn: bool) -> None:
        """Count a step, with the mean PSNR of its frames if it has one.

        Args:
            size: gives the file's bytes as it is now.
            state: gives what a resume needs.
            learn: whether the size tells something lasting about the price (`RateControl.update`).
        """
        self.done += 1
        if level is not None:
            self._levels.append(level)
        if self.done % CONTROL_STEPS and self.done < self.steps:
            return
        now = size()
        self.control.update(8 * now, learn=learn)
        if self.done < self.steps:
            self._tell(now, float(torch.stack(self._levels).mean()) if self._levels else None)
        self._levels = []
        self.stopped = self.stop is not None and self.stop()
        if self.store and (self.stopped or self.store.due):
            self.store.save(state() | State({}, {"done": self.done}))

    def finish(self, state: State) -> None:
        """Keep the state that everything has ended with, unless it was stopped on the way."""
        if self.store and not self.stopped:
            self.store.save(state | State({}, {"done": self.done, "finished": True}))

    def end(self, level: float, size: int) -> None:
        """Tell what everything has ended with, in the place of the last step's figures: PSNR-YUV in dB over all frames
        and the file's bytes."""
        self._tell(size, level)

    def _tell(self, size: float, level: float | None) -> None:
        if self.progress:
            elapsed = time.monotonic() - self._begin
            eta = elapsed / max(self.done - self._first, 1) * (self.steps - self.done)
            figures = self.figures() if self.figures else {}
            # A calibration without steps is told as one.
            done, steps = (max(count, 1) for count in (self.done, self.steps))
            self.progress(QuantProgress("finetune", done, steps, level, round(size), elapsed, eta, figures))
