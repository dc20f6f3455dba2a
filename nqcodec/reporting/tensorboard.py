"""`nqenc --tensorboard`: the fit curve as it comes, for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from nqcodec.encoder.report import EncodeReport
from nqcodec.errors import OutputError, UnsupportedError
from nqcodec.reporting.fitcurve import Point

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def check_tensorboard() -> None:
    """Raise UnsupportedError where it is missing: before the long part."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: F401
    except ImportError as error:
        raise UnsupportedError("--tensorboard needs tensorboard: pip install 'nqcodec[tensorboard]'") from error


class FitLog:
    """Writes points into event files below a folder, one run a segment, and figures of finished files.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder, self._open = folder, SummaryWriter
        self._runs: dict[str, SummaryWriter] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error

    def __enter__(self) -> FitLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs.values():
            run.close()

    def add(self, point: Point, number: int) -> None:
        """One point; a stage's scalars carry its name, and its rate's number where there is one."""
        stage = point.stage if point.rate is None else f"{point.stage} {point.rate}"
        run, at = self._run(point.segment), point.iteration
        named = {"PSNR-YUV": point.psnr, "bytes": point.size, "loss": point.loss, "lambda": point.lmbda}
        for name, value in named.items():
            if value is not None:
                run.add_scalar(f"{stage}/{name}", value, at)
        for key, index in point.step_indices.items():
            run.add_scalar(f"{stage}, step sizes/{key}", 2 ** (index / 8), at)

    def finish(self, report: EncodeReport) -> None:
        """The figures of a finished file, as text and, by frame, as scalars."""
        run = self._run(Path(report.output).name)
        run.add_text("file", f"{report.size} bytes, {report.bpp:.5f} bpp, PSNR-YUV {report.psnr['yuv']:.2f} dB")
        for number, row in enumerate(report.frame_psnr):
            for name, value in row.items():
                run.add_scalar(f"frames/PSNR-{name.upper()}", value, number)

    def _run(self, name: str) -> SummaryWriter:
        """The writer of a run; its folder's name keeps what is safe of `name`."""
        if name not in self._runs:
            safe = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in Path(name).name)
            self._runs[name] = self._open(str(self._folder / safe))
        return self._runs[name]
