"""HNeRV's encoder (ConvNeXt blocks): makes a frame's latents from the frame while fitting, and is never transmitted."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nqcodec.network.operations import Grid, Planes, Shuffle
from nqcodec.network.program import Program

WIDTH = 64
"""Channels of every stage but the last, as published."""

LAYER_SCALE = 1e-6
"""First value of each block's residual scale, as published."""


class ChannelNorm(nn.Module):
    """Layer norm over the channels of [B, C, h, w], with a learned scale and offset."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normed = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, eps=1e-6)
        return normed.permute(0, 3, 1, 2)


class Block(nn.Module):
    """x + scale * linear(GELU(linear(norm(depthwise 7 x 7 (x))))), the inner width four times the outer."""

    def __init__(self, channels: int):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = ChannelNorm(channels)
        self.expand = nn.Conv2d(channels, 4 * channels, 1)
        self.reduce = nn.Conv2d(4 * channels, channels, 1)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), LAYER_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        inner = F.gelu(self.expand(self.norm(self.depthwise(x))))
        residual: Tensor = self.scale * self.reduce(inner)
        return x + residual


class Encoder(nn.Module):
    """Packed frames [B, C, H, W] to the latents of a program's first grid [B, c, h, w].

    Each stage shrinks by a stride of the program's trunk, largest first, with a convolution of that size, and holds
    one block. The program must have one latent a frame, and its trunk must enlarge by the product of its shuffles.
    """

    def __init__(self, program: Program, seed: int = 0):
        super().__init__()
        grid, head = program.operations[0], program.operations[-1]
        assert isinstance(grid, Grid)
        assert isinstance(head, Planes)
        strides = [op.ratio for op in program.operations if isinstance(op, Shuffle)]
        channels = [program.shapes[-1][0], *[WIDTH] * (len(strides) - 1), grid.channels]
        stages: list[nn.Module] = []
        for stage, stride in enumerate(strides):
            shrink = nn.Conv2d(channels[stage], channels[stage + 1], stride, stride=stride)
            # The norm follows the first shrinking convolution and precedes the others, as published.
            stages += [shrink, ChannelNorm(channels[1])] if stage == 0 else [ChannelNorm(channels[stage]), shrink]
            stages.append(Block(channels[stage + 1]))
        self.stages = nn.Sequential(*stages)
        self._initialise(seed)

    def forward(self, frames: Tensor) -> Tensor:
        """Latents of packed frames (float32 values as `PackedClip.batch` gives them)."""
        latents: Tensor = self.stages(frames)
        return latents

    def _initialise(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                assert module.bias is not None
                nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
                nn.init.zeros_(module.bias)
