"""The training loop: a float network is overfitted to a packed clip.

What happens at a step depends on the settings and the step's number alone, never on the clock or on a generator's
state, so the same seed gives the same network on the same machine, and so does a run that was stopped and resumed.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor

from nqcodec.fit.checkpoint import Checkpoint
from nqcodec.fit.clip import PackedClip
from nqcodec.fit.encoder import Encoder
from nqcodec.fit.losses import LOSSES, plane_errors, psnr
from nqcodec.fit.network import FloatNetwork, Transform, tensor_key
from nqcodec.fit.optim import MuonAdam
from nqcodec.program import Program

REPORT_STEPS = 32
"""Steps between two looks at the loss: each makes a GPU wait for the host."""

CHECKPOINT_SECONDS = 45.0
"""Least time between two checkpoints."""


@dataclass(frozen=True)
class FitSettings:
    """How to fit. Equal settings, clip and machine give an equal network.

    Attributes:
        steps: optimizer steps.
        batch: frames a step.
        lr: peak rate of convolution weights (Muon), or of everything (Adam).
        rest_lr: peak rate of biases and the encoder with Muon.
        latent_lr: peak rate of latents.
        decay: weight decay of convolution weights, times the rate: it keeps Muon's weights cheap to code.
        warmup, floor: parts of the steps and of the peak rate for a linear warm-up and a cosine's end.
        optimizer: "muon" (with Adam for all but convolution weights) or "adam".
        loss: a name of `losses.LOSSES`.
        dtype: "float32", "bfloat16", or "auto" for `auto_dtype`.
        threads: CPU threads; sums may depend on it, so it is part of what makes a result.
    """

    steps: int
    batch: int = 2
    lr: float = 4e-2
    rest_lr: float = 2e-2
    latent_lr: float = 6e-2
    decay: float = 0.25
    warmup: float = 0.05
    floor: float = 0.0
    optimizer: str = "muon"
    loss: str = "log-mse"
    dtype: str = "auto"
    seed: int = 0
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True)
class Progress:
    """Where a fit stands; `psnr` is the mean over recent training frames of PSNR-YUV in dB, times are seconds."""

    step: int
    steps: int
    loss: float
    psnr: float
    seconds: float
    eta: float


@dataclass(frozen=True)
class Quality:
    """Mean over frames of float PSNR in dB: of each plane, and weighted (6:1:1 for Y, U, V)."""

    planes: tuple[float, ...]
    yuv: float


@dataclass(frozen=True)
class FitResult:
    """The outcome of `fit`; `finished` is False when `stop` ended it early, and its checkpoint can be resumed."""

    steps: int
    finished: bool
    quality: Quality
    seconds: float


@dataclass
class Trainer:
    """The state of one fit: network, encoder if any, optimizer, and the number of steps done."""

    network: FloatNetwork
    clip: PackedClip
    settings: FitSettings
    encoder: Encoder | None = None
    done: int = 0
    optimizer: MuonAdam = field(init=False)

    def __post_init__(self) -> None:
        self.optimizer = make_optimizer(self.network, self.settings, self.encoder)
        self._peaks = [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> tuple[Tensor, Tensor]:
        """One optimizer step: (loss, PSNR-YUV in dB), scalars on the device, not yet computed where it is a GPU."""
        settings, clip = self.settings, self.clip
        times = batch_frames(clip.frames, settings.batch, self.done, settings.seed).to(clip.device)
        rate = learning_rate(self.done, settings)
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * rate
        self.optimizer.zero_grad(set_to_none=True)
        target = clip.batch(times)
        latents = None if self.encoder is None else {0: self.encoder(target)}
        errors = plane_errors(self.network(times, latents=latents), target, clip)
        loss = LOSSES[settings.loss](errors, clip.weights)
        loss.backward()
        self.optimizer.step()
        self.done += 1
        with torch.no_grad():
            return loss.detach(), (psnr(errors, clip.video.depth) @ clip.weights).mean()


def fit(
    network: FloatNetwork,
    clip: PackedClip,
    settings: FitSettings,
    *,
    encoder: Encoder | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    stop: Callable[[], bool] | None = None,
) -> FitResult:
    """Fit `network` to `clip` in place.

    Args:
        encoder: makes the latents from the frames while fitting; they are written into the network at the end.
        progress: called every few steps.
        checkpoint: where to save the state: every `CHECKPOINT_SECONDS`, when the fit is interrupted, and at its end.
        resume: go on from `checkpoint` if that file exists.
        stop: asked every few steps; True ends the fit with `finished` False.

    Raises:
        InputError: if the checkpoint is of another clip, program or settings.
        OutputError: if the checkpoint cannot be written.
        KeyboardInterrupt: on Ctrl-C, after the checkpoint is written.
    """
    with compute_settings(network, settings), _interrupt_flag() as interrupted:
        trainer = Trainer(network, clip, settings, encoder)
        store = Checkpoint.open(checkpoint, trainer, resume=resume) if checkpoint else None
        meter, saved = _Meter(trainer), time.monotonic()
        halted = False
        while trainer.done < settings.steps and not halted:
            meter.add(*trainer.step())
            halted = interrupted()
            if trainer.done % REPORT_STEPS and trainer.done < settings.steps and not halted:
                continue
            state = meter.read()
            if progress:
                progress(state)
            halted = halted or (stop is not None and stop())
            finished = trainer.done >= settings.steps
            if store and (halted or finished or time.monotonic() - saved > CHECKPOINT_SECONDS):
                store.save(trainer)
                saved = time.monotonic()
        if interrupted():
            raise KeyboardInterrupt
        if encoder is not None:
            write_latents(network, clip, encoder)
    return FitResult(trainer.done, trainer.done >= settings.steps, evaluate(network, clip), meter.seconds)


class _Meter:
    """Mean loss and PSNR since the last reading, and the time; only a reading waits for the device."""

    def __init__(self, trainer: Trainer):
        self._trainer, self._first, self._started = trainer, trainer.done, time.monotonic()
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def add(self, loss: Tensor, level: Tensor) -> None:
        """Take in one step's loss and PSNR."""
        self._seen.append((loss, level))

    def read(self) -> Progress:
        """The state now; starts new means."""
        loss, level = (float(torch.stack(values).mean()) for values in zip(*self._seen, strict=True))
        self._seen = []
        done, steps, seconds = self._trainer.done, self._trainer.settings.steps, self.seconds
        return Progress(done, steps, loss, level, seconds, seconds / (done - self._first) * (steps - done))


def new_network(program: Program, frames: int, settings: FitSettings) -> FloatNetwork:
    """A network with the random start that `settings.seed` gives, on `settings.device`."""
    generator = torch.Generator().manual_seed(settings.seed)
    return FloatNetwork(program, frames, generator).to(settings.device)


def batch_frames(frames: int, batch: int, step: int, seed: int) -> Tensor:
    """Frame numbers [B] (int64) of a step: epochs in a seeded random order, the last batch of each may be smaller."""
    per_epoch = -(-frames // batch)
    epoch, place = divmod(step, per_epoch)
    # Torch's generator heeds 32 bits of a seed only; an odd multiplier keeps seeds apart in them.
    generator = torch.Generator().manual_seed((seed * 0x9E3779B1 + epoch) & 0xFFFFFFFF)
    return torch.randperm(frames, generator=generator)[place * batch : (place + 1) * batch]


def learning_rate(step: int, settings: FitSettings) -> float:
    """Part of the peak rate at a step: a linear warm-up, then a cosine down to `floor`."""
    warmup = min(1.0, (step + 1) / max(1.0, settings.warmup * settings.steps))
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / settings.steps)
    return warmup * max(cosine, settings.floor)


def make_optimizer(network: FloatNetwork, settings: FitSettings, encoder: Encoder | None = None) -> MuonAdam:
    """The optimizer of a network: convolution weights, latents and the rest each with their own rate."""
    muon = settings.optimizer == "muon"
    weights, latents, rest = [], [], []
    for name, parameter in network.tensors.items():
        if name.endswith("_weight"):
            weights.append(parameter)
        elif name.endswith("_latent"):
            latents.append(parameter)
        else:
            rest.append(parameter)
    if encoder is not None:
        latents = []
        rest.extend(encoder.parameters())
    rest_lr = settings.rest_lr if muon else settings.lr
    groups = [
        {"params": weights, "lr": settings.lr, "decay": settings.decay, "muon": muon},
        {"params": rest, "lr": rest_lr},
        {"params": latents, "lr": settings.latent_lr},
    ]
    return MuonAdam([group for group in groups if group["params"]])


@torch.no_grad()
def evaluate(network: FloatNetwork, clip: PackedClip, transform: Transform | None = None, batch: int = 4) -> Quality:
    """Mean per-frame PSNR of the network's output as float values, neither rounded nor clipped to samples."""
    times = torch.arange(clip.frames, device=clip.device)
    errors = [plane_errors(network(part, transform), clip.batch(part), clip) for part in times.split(batch)]
    levels = psnr(torch.cat(errors), clip.video.depth).mean(dim=0)
    return Quality(tuple(levels.tolist()), float(levels @ clip.weights))


@torch.no_grad()
def write_latents(network: FloatNetwork, clip: PackedClip, encoder: Encoder, batch: int = 4) -> None:
    """Put the encoder's output for every frame into the network's first grid, which has one latent a frame."""
    times = torch.arange(clip.frames, device=clip.device)
    values = torch.cat([encoder(clip.batch(part)).float() for part in times.split(batch)])
    network.tensors[tensor_key(0, "latent")].copy_(values)


def auto_dtype(device: str) -> torch.dtype:
    """bfloat16 where the processor has instructions for it, else float32: a choice by hardware, never by the clock."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if native and torch.backends.mkldnn.is_available() else torch.float32


@contextmanager
def compute_settings(network: FloatNetwork, settings: FitSettings) -> Iterator[None]:
    """Threads, map type and deterministic kernels for a fit; what was set before comes back afterwards."""
    threads, dtype = torch.get_num_threads(), network.dtype
    deterministic, benchmark = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.set_num_threads(settings.threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    network.dtype = auto_dtype(settings.device) if settings.dtype == "auto" else getattr(torch, settings.dtype)
    try:
        yield
    finally:
        network.dtype = dtype
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, benchmark
        torch.set_num_threads(threads)


@contextmanager
def _interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag, so that it ends the loop between steps; a second one acts at once.

    Where Ctrl-C is ignored (a worker, whose parent answers it) or is not ours to catch (a thread), nothing changes.
    """
    flag = threading.Event()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield flag.is_set
        return

    def catch(number: int, frame: FrameType | None) -> None:
        flag.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, catch)
    try:
        yield flag.is_set
    finally:
        signal.signal(signal.SIGINT, before)
