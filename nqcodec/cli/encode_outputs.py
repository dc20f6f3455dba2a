"""What nqenc writes beside .nq files: --report, --csv and --tensorboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from nqcodec.errors import OutputError, UsageError
from nqcodec.media.outputs import refuse_sources

if TYPE_CHECKING:
    from nqcodec.cli.nqenc_options import NqencOptions
    from nqcodec.encoder.clip_job import ClipJob
    from nqcodec.encoder.options import EncodeSettings
    from nqcodec.encoder.progress import Event
    from nqcodec.encoder.report import EncodeReport
    from nqcodec.reporting.fitcurve import CurveRecorder
    from nqcodec.reporting.tensorboard import FitLog


RATE_NAMES = ("quality", "psnr", "bpp", "bitrate")
"""Options that take several rates; in braces, each of them stands for the rate in a pattern of names."""


def named(pattern: str, clip: str, text: str) -> str:
    """A pattern's name for a clip and one of its rates: {name} and the `RATE_NAMES` in braces stand for them."""
    result = pattern.replace("{name}", "stdin" if clip == "-" else Path(clip.rstrip("/")).stem)
    for name in RATE_NAMES:
        result = result.replace(f"{{{name}}}", text)
    return result


@dataclass
class EncodeOutputs:
    """The extra outputs of one call, checked before the first fit begins.

    Attributes:
        jobs: what is encoded.
        pages, tables: a path for each output of each job in order, or nothing.
        tensorboard: folder of event files, or None.
    """

    jobs: Sequence[ClipJob]
    settings: EncodeSettings
    pages: list[Path]
    tables: list[Path]
    tensorboard: Path | None
    _recorder: CurveRecorder | None = None
    _writer: FitLog | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    @staticmethod
    def of(
        jobs: Sequence[ClipJob], settings: EncodeSettings, options: NqencOptions, rates: Sequence[str]
    ) -> EncodeOutputs:
        """What --report, --csv and --tensorboard ask for.

        Args:
            rates: the rates as they were written, which {bpp} stands for.

        Raises:
            UsageError: a pattern gives two files one name, or one is what the encode reads.
            OutputError: a folder does not exist.
            UnsupportedError: matplotlib or tensorboard is missing.
        """
        from nqcodec.encoder.clip_job import sources_of

        paths = {
            option: [Path(named(pattern, job.clip.path, text)) for job in jobs for text in rates] if pattern else []
            for option, pattern in (("report", options.report), ("csv", options.csv))
        }
        outputs = [output.path for job in jobs for output in job.outputs]
        for option, chosen in paths.items():
            _check_names(option, chosen, outputs)
        refuse_sources([*paths["report"], *paths["csv"]], sources_of(jobs, settings))
        if paths["report"]:
            from nqcodec.reporting.finding import check_matplotlib

            check_matplotlib("--report")
        if options.tensorboard:
            from nqcodec.reporting.tensorboard import check_tensorboard

            check_tensorboard()
        events = Path(options.tensorboard) if options.tensorboard else None
        return EncodeOutputs(jobs, settings, paths["report"], paths["csv"], events)

    def files(self) -> list[Path]:
        """Every file that the call writes, those of the jobs included."""
        saved = [Path(self.settings.save_fit)] if self.settings.save_fit else []
        return [*(output.path for job in self.jobs for output in job.outputs), *saved, *self.pages, *self.tables]

    def watched(self, progress: Callable[[Event], None]) -> Callable[[Event], None]:
        """`progress` with whatever has to see the events too."""
        if not (self.pages or self.tensorboard):
            return progress
        from nqcodec.reporting.fitcurve import CurveRecorder

        self._recorder = CurveRecorder(progress, self._writer.add if self._writer else None)
        return self._recorder

    def __enter__(self) -> EncodeOutputs:
        if self.tensorboard:
            from nqcodec.reporting.tensorboard import FitLog

            self._writer = self._stack.enter_context(FitLog(self.tensorboard))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, reports: Sequence[EncodeReport]) -> list[str]:
        """Write everything for the finished files; returns the names of what was written."""
        from nqcodec.reporting.frame_csv import write_frame_csv

        places = [(job, number) for job in self.jobs for number in range(len(job.outputs))]
        for place, (report, (job, number)) in enumerate(zip(reports, places, strict=True)):
            if self.tables:
                write_frame_csv(report, self.tables[place])
            if self._writer:
                self._writer.finish(report)
            if self.pages:
                self._write_page(report, job, number, self.pages[place])
        return [*map(str, self.tables), *map(str, self.pages), *([str(self.tensorboard)] if self.tensorboard else [])]

    def _write_page(self, report: EncodeReport, job: ClipJob, number: int, path: Path) -> None:
        from nqcodec.reporting.report import PageSource, settings_shown, write_report

        assert self._recorder is not None
        clip = None if job.clip.path == "-" else job.clip
        points = self._recorder.curve(report.name, number)
        write_report(PageSource(report, clip, settings_shown(self.settings, job), points), path)


def _check_names(option: str, paths: list[Path], outputs: list[Path]) -> None:
    """Raise the errors that are known before anything is fitted."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError(f"--{option}: two files would be written to the same name: use {{name}} or {{bpp}} in it")
    for path in paths:
        if path.resolve() in {output.resolve() for output in outputs}:
            raise UsageError(f"--{option} {path}: is the encoded file itself")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist")
