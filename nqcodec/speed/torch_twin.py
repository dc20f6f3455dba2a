"""The same network run by torch: what a decoder that is not ours would do with it.

Channels-last, inference mode, tensors converted beforehand. A frame ends with the map that planes are read from: making
samples of it, which our frames include, is left out in torch's favour.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from nqcodec.fit.network import FloatNetwork
from nqcodec.program import Program

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def torch_frames(program: Program, frames: int, dtype: str, threads: int, compiled: bool) -> Callable[[int], object]:
    """A function that runs frame t of the float twin of `program` in `dtype`, already warmed up.

    Raises:
        RuntimeError: what torch.compile raises where it does not work.
    """
    torch.set_num_threads(threads)
    network = FloatNetwork(program, frames)
    network.dtype = DTYPES[dtype]
    for tensor in network.tensors.values():
        converted = tensor.data.to(network.dtype)
        tensor.data = converted.contiguous(memory_format=torch.channels_last) if converted.dim() == 4 else converted
    model = torch.compile(network) if compiled else network

    def frame(t: int) -> object:
        with torch.inference_mode():
            return model(torch.tensor([t]))

    frame(0)
    return frame
