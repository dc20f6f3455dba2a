"""Training on disk: resumable checkpoints and finished fits, as safetensors with JSON metadata, never pickled.

A file is written whole under a temporary name and then renamed, so an interrupted write leaves the previous one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

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
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork

VERSION = 1
"""Of both kinds of file; one that is not this version is refused."""

EXTRA = "extra."
"""Prefix of the names of a fit's tensors that are not the network's."""

CHECKPOINT_SECONDS = 45.0
"""Least time between two saves while training goes on."""

COUNTS = ("count", "step")
"""An optimizer's states that count its iterations, on the CPU; all others are like their parameter."""

KIND_CHECKPOINT, KIND_FIT = "nqcodec checkpoint", "nqcodec fit"


@dataclass(frozen=True)
class State:
    """Training after one of its iterations: tensors by name, and facts that JSON holds exactly."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def __or__(self, other: State) -> State:
        return State(self.tensors | other.tensors, self.facts | other.facts)

    def within(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix` and a dot, by their names without it."""
        start = f"{prefix}."
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}


@dataclass
class Checkpoint:
    """The file that keeps the state of any training.

    Attributes:
        fingerprint: identifies everything that the result depends on.
        saved: time of the last save, in seconds of the monotonic clock.
    """

    path: Path
    fingerprint: str
    saved: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        """Whether at least `CHECKPOINT_SECONDS` have passed since the last save."""
        return time.monotonic() - self.saved > CHECKPOINT_SECONDS

    def save(self, state: State) -> None:
        """Write a state; raises OutputError if that fails."""
        metadata = {"facts": json.dumps(state.facts), "fingerprint": self.fingerprint}
        write_tensors(self.path, KIND_CHECKPOINT, state.tensors, metadata)
        self.saved = time.monotonic()

    def load(self) -> State | None:
        """The state that was saved, None if there is none.

        Raises:
            InputError: if the file is damaged, or of another network, clip, size or settings.
        """
        if not self.path.exists():
            return None
        tensors, metadata = read_tensors(self.path, KIND_CHECKPOINT)
        if metadata.get("fingerprint") != self.fingerprint:
            raise InputError(
                f"{self.path}: this checkpoint is of another network, clip, size or settings: "
                "repeat the options that it was made with, or start without --resume"
            )
        return State(tensors, json.loads(metadata["facts"]))

    def restore(self, restore: Callable[[State], None], state: State) -> None:
        """Go on from a state of this file by `restore`, a trainer's; raises InputError if its tensors do not fit it."""
        try:
            restore(state)
        except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.path}: this checkpoint is damaged: its tensors do not match the fit: start again with --fresh"
            ) from error


def open_checkpoint(
    path: Path | None, network: FloatNetwork, clip: PackedClip, claims: Mapping[str, Any], *, resume: bool
) -> tuple[Checkpoint | None, State | None]:
    """The checkpoint at `path`, tied to the `fingerprint` of the other arguments, and with `resume` its state.

    Raises:
        InputError: as `Checkpoint.load` does.
    """
    if path is None:
        return None, None
    checkpoint = Checkpoint(path, fingerprint(network, clip, claims))
    return checkpoint, checkpoint.load() if resume else None


def fingerprint(network: FloatNetwork, clip: PackedClip, claims: Mapping[str, Any]) -> str:
    """A digest of everything that training depends on: where the network starts, what it learns, and `claims`, the
    settings and whatever else decides the result, as JSON values."""
    described = {"video": video_to_dict(clip.video), "program": program_to_dict(network.program)}
    digest = hashlib.blake2b(json.dumps(described | dict(claims), sort_keys=True).encode(), digest_size=16)
    for name, value in {**network.tensors, "clip": clip.data}.items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def network_tensors(network: FloatNetwork) -> dict[str, Tensor]:
    """A network's tensors as a state holds them."""
    return {f"network.{name}": value for name, value in network.tensors.items()}


@torch.no_grad()
def restore_network(network: FloatNetwork, state: State) -> None:
    """The inverse of `network_tensors`."""
    for name, value in state.within("network").items():
        network.tensors[name].copy_(value)


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as tensors `optimizer.<number of the parameter>.<name>`."""
    tensors: dict[str, Tensor] = {}
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{number}.{name}"] = value
    return tensors


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; names that do not begin with `optimizer.` are ignored.

    Raises:
        RuntimeError: a moment has another shape than its parameter.
    """
    parameters = _parameters(optimizer)
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, what = name.split(".", 2)
            # A copy, because optimizers update in place and `tensors` must not change.
            like = value if what in COUNTS else parameters[int(number)]
            optimizer.state[parameters[int(number)]][what] = torch.empty_like(like).copy_(value)


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


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
            raise ValueError("values that are not finite")
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
    known = {entry.name: values[entry.name] for entry in fields(Video)}
    changes = {"fps": Fraction(known["fps"]), "sar": Fraction(known["sar"]), "chroma": Chroma(known["chroma"])}
    return Video(**{**known, **changes, "colour": Colour(**known["colour"])})


def write_tensors(path: Path, kind: str, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors with the kind of the file and metadata; raises OutputError if that fails."""
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
