"""How fast the training loop is against a plain one: float32, NCHW, torch's Adam, same network, loss and batch."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nqcodec.backbones import hnerv
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.benchmarks.timing import in_turns
from nqcodec.media.text import counted
from nqcodec.media.video import Frame, Video
from nqcodec.network.operations import Conv, Grid, Shuffle
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.compute import compute_settings
from nqcodec.training.network import FloatNetwork, tensor_key
from nqcodec.training.operations import activate, read_grid
from nqcodec.training.presets import BATCH
from nqcodec.training.session import clock
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import PlainTrainer

SIZES = ((320, 180), (640, 320))
FRAMES = 8
PARAMETERS = 60_000


COLUMNS = (
    Column("size", "size"),
    Column("parameters", "parameters"),
    Column("plain", "plain loop", "iterations/s", 2),
    Column("adam", "our loop with Adam", "iterations/s", 2),
    Column("default", "our loop by default", "iterations/s", 2),
    Column("speedup_adam", "Adam over plain", "", 2),
    Column("speedup", "default over plain", "", 2),
)


def run(
    sizes: tuple[tuple[int, int], ...] = SIZES,
    *,
    parameters: int = PARAMETERS,
    threads: int = 2,
    rounds: int = 5,
    iterations: int = 12,
    device: str = "cpu",
) -> Measurement:
    """A row for each size: iterations a second of the loops, medians over `rounds` turns of `iterations` each."""
    note = (
        f"The loops take turns of {iterations} iterations with {counted(threads, 'thread')}, and the median of "
        f"{rounds} turns counts. The plain loop is float32, NCHW and torch's Adam."
    )
    rows = (_at(size, parameters, threads, rounds, iterations, device) for size in sizes)
    return Measurement("fit", "Speed of the training loop", COLUMNS, rows, note, device)


@dataclass
class Loop:
    """A training loop under test: its network, the settings that it runs under, and one iteration of it."""

    network: FloatNetwork
    settings: FitSettings
    iterate: Callable[[], object]


def _at(size: tuple[int, int], parameters: int, threads: int, rounds: int, iterations: int, device: str) -> Cells:
    video = Video(*size, frames=FRAMES)
    program = hnerv.build(video, FRAMES, parameters)
    clip = pack(moving_texture(video), video, program, device=device)
    default = FitSettings(iterations=10_000, batch=BATCH, threads=threads, device=device)
    loops = {
        "plain": _plain_loop(program, clip, replace(default, dtype="float32")),
        "adam": _our_loop(program, clip, replace(default, optimizer="adam")),
        "default": _our_loop(program, clip, default),
    }
    # One turn more, which warms up.
    times = in_turns({name: partial(_turn, loop, iterations) for name, loop in loops.items()}, rounds + 1)
    rates = {name: iterations / statistics.median(taken[1:]) for name, taken in times.items()}
    return {
        "size": f"{size[0]}x{size[1]}",
        "parameters": program.parameters,
        **rates,
        "speedup": rates["default"] / rates["plain"],
        "speedup_adam": rates["adam"] / rates["plain"],
    }


def _turn(loop: Loop, iterations: int, number: int) -> float:
    """Seconds of some iterations of a loop."""
    device = torch.device(loop.settings.device)
    with compute_settings(loop.network, loop.settings):
        begin = clock(device)
        for _ in range(iterations):
            loop.iterate()
        return clock(device) - begin


def _our_loop(program: Program, clip: PackedClip, settings: FitSettings) -> Loop:
    trainer = PlainTrainer(new_network(program, clip.frames, settings), clip, settings)
    return Loop(trainer.network, settings, trainer.iterate)


def _plain_loop(program: Program, clip: PackedClip, settings: FitSettings) -> Loop:
    """The loop that one would write first: float32 targets in NCHW, the default Adam, a mean of log errors."""
    network = new_network(program, clip.frames, settings)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr)
    targets = clip.batch(torch.arange(clip.frames, device=clip.device)).contiguous()
    planes = [slice(0, 4), slice(4, 5), slice(5, 6)]
    order = itertools.cycle(torch.randperm(clip.frames).to(clip.device).split(settings.batch))

    def iterate() -> None:
        times = next(order)
        optimizer.zero_grad()
        difference = _plain_forward(network, times) - targets[times]
        if clip.mask is not None:
            difference = difference * clip.mask.contiguous()
        errors = torch.stack([(difference[:, plane] ** 2).mean(dim=(1, 2, 3)) for plane in planes], dim=1)
        (errors.log() @ clip.weights).mean().backward()
        optimizer.step()

    return Loop(network, settings, iterate)


def _plain_forward(network: FloatNetwork, times: Tensor) -> Tensor:
    """A program's float maps in torch's default memory order."""
    maps: list[Tensor] = []
    for index, op in enumerate(network.program.operations):
        if isinstance(op, Grid):
            maps.append(read_grid(network.tensors[tensor_key(index, "latent")], times, network.frames))
        elif isinstance(op, Conv):
            weight, bias = (network.tensors[tensor_key(index, name)] for name in ("weight", "bias"))
            y = F.conv2d(maps[op.inputs[0]], weight, bias, padding=op.kernel // 2)
            maps.append(activate(y, op.activation))
        elif isinstance(op, Shuffle):
            maps.append(F.pixel_shuffle(maps[op.inputs[0]], op.ratio))
    return maps[-1]


def moving_texture(video: Video) -> Iterator[Frame]:
    """Synthetic 4:2:0 frames at depth 8: a gradient and a texture that moves by a pixel a frame."""
    for t in range(video.frames):
        planes = []
        for height, width in video.plane_shapes:
            y, x = np.mgrid[0:height, 0:width].astype(np.float64)
            texture = 40 * np.sin((x + t) / 5) * np.cos(y / 7) + 60 * (x / width) + 40 * (y / height)
            planes.append((texture + 70).clip(0, 255).astype(np.uint8))
        yield tuple(planes)
