"""A fitted segment as every method offers it, and what the methods share: the announcement of a fit, the names of
saved fits, and the errors of budgets that no network can meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from nqcodec.bitstream.writer import overhead_bytes
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.options import AnyPath
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import bytes_as_rate
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.errors import RateError
from nqcodec.media.text import counted
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Program
from nqcodec.quantization.size_search import SizeError
from nqcodec.training.checkpoint import SavedFit
from nqcodec.training.clip import PackedClip
from nqcodec.training.flow import Motion, start_vectors
from nqcodec.training.network import FloatNetwork
from nqcodec.training.pace import Pace


class SegmentFit(Protocol):
    """A fitted segment, whatever the method.

    Attributes:
        motion: what its vectors started from; None without a search.
    """

    motion: Motion | None

    def order(self) -> list[int]:
        """The task's rates in the order in which they are best made."""

    def integers(self, rate: int, again: bool) -> IntegerNetwork:
        """The integer network whose payload meets budget `rate` of the task.

        `again` says that the first network was worse than a lower rate's, so that more iterations are worth their time.

        Raises:
            RateError: the budget cannot be met; says what is possible.
            NqError: it was stopped.
        """

    def psnr(self, rate: int) -> float:
        """PSNR-YUV in dB over all frames that the last fit for that rate ended with, before its file was made."""


class FitMethod(Protocol):
    """A way to fit segments; `nqcodec.encoder.segment_methods.METHODS` has them by name."""

    def fit(self, task: SegmentTask, context: JobContext, program: Program, clip: PackedClip) -> SegmentFit:
        """Fit a fresh network of `program` to the segment's frames.

        Raises:
            RateError: no file of the size asked for can be made of it.
            NqError: it was stopped.
        """

    def saved(self, task: SegmentTask, context: JobContext, fit: SavedFit, clip: PackedClip) -> SegmentFit:
        """A fit that an earlier encode saved; raises InputError if it is damaged."""

    def useful_threads(self, task: SegmentTask) -> int:
        """CPU threads that a fit gains from without harm where other work wants the same cores."""


@contextmanager
def rate_errors(task: SegmentTask, rate: int) -> Iterator[None]:
    """Turn the SizeError of a budget that cannot be met into a RateError that says what is possible."""
    try:
        yield
    except SizeError as error:
        beside = overhead_bytes(task.video, [task.video.frames]) + sum(task.metadata_bytes[rate : rate + 1])
        most = task.budgets[rate] or 0
        asked, possible = (bytes_as_rate(size + beside, task.video) for size in (most, error.possible))
        text = f"{task.name}: {asked} cannot be met with this network; nearest: {possible}"
        raise RateError(text) from error


def announce(
    task: SegmentTask,
    context: JobContext,
    program: Program,
    iterations: int,
    pace: Pace,
    patch: tuple[int, int] | None = None,
) -> None:
    """Report the network, the iterations, the patch size if there is one (width, height), and the expected time, also
    that of an idle machine if this one is busy."""
    settings, kilo = task.settings, program.macs / (task.video.width * task.video.height) / 1000
    recipe = settings.recipe
    chosen = "" if settings.iterations else f" with recipe {recipe}" if recipe else f" with preset {settings.preset}"
    size = f"{program.parameters} parameters, {kilo:.3f} kMAC/pixel"
    patches = f" on patches of {patch[0]}x{patch[1]}" if patch else ""
    idle = f"other work has the CPUs for {pace.waiting:.0%} of that, about {pace.idle_seconds / 60:.1f} min without it"
    time = f"about {pace.seconds / 60:.1f} min to fit{chosen}" + (f" ({idle})" if pace.is_busy else "")
    text = f"{size}; {counted(iterations, 'iteration')}{patches}, {time}"
    context.progress(Event(task.name, "fit", text=text))


def search_motion(task: SegmentTask, context: JobContext, network: FloatNetwork, clip: PackedClip) -> Motion | None:
    """Set the vectors of a fresh network, if it has any, to the motion found in the clip, report and return it."""
    motion = start_vectors(network, clip)
    if motion is not None:
        found = f"vectors of up to {motion.longest:.1f} pixels explain {motion.explained:.0%} of what changes"
        used = "" if motion.is_used else ", too little to start from"
        context.progress(Event(task.name, "fit", text=f"motion: {found}{used}"))
    return motion


def fit_path(named: AnyPath, task: SegmentTask) -> Path:
    """A saved fit's file: as named for a clip of one segment, with the segment's number before the suffix for more."""
    path = Path(named)
    if task.whole.frames == task.video.frames:
        return path
    return path.with_name(f"{path.stem}.{task.number:05d}{path.suffix}")
