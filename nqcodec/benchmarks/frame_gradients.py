"""The frames of a fit and their gradients, by libnq and by torch in turns (`nqtool bench gradients`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from nqcodec.backbones import picture, pyramid
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.benchmarks.timing import best, in_turns, timed
from nqcodec.errors import UnsupportedError
from nqcodec.media.video import Video
from nqcodec.methods.rate_aware.quantizer import FixedTensors
from nqcodec.native.cpu import cpu_levels
from nqcodec.native.loading import load_libnq, why_absent
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.losses import LOSSES, plane_errors
from nqcodec.training.native_frames import NativeFrames
from nqcodec.training.network import FloatNetwork

LOSS, BPP = "log-mse", 0.1

BFLOAT16 = "libnq_bfloat16"
"""The cell of libnq with convolutions in bfloat16, where the CPU has AVX-512 BF16."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Types of maps that torch computes in."""

PASSES = 3
"""Times that a frame's multiply-accumulates are done: forward, and for the gradients of maps and of weights."""

CASES: dict[str, tuple[Video, bool]] = {
    "pyramid, 320x180": (Video(320, 180, 32), False),
    "displaced pyramid, 320x180": (Video(320, 180, 32), True),
    "displaced pyramid, 640x360": (Video(640, 360, 32), True),
    "displaced pyramid, 1280x720": (Video(1280, 720, 32), True),
    "picture, 320x180": (Video(320, 180, 1), False),
}
"""Default networks of clips at `BPP`, by name: the clip, and whether something moves in it."""

COLUMNS = (
    Column("network", "network"),
    Column("kmac_per_pixel", "arithmetic", "kMAC/pixel", 2),
    *(Column(name, f"torch, {name}", "ms a frame", 2) for name in DTYPES),
    *(Column(level, f"libnq, {level}", "ms a frame", 2) for level in ("scalar", "avx2", "avx512")),
    Column(BFLOAT16, "libnq, bfloat16", "ms a frame", 2),
    Column("speed", "libnq at best", "GMAC/s", 1),
)


def run(names: Sequence[str], rounds: int) -> Measurement:
    """A row for each network: milliseconds of a frame with all gradients, on one thread.

    Raises:
        KeyError: there is no network of a name.
        UnsupportedError: without libnq.
    """
    if load_libnq() is None:
        raise UnsupportedError(f"gradients: {why_absent('libnq')}")
    note = (
        "The best of all rounds, on one thread, of two frames at once. Multiply-accumulates are those of the forward "
        "pass and of both gradients; a CPU without AVX-512 BF16 takes as long with bfloat16 as without."
    )
    cases = {name: CASES[name] for name in names}
    rows = (_row(name, *case, rounds) for name, case in cases.items())
    return Measurement("gradients", "Frames of a fit and their gradients", COLUMNS, rows, note)


def _row(name: str, video: Video, moves: bool, rounds: int) -> Cells:
    torch.set_num_threads(1)
    program = _program(video, moves)
    network = FloatNetwork(program, video.frames, torch.Generator().manual_seed(0))
    clip, values = _grey_clip(video, program), {key: value.detach() for key, value in network.tensors.items()}
    times = list(range(min(2, video.frames)))
    turns = {dtype: timed(partial(_by_torch, network, clip, values, times, DTYPES[dtype])) for dtype in DTYPES}
    for cpu in cpu_levels():
        frames = NativeFrames(program, clip, LOSS, cpu=cpu)
        turns[cpu] = timed(partial(frames.gradients, times, values, rounds_vectors=False))
    frames = NativeFrames(program, clip, LOSS, bfloat16=True)
    turns[BFLOAT16] = timed(partial(frames.gradients, times, values, rounds_vectors=False))
    for turn in turns.values():
        turn(0)
    seconds = {one: least / len(times) for one, least in best(in_turns(turns, rounds)).items()}
    return {
        "network": name,
        "kmac_per_pixel": program.macs / (video.width * video.height) / 1000,
        **{one: 1000 * least for one, least in seconds.items()},
        "speed": PASSES * program.macs / min(seconds[cpu_levels()[-1]], seconds[BFLOAT16]) / 1e9,
    }


def _program(video: Video, moves: bool) -> Program:
    if video.frames == 1:
        return picture.for_bytes(video, 1, 0)
    return pyramid.for_bytes(video, video.frames, round(BPP * video.pixels / 8), None, moves)


def _grey_clip(video: Video, program: Program) -> PackedClip:
    """A clip to compare with; no time depends on its samples."""
    planes = tuple(np.full(shape, 128, video.dtype) for shape in video.plane_shapes)
    return pack(repeat(planes, video.frames), video, program)


def _by_torch(
    network: FloatNetwork, clip: PackedClip, values: dict[str, Tensor], times: Sequence[int], dtype: torch.dtype
) -> None:
    network.dtype = dtype
    leaves = {key: value.clone().requires_grad_(True) for key, value in values.items()}
    batch = torch.tensor(times)
    errors = plane_errors(network(batch, FixedTensors(leaves)), clip.batch(batch), clip)
    torch.autograd.grad(LOSSES[LOSS](errors, clip.weights), list(leaves.values()))
