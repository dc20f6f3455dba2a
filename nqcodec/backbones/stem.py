"""Shared by NeRV and NeRV++: an encoding of time, first cells from a stem of two layers, and solving for a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from nqcodec.backbones.common import LEAST_WIDTH, best_ratio, check_budget, fits, ratios, widest
from nqcodec.media.video import Video
from nqcodec.network.operations import Frequency
from nqcodec.network.program import Limits, Program

PAPER_STRIDES: dict[tuple[int, int], tuple[int, ...]] = {(1280, 720): (5, 2, 2, 2, 2), (1920, 1080): (5, 3, 2, 2, 2)}
"""Published strides by picture size: from 16 x 9 cells to exactly the picture."""

LEVELS = 40
"""Published frequencies of the encoding of time."""

HIDDEN = 512
"""Published channels between the stem's two layers."""

BASE = Fraction(5, 4)
"""Published ratio of neighbouring frequencies."""

REDUCTION = 2
"""Ratio of the channels of a stage to those of the next; the first stage keeps the stem's."""

CELL_RANGE = (4, 144)
"""Cells of the first map to aim at, least and most: the published 9 x 16 where the budget reaches it."""

CELL_PARAMETERS = 3000
"""Parameters of the budget for each cell aimed at; 500 and 1000 measured 1.6 and 0.7 dB worse for NeRV at 40,000."""

HIDDEN_SHARE = 2
"""Channels between the stem's layers for each of the first map's, up to `HIDDEN`; 4.6 to 64 as published.

Parameters measured better in stages than in the stem: 4 was 0.4 dB worse for NeRV at 40,000 parameters.
"""


def time_encoding(levels: int, frames: int) -> Frequency:
    """Sines and cosines of pi 1.25^k t / `frames` for k below `levels`, in whole increments (formats/nq.md, 6.7).

    An increment is rounded by at most 2^-33 of a turn, far below the table's resolution of 2^-12 even after thousands
    of frames.
    """
    turns = [BASE**level / (2 * frames) for level in range(levels)]
    return Frequency((), tuple(round(turn * (1 << 32)) % (1 << 32) for turn in turns), (0,) * levels)


def own_levels(frames: int) -> int:
    """Frequencies that our own networks take: those below one turn in two frames, at most the published number.

    Higher ones alias to others, and each costs 8 bytes of the file: 16 of 40 gave the same quality for 32 frames.
    """
    return next((level for level in range(1, LEVELS) if BASE**level > frames), LEVELS)


@dataclass(frozen=True)
class Family:
    """Networks that grow with the width of their first map, and finer with that of the stem's inner layer.

    Attributes:
        make: (video, ratio between half the picture and the first map, width, hidden) to a program.
    """

    make: Callable[[Video, int, int, int], Program]

    def build(self, video: Video, frames: int, parameters: int) -> Program:
        """The widest network for `frames` frames of `video` with at most `parameters` parameters.

        Raises:
            RateError: if even the smallest network has more.
            LimitError: if even that one is beyond what decoders accept (formats/nq.md, 8).
        """
        check_budget(parameters, self.smallest(video, frames), video)
        clip = video.with_frames(frames)
        ratio = best_ratio(clip, min(max(parameters / CELL_PARAMETERS, CELL_RANGE[0]), CELL_RANGE[1]))
        if not fits(self._of(clip, ratio, LEAST_WIDTH), clip, parameters):
            ratio = self._cheapest(clip)
        width = widest(lambda width: self._of(clip, ratio, width), LEAST_WIDTH, clip, parameters)
        # One more channel of width is many parameters; what the width leaves of the budget goes to the stem's inner
        # layer.
        least = _hidden(width)
        hidden = widest(lambda hidden: self.make(clip, ratio, width, hidden), least, clip, parameters)
        return self.make(clip, ratio, width, hidden)

    def smallest(self, video: Video, frames: int) -> int:
        """Fewest parameters that `build` can make for `frames` frames; raises LimitError for absurd sizes."""
        clip = video.with_frames(frames)
        program = self._of(clip, self._cheapest(clip), LEAST_WIDTH)
        program.check_limits(clip, Limits())
        return program.parameters

    def _of(self, video: Video, ratio: int, width: int) -> Program:
        return self.make(video, ratio, width, _hidden(width))

    def _cheapest(self, video: Video) -> int:
        """The ratio whose narrowest network has the fewest parameters."""
        return min(ratios(video), key=lambda ratio: self._of(video, ratio, LEAST_WIDTH).parameters)


def _hidden(width: int) -> int:
    return min(HIDDEN, HIDDEN_SHARE * width)
