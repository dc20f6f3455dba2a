"""The loop of all training: it looks, tells and saves when it should, and goes on from where it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from nqcodec.training.checkpoint import Checkpoint, State
from nqcodec.training.progress import Progress
from nqcodec.training.session import Measured, Report, TrainingSession


@dataclass
class Counter:
    """A trainer that counts; its loss is the iteration's number from 1 on."""

    done: int = 0
    looks: list[int] = field(default_factory=list)

    def iterate(self) -> Measured:
        self.done += 1
        return Measured(torch.tensor(float(self.done)), torch.tensor(10.0 * self.done))

    def look(self) -> Report:
        self.looks.append(self.done)
        return Report(100.4, 0.5, {"op1_weight": torch.tensor([1.0, 3.0])})

    def state(self) -> State:
        return State({}, {"done": self.done})


def test_it_looks_at_every_interval_and_at_the_end_and_tells_means_since_then() -> None:
    seen: list[Progress] = []
    trainer, session = Counter(), TrainingSession("fit", 10, 4, seen.append)
    session.run(trainer, 10)
    assert trainer.looks == [4, 8, 10]
    assert [(p.stage, p.iteration, p.iterations) for p in seen] == [("fit", n, 10) for n in (4, 8, 10)]
    assert [p.loss for p in seen] == [2.5, 6.5, 9.5]
    assert [p.psnr for p in seen] == [25, 65, 95]
    assert [p.eta == 0 for p in seen] == [False, False, True]
    assert seen[0].figures() == {"loss": 2.5, "lambda": 0.5, "step_index op1_weight": 2.0}
    assert {p.size for p in seen} == {100}


def test_what_it_ends_with_can_take_the_place_of_the_last_look() -> None:
    seen: list[Progress] = []
    trainer, session = Counter(), TrainingSession("fit", 8, 4, seen.append, tells_last=False)
    session.run(trainer, 8)
    session.end(trainer.done, 30.0, Report())
    assert trainer.looks == [4, 8]
    assert [(p.iteration, p.psnr) for p in seen] == [(4, 25.0), (8, 30.0)]
    assert seen[-1].figures() == {"loss": 6.5}


def test_phases_of_one_session_run_one_after_the_other_and_a_resumed_one_goes_on() -> None:
    trainer, session = Counter(done=7), TrainingSession("fit", 20, 8)
    session.run(trainer, 5)
    assert trainer.done == 7
    session.run(trainer, 15)
    assert (trainer.done, trainer.looks) == (15, [8])
    session.stopped = True
    session.run(trainer, 20)
    assert trainer.done == 15


def test_stop_is_asked_at_looks_alone_and_keeps_the_state(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "state.safetensors", "a fingerprint")
    trainer, answers = Counter(), iter([False, True])
    session = TrainingSession("fit", 20, 4, stop=lambda: next(answers), checkpoint=kept)
    session.run(trainer, 20)
    assert (trainer.done, session.stopped) == (8, True)
    assert kept.load() == State({}, {"done": 8})


@pytest.mark.parametrize("at", [3, 4])
def test_an_interrupt_ends_it_at_once_and_keeps_the_state(at: int, tmp_path: Path) -> None:
    """Between looks there is none."""
    kept = Checkpoint(tmp_path / "state.safetensors", "a fingerprint")
    trainer = Counter()
    session = TrainingSession("fit", 20, 4, checkpoint=kept, interrupted=lambda: trainer.done == at)
    session.run(trainer, 20)
    assert (trainer.done, trainer.looks) == (at, [4] if at == 4 else [])
    assert kept.load() == State({}, {"done": at})
