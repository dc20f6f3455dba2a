"""What is asked of one segment: plain data, which any process can be given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import Rate
from nqcodec.media.clip import ClipInput
from nqcodec.media.video import Video


@dataclass(frozen=True)
class SegmentTask:
    """One segment to encode.

    Attributes:
        first: its first frame in the clip.
        video: the segment's description, `frames` its own.
        whole: the clip's.
        budgets: most bytes of its payload, for each output, or those that it is estimated to take where a quality or
            a PSNR is asked for; None where a number of parameters decides, or as long as there is no estimate.
        parameters: of the network asked for, or None.
        work: folder for its checkpoint and result.
        metadata_bytes: bytes of each output that its metadata takes, for messages.
        rates: what was asked for, for each output; empty where that is the budgets alone.
    """

    name: str
    clip: ClipInput
    number: int
    first: int
    video: Video
    whole: Video
    budgets: tuple[int | None, ...]
    parameters: int | None
    settings: EncodeSettings
    work: Path
    metadata_bytes: tuple[int, ...] = ()
    rates: tuple[Rate | None, ...] = ()

    def rates_by_budget(self) -> list[int]:
        """Numbers of its rates, the lowest rate first."""
        return sorted(range(len(self.budgets)), key=self._height)

    def _height(self, rate: int) -> float:
        """What its rates, which are of one kind, rise by."""
        asked = self.quality_rate(rate)
        return asked.value if asked else self.budgets[rate] or 0

    def quality_rate(self, rate: int) -> Rate | None:
        """Rate number `rate` if it is a quality or a PSNR."""
        asked = self.rates[rate] if self.rates else None
        return asked if asked and asked.has_quality else None

    @property
    def has_quality(self) -> bool:
        """Whether qualities or PSNRs are asked for."""
        return any(self.quality_rate(rate) for rate in range(len(self.budgets)))
