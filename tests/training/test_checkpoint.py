"""Checkpoints, saved fits and the JSON forms of clips and programs."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from nqcodec.backbones import hnerv
from nqcodec.errors import InputError, OutputError
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network.operations import Concat, Conv, Grid, Operation, Planes, Warp, Window
from nqcodec.network.program import Program
from nqcodec.training import checkpoint
from nqcodec.training.checkpoint import (
    Checkpoint,
    State,
    load_fit,
    optimizer_tensors,
    restore_optimizer,
    save_fit,
)
from nqcodec.training.network import FloatNetwork
from nqcodec.training.optim import MuonAdam

VIDEO = Video(35, 21, 4, Fraction(30000, 1001), Chroma.C422, 10, Colour(9, 16, 9, True, 2), Fraction(4, 3))


def make() -> FloatNetwork:
    return FloatNetwork(hnerv.build(VIDEO, 4, 3_000), 4, torch.Generator().manual_seed(1))


def test_dictionaries_survive_json() -> None:
    paper = Video(1280, 640, 132, chroma=Chroma.C444)
    for video, program in ((VIDEO, make().program), (paper, hnerv.build_preset("bunny-3m", paper, 132))):
        values = json.loads(json.dumps([checkpoint.video_to_dict(video), checkpoint.program_to_dict(program)]))
        assert checkpoint.video_from_dict(values[0]) == video
        assert checkpoint.program_from_dict(values[1], video) == program


def test_windows_and_warps_survive_json() -> None:
    video = Video(8, 6, 4, chroma=Chroma.C400)
    operations: list[Operation] = [
        Grid((), 2, 4, 9, 8),
        Window((0,), 6, 8, 1, 3, ((0, 16, 0), (3, 3, 0))),
        Conv((1,), 2, 3),
        Warp((1, 2), 4),
        Concat((1, 3)),
        Conv((4,), 1, 1),
        Planes((5,), 1),
    ]
    program = Program.of(operations, video)
    again = checkpoint.program_from_dict(json.loads(json.dumps(checkpoint.program_to_dict(program))), video)
    assert again == program


def test_a_saved_fit_comes_back(tmp_path: Path) -> None:
    network, path = make(), tmp_path / "clip.fit"
    save_fit(path, VIDEO, network)
    again = load_fit(path)
    assert again.video == VIDEO
    assert again.network.program == network.program
    assert again.network.frames == 4
    assert all(torch.equal(network.tensors[name], again.network.tensors[name]) for name in network.tensors)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.fit"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.fit"
    with pytest.raises(InputError, match="no such file"):
        load_fit(path)
    path.write_bytes(b"not a fit at all")
    with pytest.raises(InputError, match="not a nqcodec fit"):
        load_fit(path)
    save_fit(path, VIDEO, make())
    whole = path.read_bytes()
    for cut in (4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError):
            load_fit(path)
    path.write_bytes(whole.replace(b"nqcodec fit", b"nqcodec fat"))
    with pytest.raises(InputError, match="not a nqcodec fit"):
        load_fit(path)
    path.write_bytes(whole.replace(b'\\"times\\": 4', b'\\"times\\": 3'))
    with pytest.raises(InputError, match="damaged"):
        load_fit(path)


def test_an_unwritable_place_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        save_fit(tmp_path / "none" / "clip.fit", VIDEO, make())


def test_a_checkpoint_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3.0), "b.c": torch.ones(2, 2)}
    path = tmp_path / "state.safetensors"
    kept = Checkpoint(path, "one fingerprint")
    assert kept.load() is None
    kept.save(State(tensors, {"lmbda": 0.1 + 0.2}))
    state = kept.load()
    assert state is not None
    assert state.facts == {"lmbda": 0.1 + 0.2}
    assert torch.equal(state.within("b")["c"], torch.ones(2, 2))
    with pytest.raises(InputError, match="another network, clip, size or settings"):
        Checkpoint(path, "another").load()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="damaged"):
        kept.load()


def test_moments_of_another_shape_are_refused() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, 3))
    optimizer = MuonAdam([{"params": [parameter]}])
    parameter.grad = torch.ones(2, 3)
    optimizer.step()
    saved = {name: value.clone() for name, value in optimizer_tensors(optimizer).items()}
    optimizer.step()
    restore_optimizer(optimizer, saved)
    assert all(torch.equal(value, saved[name]) for name, value in optimizer_tensors(optimizer).items())
    damaged = State(saved | {"optimizer.0.mean": torch.ones(4)}, {})
    with pytest.raises(InputError, match=r"kept: this checkpoint is damaged: .* --fresh"):
        Checkpoint(Path("kept"), "").restore(lambda state: restore_optimizer(optimizer, state.tensors), damaged)


def test_a_checkpoint_is_due_once_its_time_has_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoint(tmp_path / "state.safetensors", "a fingerprint")
    assert not kept.due
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", -1.0)
    assert kept.due
