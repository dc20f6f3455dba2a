"""The sets of latent grids that a pyramid can have, coarsest level first, and the rates that they are for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Latents:
    """One grid of a level: a latent map of `channels` channels for every `temporal_stride` frames.

    A stride of 0 means one map for the whole segment.
    """

    temporal_stride: int
    channels: int

    def times(self, frames: int) -> int:
        """Latent maps for a segment of `frames` frames."""
        return max(1, frames // self.temporal_stride) if self.temporal_stride else 1


LEVELS = (
    (Latents(2, 1), Latents(8, 1), Latents(0, 2)),
    (Latents(4, 1), Latents(0, 2)),
    (Latents(0, 2),),
)
"""Grids of each level, coarsest first; further levels have those of the last."""

RICH_GRIDS = (
    (Latents(1, 2), Latents(8, 1), Latents(0, 2)),
    (Latents(4, 1), Latents(0, 3)),
    (Latents(16, 1), Latents(0, 3)),
)
"""For files of more than `RICH_BITS`. 320x180, 32 frames: at 0.2 bits a pixel a decibel better than `LEVELS`, at 0.1 a
little worse; at 0.1, 132 frames of it are 0.4 decibels better, and 120 frames of 176x144."""

RICH_BITS = 2.0
"""Bits a parameter that the pyramid of `LEVELS` would have, the camera not counted."""

MEDIUM_GRIDS = (
    RICH_GRIDS[0],
    (Latents(4, 1), Latents(16, 1), Latents(0, 3)),
    (Latents(8, 1), Latents(0, 4)),
)
DENSE_GRIDS = (
    (Latents(1, 2), Latents(4, 1), Latents(0, 2)),
    (Latents(2, 2), Latents(8, 1), Latents(0, 3)),
    (Latents(4, 2), Latents(0, 4)),
)
FULL_GRIDS = ((Latents(1, 4), Latents(4, 4), Latents(0, 4)),)
GRID_PRESETS = (RICH_GRIDS, MEDIUM_GRIDS, DENSE_GRIDS, FULL_GRIDS)
"""Denser and denser grids, for rates at which fewer latents could not use all bits."""

DENSER_BITS, USABLE_BITS = 2.0, 5.0
"""Bits a parameter from which on denser grids are better (120 frames of 176x144 gain 0.4 decibels by the medium ones at
2.5 bits a parameter of the rich, 1.1 by the dense at 3.7 of the medium), and the most that a file can well spend."""

FRUGAL_GRIDS = (
    (Latents(8, 1), Latents(0, 2)),
    (Latents(0, 1),),
)
"""For budgets that the full set of grids would use up, so that none is left for the trunk."""

LEAST_GRIDS = ((Latents(0, 1),),)
