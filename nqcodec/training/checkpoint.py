"""Fits on disk: resumable checkpoints and finished float fits, as safetensors with JSON metadata, never pickled.

A file is written whole under a temporary name and then renamed, so an interrupted write leaves the previous one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.optim import Optimizer

from nqcodec.errors import InputError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network.operations import operation_from_dict, operation_to_dict
from nqcodec.network.program import Program
from nqcodec.training.network import FloatNetwork

if TYPE_CHECKING:
    from nqcodec.training.train import Trainer

VERSION = 1
"""Of both kinds of file; one that is not this version is refused."""

EXTRA = "extra."
"""Before the names of a fit's tensors that are not the network's."""

KIND_CHECKPOINT, KIND_FIT = "nqcodec checkpoint", "nqcodec fit"


@dataclass(frozen=True)
class Checkpoint:
    """Where a fit saves its state, and the fingerprint that ties the file to clip, program and settings."""

    path: Path
    fingerprint: str

    @staticmethod
    def open(path: Path, trainer: Trainer, *, resume: bool) -> Checkpoint:
        """A checkpoint at `path` for `trainer`, whose state is loaded from it if `resume` and the file exists.

        Raises:
            InputError: if the file is damaged, or of another clip, program or settings.
        """
        checkpoint = Checkpoint(path, fingerprint(trainer))
        if resume and path.exists():
            checkpoint._load(trainer)
        return checkpoint

    def save(self, trainer: Trainer) -> None:
        """Write the state; raises OutputError if that fails."""
        metadata = {"step": str(trainer.done), "fingerprint": self.fingerprint}
        write_tensors(self.path, KIND_CHECKPOINT, _state(trainer), metadata)

    def _load(self, trainer: Trainer) -> None:
        tensors, metadata = read_tensors(self.path, KIND_CHECKPOINT)
        if metadata.get("fingerprint") != self.fingerprint:
            raise InputError(
                f"{self.path}: this checkpoint is of another clip, network or settings: "
                "repeat the options that it was made with, or start without --resume"
            )
        _restore(trainer, tensors)
        trainer.done = int(metadata["step"])


def fingerprint(trainer: Trainer) -> str:
    """A digest of everything that a fit's result depends on: samples, clip, program, settings, encoder or none."""
    claims = {
        "video": video_to_dict(trainer.clip.video),
        "program": program_to_dict(trainer.network.program),
        "settings": asdict(trainer.settings),
        "encoder": trainer.encoder is not None,
    }
    digest = hashlib.blake2b(json.dumps(claims, sort_keys=True).encode(), digest_size=16)
    digest.update(trainer.clip.data.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _state(trainer: Trainer) -> dict[str, Tensor]:
    """Every tensor of a fit's state by name; the optimizer's follow the order of its groups."""
    tensors = {f"network.{name}": value for name, value in trainer.network.tensors.items()}
    if trainer.encoder is not None:
        tensors |= {f"encoder.{name}": value for name, value in trainer.encoder.state_dict().items()}
    tensors |= {f"mask.{name}": value for name, value in trainer.masks.items()}
    if trainer.average is not None:
        tensors |= {f"average.{number}": value for number, value in enumerate(trainer.average.values)}
    return tensors | optimizer_tensors(trainer.optimizer)


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as tensors `optimizer.<number of the parameter>.<name>`."""
    tensors: dict[str, Tensor] = {}
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{number}.{name}"] = value
    return tensors


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; names that do not begin with `optimizer.` are passed over."""
    parameters = _parameters(optimizer)
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, field = name.split(".", 2)
            parameter = parameters[int(number)]
            device = "cpu" if value.ndim == 0 else parameter.device
            # A copy: optimizers update in place, and what was read must stay as it was.
            optimizer.state[parameter][field] = value.to(device, copy=True)


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@torch.no_grad()
def _restore(trainer: Trainer, tensors: dict[str, Tensor]) -> None:
    for name, value in trainer.network.tensors.items():
        value.copy_(tensors[f"network.{name}"])
    if trainer.encoder is not None:
        trainer.encoder.load_state_dict({name: tensors[f"encoder.{name}"] for name in trainer.encoder.state_dict()})
    masks = {name.removeprefix("mask."): value for name, value in tensors.items() if name.startswith("mask.")}
    trainer.masks = {name: value.to(trainer.clip.device) for name, value in masks.items()}
    if trainer.average is not None:
        for number, value in enumerate(trainer.average.values):
            value.copy_(tensors[f"average.{number}"])
    restore_optimizer(trainer.optimizer, tensors)


@dataclass(frozen=True)
class SavedFit:
    """A finished fit.

    Attributes:
        video: the clip that it is of, `frames` those of its segment.
        network: the float network.
        extra: tensors by name of what the fit has beyond it: a rate-aware one's quantizers.
    """

    video: Video
    network: FloatNetwork
    extra: dict[str, Tensor]


def save_fit(path: Path, video: Video, network: FloatNetwork, extra: Mapping[str, Tensor] | None = None) -> None:
    """Write a fit for later encodes (`--save-fit`), with `extra` tensors; raises OutputError if that fails."""
    metadata = {
        "video": json.dumps(video_to_dict(video)),
        "program": json.dumps(program_to_dict(network.program)),
        "frames": str(network.frames),
    }
    more = {f"{EXTRA}{name}": value for name, value in (extra or {}).items()}
    write_tensors(path, KIND_FIT, dict(network.tensors.items()) | more, metadata)


def load_fit(path: Path) -> SavedFit:
    """Read what `save_fit` wrote (`--fit`).

    Raises:
        InputError: if the file is missing, damaged or something else.
    """
    tensors, metadata = read_tensors(path, KIND_FIT)
    try:
        video = video_from_dict(json.loads(metadata["video"]))
        program = program_from_dict(json.loads(metadata["program"]), video)
        network = FloatNetwork(program, int(metadata["frames"]))
        extra = {name.removeprefix(EXTRA): value for name, value in tensors.items() if name.startswith(EXTRA)}
        network.tensors.load_state_dict({name: value for name, value in tensors.items() if not name.startswith(EXTRA)})
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            raise ValueError("values that are no numbers")
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: this fit is damaged: its tensors do not match its program") from error
    return SavedFit(video, network, extra)


def program_to_dict(program: Program) -> dict[str, Any]:
    """A program as JSON values: each operation's name and fields."""
    return {"operations": [operation_to_dict(op) for op in program.operations]}


def program_from_dict(values: dict[str, Any], video: Video) -> Program:
    """The inverse of `program_to_dict`; raises KeyError, TypeError or ValueError for values that are no program."""
    return Program.of([operation_from_dict(entry) for entry in values["operations"]], video)


def video_to_dict(video: Video) -> dict[str, Any]:
    """A clip's description as JSON values."""
    values = asdict(video)
    return values | {"fps": str(video.fps), "sar": str(video.sar), "chroma": int(video.chroma)}


def video_from_dict(values: dict[str, Any]) -> Video:
    """The inverse of `video_to_dict`; raises KeyError, TypeError or ValueError for values that are no clip."""
    known = {field.name: values[field.name] for field in fields(Video)}
    changes = {"fps": Fraction(known["fps"]), "sar": Fraction(known["sar"]), "chroma": Chroma(known["chroma"])}
    return Video(**{**known, **changes, "colour": Colour(**known["colour"])})


def write_tensors(path: Path, kind: str, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors with what they are and what is known of them; raises OutputError if that fails."""
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    payload = safetensors.torch.save(plain, {"kind": kind, "version": str(VERSION), **metadata})
    with AtomicFile(path) as file:
        file.write(payload)


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors, metadata) of a file of `write_tensors`; raises InputError if it is missing, damaged or another kind."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a {kind}, or a damaged one") from error
    _check_kind(path, kind, metadata)
    return tensors, metadata


def _check_kind(path: Path, kind: str, metadata: dict[str, str]) -> None:
    if metadata.get("kind") != kind:
        raise InputError(f"{path}: not a {kind}")
    if metadata.get("version") != str(VERSION):
        raise InputError(f"{path}: a {kind} of version {metadata.get('version')}; this program reads version {VERSION}")
