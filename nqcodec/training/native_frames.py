"""The frames of a float network and the gradients of their distortion by libnq (csrc/include/nq/frame_gradient.h), for
the operations that our own backbones have; `FloatNetwork` and `nqcodec.training.losses` are the definition.

A frame at a time is computed in float32, in one call that holds no Python lock: between torch's operations half of the
time of a small network's iteration is lost.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nqcodec.native.cpu import cpu_levels, level_number
from nqcodec.native.loading import load_libnq
from nqcodec.native.status import check_status
from nqcodec.network.operations import (
    CUBIC_TAPS,
    WARP_BITS,
    Activation,
    Add,
    Concat,
    Conv,
    Grid,
    Operation,
    Planes,
    Shape,
    Upsample,
    Warp,
    Window,
)
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip
from nqcodec.training.losses import FLOOR
from nqcodec.training.network import tensor_key
from nqcodec.training.operations import grid_position

LOSSES = ("mse", "log-mse")
"""Names of the distortions that libnq computes, by `is_logarithmic`."""

ROUND_VECTORS, ROUND_SAMPLES, BFLOAT16 = 1, 2, 4
"""NqFrameFlag."""


class _Op(ctypes.Structure):
    """NqFrameOp."""

    _fields_ = (
        ("code", ctypes.c_int32),
        ("input_count", ctypes.c_int32),
        ("inputs", ctypes.c_void_p),
        ("channels", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("kernel", ctypes.c_int32),
        ("activation", ctypes.c_int32),
        ("times", ctypes.c_int32),
        ("ratio", ctypes.c_int32),
        ("bits", ctypes.c_int32),
        ("positions", ctypes.c_void_p),
        ("fractions", ctypes.c_void_p),
        ("unit", ctypes.c_float),
        ("precision", ctypes.c_float),
    )


class _Program(ctypes.Structure):
    """NqFrameProgram."""

    _fields_ = (
        ("ops", ctypes.c_void_p),
        ("op_count", ctypes.c_int32),
        ("frames", ctypes.c_int32),
        ("plane_count", ctypes.c_int32),
        ("sample_bytes", ctypes.c_int32),
        ("depth", ctypes.c_int32),
        ("is_logarithmic", ctypes.c_int32),
        ("floor", ctypes.c_float),
        ("plane", ctypes.c_void_p),
        ("average", ctypes.c_void_p),
        ("plane_weights", ctypes.c_void_p),
        ("mask", ctypes.c_void_p),
    )


@dataclass(frozen=True)
class FrameGradients:
    """What `NativeFrames.gradients` gives: mean squared errors [B, planes] float32, and the gradients of the mean
    distortion by tensor key."""

    errors: Tensor
    tensors: dict[str, Tensor]


def can_compute(program: Program, clip: PackedClip, loss: str) -> bool:
    """Whether libnq is installed and computes this program's frames and this distortion of them."""
    is_here = clip.device.type == "cpu" and not clip.joint and loss in LOSSES and load_libnq() is not None
    return is_here and all(_is_known(op, program.input_shapes(i)) for i, op in enumerate(program.operations))


def _is_known(op: Operation, inputs: Sequence[Shape]) -> bool:
    if isinstance(op, Conv):
        is_plain = op.activation in (Activation.NONE, Activation.RELU, Activation.GELU)
        return op.kernel in (1, 3) and not op.depthwise and is_plain
    if isinstance(op, Upsample):
        _, height, width = inputs[0]
        return op.ratio == 2 and op.height >= 2 * height - 1 and op.width >= 2 * width - 1
    if isinstance(op, Warp):
        return op.taps == CUBIC_TAPS and min(inputs[0][1:]) >= CUBIC_TAPS
    return isinstance(op, Grid | Add | Concat | Window | Planes)


class NativeFrames:
    """A program's frames, compared with those of a clip.

    Several threads may use it at once: each call takes memory of its own, which the next one uses again.

    Args:
        program, clip, loss: such that `can_compute`; the clip is kept.
        cpu: one of `nqcodec.native.cpu.CPU_LEVELS`; None takes the best that the CPU has.
        bfloat16: gradients come from convolutions whose factors are rounded to bfloat16, where the CPU has AVX-512
            BF16, which multiplies twice as many of them; errors never do.

    Raises:
        UnsupportedError: a level that the CPU does not have.
    """

    def __init__(
        self, program: Program, clip: PackedClip, loss: str, *, cpu: str | None = None, bfloat16: bool = False
    ):
        self._keys = [
            [tensor_key(index, name) for name in program.tensors(index)] for index in range(len(program.operations))
        ]
        self._flags = BFLOAT16 if bfloat16 else 0
        self._clip, self._arrays = clip, list[npt.NDArray[Any]]()
        self._level = level_number(cpu, cpu_levels())
        self._program = self._described(program, loss)
        self._free = list[_Network]()

    def gradients(self, times: Sequence[int], values: Mapping[str, Tensor], *, rounds_vectors: bool) -> FrameGradients:
        """Errors of frames `times`, and gradients of their mean distortion with respect to `values`, float32 by tensor
        key.

        Raises:
            MemoryError: not enough of it.
        """
        tensors = {key: value.detach().contiguous() for key, value in values.items()}
        flat = torch.zeros(sum(value.numel() for value in tensors.values()))
        parts = flat.split([value.numel() for value in tensors.values()])
        gradients = {key: part.view_as(tensors[key]) for key, part in zip(tensors, parts, strict=True)}
        flags = self._flags | (ROUND_VECTORS if rounds_vectors else 0)
        errors = self._run(times, tensors, flags, gradients)
        return FrameGradients(errors, gradients)

    def errors(
        self, times: Sequence[int], values: Mapping[str, Tensor], *, rounds_vectors: bool, as_samples: bool
    ) -> Tensor:
        """Mean squared errors [B, planes] float32 of frames `times`; of rounded samples if `as_samples`.

        Raises:
            MemoryError: not enough of it.
        """
        tensors = {key: value.detach().contiguous() for key, value in values.items()}
        flags = (ROUND_VECTORS if rounds_vectors else 0) | (ROUND_SAMPLES if as_samples else 0)
        return self._run(times, tensors, flags, None)

    def _run(
        self, times: Sequence[int], tensors: dict[str, Tensor], flags: int, gradients: dict[str, Tensor] | None
    ) -> Tensor:
        data, errors = self._clip.data, torch.empty(len(times), len(self._clip.weights))
        frame_bytes = data[0].numel() * data.element_size()
        network = self._free.pop() if self._free else _Network(self._program, self._level)
        addresses, by_addresses = self._addresses(tensors), None if gradients is None else self._addresses(gradients)
        for number, t in enumerate(times):
            network.run(
                addresses,
                t,
                data.data_ptr() + t * frame_bytes,
                flags,
                1.0 / len(times),
                errors[number].data_ptr(),
                by_addresses,
            )
        self._free.append(network)
        return errors

    def _addresses(self, tensors: Mapping[str, Tensor]) -> ctypes.Array[ctypes.c_void_p]:
        """Those of two tensors an operation, at most, in the order of the program."""
        addresses = (ctypes.c_void_p * (2 * len(self._keys)))()
        for index, keys in enumerate(self._keys):
            for number, key in enumerate(keys):
                addresses[2 * index + number] = tensors[key].data_ptr()
        return addresses

    def _described(self, program: Program, loss: str) -> _Program:
        clip = self._clip
        ops = (_Op * len(program.operations))()
        for index, op in enumerate(program.operations):
            # `planes` has the shape of the map that it reads.
            ops[index] = self._op(op, program.shapes[op.inputs[0] if isinstance(op, Planes) else index])
        self._ops = ops
        channels = program.shapes[-1][0]
        averaging = clip.averaging[:channels]  # each row has one value
        mask = None if clip.mask is None else self._kept(clip.mask[0].contiguous().numpy(), np.float32)
        return _Program(
            ops=ctypes.addressof(ops),
            op_count=len(ops),
            frames=clip.frames,
            plane_count=len(clip.weights),
            sample_bytes=clip.data.element_size(),
            depth=clip.video.depth,
            is_logarithmic=LOSSES.index(loss),
            floor=FLOOR,
            plane=self._kept(averaging.argmax(dim=1).numpy(), np.int32),
            average=self._kept(averaging.amax(dim=1).numpy(), np.float32),
            plane_weights=self._kept(clip.weights.numpy(), np.float32),
            mask=mask,
        )

    def _op(self, op: Operation, shape: Shape) -> _Op:
        frames = self._clip.frames
        result = _Op(code=op.code, input_count=len(op.inputs), inputs=self._kept(op.inputs, np.int32))
        result.channels, result.height, result.width = shape
        if isinstance(op, Conv):
            result.kernel, result.activation = op.kernel, int(op.activation)
        elif isinstance(op, Grid):
            first, fraction = grid_position(op.times, torch.arange(frames), frames)
            result.times = op.times
            result.positions = self._kept(first.numpy(), np.int32)
            parts = np.zeros(frames) if fraction is None else fraction.reshape(-1).numpy()
            result.fractions = self._kept(parts, np.float32)
        elif isinstance(op, Window):
            result.ratio, result.bits = op.ratio, op.bits
            result.positions = self._kept([op.position(t) for t in range(frames)], np.int32)
        elif isinstance(op, Warp):
            result.unit, result.precision = 2.0**-op.bits, 2.0 ** (op.bits - WARP_BITS)
        return result

    def _kept(self, values: npt.ArrayLike, dtype: npt.DTypeLike) -> int:
        """The address of an array that lives as long as this object."""
        self._arrays.append(np.ascontiguousarray(values, dtype))
        return int(self._arrays[-1].ctypes.data)


class _Network:
    """The NqFrameNetwork of one call at a time."""

    def __init__(self, program: _Program, level: int):
        library = load_libnq()
        assert library is not None
        self._library, self._handle = library, ctypes.c_void_p()
        check_status(library.nq_frame_open(ctypes.byref(program), level, ctypes.byref(self._handle)), "float network")

    def run(
        self,
        tensors: ctypes.Array[ctypes.c_void_p],
        t: int,
        samples: int,
        flags: int,
        share: float,
        errors: int,
        gradients: ctypes.Array[ctypes.c_void_p] | None,
    ) -> None:
        """Frame `t`, whose samples and errors are at these addresses."""
        status = self._library.nq_frame_gradients(
            self._handle,
            tensors,
            t,
            ctypes.c_void_p(samples),
            flags,
            ctypes.c_float(share),
            ctypes.c_void_p(errors),
            gradients,
        )
        check_status(status, "float network")

    def __del__(self) -> None:
        if self._handle:
            self._library.nq_frame_close(self._handle)
