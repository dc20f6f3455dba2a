"""The same network run by torch: what a decoder that is not ours would do with it.

Channels-last, inference mode, tensors converted beforehand. A frame ends with the map that planes are read from: making
samples of it, which our frames include, is left out in torch's favour.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from nqcodec.network.program import Program
from nqcodec.training.network import FloatNetwork

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def _converted(program: Program, frames: int, dtype: str, device: str) -> FloatNetwork:
    network = FloatNetwork(program, frames)
    network.dtype = DTYPES[dtype]
    for tensor in network.tensors.values():
        converted = tensor.data.to(device, network.dtype)
        tensor.data = converted.contiguous(memory_format=torch.channels_last) if converted.dim() == 4 else converted
    return network


def torch_frames(program: Program, frames: int, dtype: str, threads: int, compiled: bool) -> Callable[[int], object]:
    """A function that runs frame t of the float twin of `program` in `dtype`, already warmed up.

    Raises:
        RuntimeError: what torch.compile raises where it does not work.
    """
    torch.set_num_threads(threads)
    network = _converted(program, frames, dtype, "cpu")
    model = torch.compile(network) if compiled else network

    def frame(t: int) -> object:
        with torch.inference_mode():
            return model(torch.tensor([t]))

    frame(0)
    return frame


def torch_batches(program: Program, frames: int, dtype: str, batch: int, *, graph: bool) -> Callable[[int], float]:
    """A function that makes n batches of frames on the CUDA device and returns the seconds that the device took.

    Args:
        program: the network.
        frames: T of formats/nq.md 6.2.
        dtype: one of `DTYPES`.
        batch: frames at once.
        graph: replay a captured CUDA graph, as our decoder does, instead of launching operation by operation.

    Raises:
        RuntimeError: what torch raises where it or the graph does not work.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("this torch has no CUDA, or finds no device")
    network = _converted(program, frames, dtype, "cuda")
    times = torch.arange(batch, device="cuda") % frames

    def launch() -> None:
        with torch.inference_mode():
            network(times)

    for _ in range(3):
        launch()
    run = launch
    if graph:
        torch.cuda.synchronize()
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            launch()
        run = captured.replay

    def batches(count: int) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(count):
            run()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1000

    batches(1)
    return batches
