"""What is asked of one segment: plain data, which any process can be given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nqcodec.encoder.options import EncodeSettings
from nqcodec.media.clip import ClipInput
from nqcodec.media.video import Video


@dataclass(frozen=True)
class SegmentTask:
    """One segment to encode.

    Attributes:
        first: its first frame in the clip.
        video: the segment's description, `frames` its own.
        whole: the clip's.
        budgets: most bytes of its payload, for each output; None where a number of parameters decides.
        parameters: of the network asked for, or None.
        work: folder for its checkpoint and result.
        metadata_bytes: bytes of each output that its metadata takes, for messages.
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

    def rates_by_budget(self) -> list[int]:
        """Numbers of its rates, the lowest rate first."""
        return sorted(range(len(self.budgets)), key=lambda rate: self.budgets[rate] or 0)
