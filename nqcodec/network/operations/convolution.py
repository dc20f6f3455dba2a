"""The convolution and its activations."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, ClassVar

from nqcodec.network.operations.base import Operation, Shape
from nqcodec.network.operations.wire import U8, Flag, NativeValue, Size, Wire


class Activation(IntEnum):
    """The function after a convolution's rescale (formats/nq.md, 6.5)."""

    NONE = 0
    RELU = 1
    GELU = 2
    SILU = 3
    HALF_TANH = 4
    """tanh(x) / 2: with the 0.5 that `Planes` adds, the papers' (tanh + 1) / 2 head."""


@dataclass(frozen=True)
class Conv(Operation):
    """k x k convolution, stride 1, zero "same" padding, then rescale and activation (formats/nq.md, 6.3)."""

    out_channels: Size
    kernel: U8
    depthwise: Flag = False
    activation: Annotated[Activation, Wire("u8")] = Activation.NONE
    code: ClassVar[int] = 2
    name: ClassVar[str] = "conv"
    has_format: ClassVar[bool] = True

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if self.kernel % 2 == 0:
            raise ValueError(f"a convolution's kernel is odd, not {self.kernel}")
        if self.depthwise and self.out_channels != channels:
            raise ValueError(f"a depthwise convolution cannot give {self.out_channels} channels from {channels}")
        return self.out_channels, height, width

    def _fan_in(self, inputs: list[Shape]) -> int:
        """Input channels that each output channel is computed from."""
        return 1 if self.depthwise else inputs[0][0]

    def tensors(self, inputs: list[Shape]) -> dict[str, tuple[int, ...]]:
        weight = (self.out_channels, self._fan_in(inputs), self.kernel, self.kernel)
        return {"weight": weight, "bias": (self.out_channels,)}

    def macs(self, inputs: list[Shape]) -> int:
        _, height, width = inputs[0]
        return self.out_channels * self._fan_in(inputs) * self.kernel**2 * height * width

    def native(self) -> dict[str, NativeValue]:
        return {"kernel": self.kernel, "depthwise": int(self.depthwise), "activation": int(self.activation)}
