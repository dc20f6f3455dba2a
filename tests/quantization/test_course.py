"""A calibration that is cut short and resumed ends as one that ran through; its file is tied to what it is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.errors import InputError
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.quantization import course
from nqcodec.quantization.control import RateControl
from nqcodec.quantization.course import Course, State, Store, fingerprint
from nqcodec.quantization.settings import CALIBRATIONS, QuantProgress, QuantSettings
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.network import FloatNetwork
from nqcodec.training.train import FitSettings, fit, new_network

SIZE = 1500


@pytest.fixture(scope="module")
def fitted() -> tuple[FloatNetwork, PackedClip]:
    video, frames = small_clip()
    program = hnerv.build(video, video.frames, 3000)
    clip = pack(frames, video, program)
    settings = FitSettings(200, dtype="float32")
    network = new_network(program, video.frames, settings)
    fit(network, clip, settings)
    return network, clip


def size_of(network: IntegerNetwork) -> int:
    return len(pack_segment(network).payload)


class CutError(Exception):
    """Stands for a crash."""


@pytest.mark.parametrize("hadamard", ["off", "all"])
@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_a_crash_anywhere_changes_nothing(
    fitted: tuple[FloatNetwork, PackedClip],
    calibration: str,
    hadamard: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Crashed at a step of each phase, and once more after a resume, then after the calibration."""
    network, clip = fitted
    if hadamard == "all" and calibration != "tune":
        pytest.skip("one calibration with every kind of state is enough")
    monkeypatch.setattr(course, "CHECKPOINT_SECONDS", 0.0)
    settings = QuantSettings(
        finetune_steps=64, calibration=calibration, allocation="fisher", hadamard=hadamard, frames=2
    )
    path = tmp_path / "state.safetensors"
    reached: list[int] = []

    def run(cut: int | None, resume: bool) -> bytes:
        def tell(event: QuantProgress) -> None:
            if event.stage == "finetune":
                reached.append(event.step)
                if event.step == cut:
                    raise CutError

        coded = quantize(
            network,
            clip,
            max_bytes=SIZE,
            size_of=size_of,
            settings=settings,
            progress=tell,
            checkpoint=path,
            resume=resume,
        )
        return pack_segment(coded).payload

    whole = run(None, resume=False)
    places = reached.copy()
    path.unlink()
    for cut in (places[1], places[-2]):
        with pytest.raises(CutError):
            run(cut, resume=True)
    reached.clear()
    assert run(None, resume=True) == whole
    assert reached == places[places.index(places[-2]) :], "what had been saved must not be done again"
    reached.clear()
    assert run(None, resume=True) == whole
    assert reached == [places[-1]], "what it ended with is told again, and nothing is done"


def test_what_is_stopped_is_kept_but_not_as_finished(fitted: tuple[FloatNetwork, PackedClip], tmp_path: Path) -> None:
    network, clip = fitted
    settings = QuantSettings(finetune_steps=64, allocation="fisher", frames=2)
    path = tmp_path / "state.safetensors"

    def run(stopped: bool, resume: bool, **changes: object) -> bytes:
        how = replace(settings, **changes)  # type: ignore[arg-type]
        coded = quantize(
            network,
            clip,
            max_bytes=SIZE,
            size_of=size_of,
            settings=how,
            stop=lambda: stopped,
            checkpoint=path,
            resume=resume,
        )
        return pack_segment(coded).payload

    whole = run(False, resume=False)
    assert run(True, resume=False) != whole
    assert run(False, resume=True) == whole
    with pytest.raises(InputError, match="another network, clip, size or settings"):
        run(False, resume=True, seed=1)


def test_a_store_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3.0), "b.c": torch.ones(2, 2)}
    path = tmp_path / "state.safetensors"
    store = Store(path, fingerprint({"size": 1}, tensors))
    assert store.load() is None
    store.save(State(tensors, {"price": 0.1 + 0.2}))
    state = store.load()
    assert state is not None
    assert state.facts == {"price": 0.1 + 0.2}
    assert torch.equal(state.within("b")["c"], torch.ones(2, 2))
    with pytest.raises(InputError, match="another"):
        Store(path, fingerprint({"size": 2}, tensors)).load()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="damaged"):
        store.load()


def test_a_course_counts_on_from_where_it_was() -> None:
    whole = Course(RateControl(1000, 1.0), 20)
    whole.resume(State({}, {"done": 7}))
    assert list(whole.left(0, 5)) == []
    assert list(whole.left(5, 10)) == list(range(2, 10))
    whole.stopped = True
    assert list(whole.left(5, 10)) == []
