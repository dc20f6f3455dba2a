"""A calibration that is cut short and resumed ends as one that ran through; its file is tied to what it is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fitted_networks import fitted_network
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.errors import InputError
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.quantization.settings import CALIBRATIONS, QuantSettings
from nqcodec.training import checkpoint
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork
from nqcodec.training.progress import Progress

SIZE = 1500


@pytest.fixture(scope="module")
def fitted() -> tuple[FloatNetwork, PackedClip]:
    video, frames = small_clip()
    program = hnerv.build(video, video.frames, 3000)
    return fitted_network(program, video, frames, 200)


def size_of(network: IntegerNetwork) -> int:
    return pack_segment(network).size


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
    """Crashed at an iteration of each phase, and once more after a resume, then after the calibration."""
    network, clip = fitted
    if hadamard == "all" and calibration != "tune":
        pytest.skip("one calibration with every kind of state is enough")
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    settings = QuantSettings(
        finetune_iterations=64, calibration=calibration, allocation="fisher", hadamard=hadamard, frames=2
    )
    path = tmp_path / "state.safetensors"
    reached: list[int] = []

    def run(cut: int | None, resume: bool) -> bytes:
        def log(event: Progress) -> None:
            if event.stage == "finetune":
                reached.append(event.iteration)
                if event.iteration == cut:
                    raise CutError

        coded = quantize(
            network,
            clip,
            max_bytes=SIZE,
            size_of=size_of,
            settings=settings,
            progress=log,
            checkpoint=path,
            resume=resume,
        )
        return pack_segment(coded).coded

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
    assert reached == [places[-1]], "the final figures are reported again, and no iteration is run"


def test_what_is_stopped_is_kept_but_not_as_finished(fitted: tuple[FloatNetwork, PackedClip], tmp_path: Path) -> None:
    network, clip = fitted
    settings = QuantSettings(finetune_iterations=64, allocation="fisher", frames=2)
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
        return pack_segment(coded).coded

    whole = run(False, resume=False)
    assert run(True, resume=False) != whole
    assert run(False, resume=True) == whole
    with pytest.raises(InputError, match="another network, clip, size or settings"):
        run(False, resume=True, seed=1)
