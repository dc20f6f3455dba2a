"""What an encode is asked to make of its clips, and the errors in that which are known before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nqcodec.decoder.device import check_device
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.output_file import STANDARD_OUTPUT
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.work_folder import work_path
from nqcodec.errors import OutputError, UsageError
from nqcodec.media.clip import ClipInput
from nqcodec.media.output import StandardOutput
from nqcodec.media.outputs import refuse_sources


@dataclass(frozen=True)
class Output:
    """A file to make; `rate` None means that a published network's own size decides."""

    path: Path
    rate: Rate | None


@dataclass(frozen=True)
class ClipJob:
    """One clip to encode, to one file or to several at different rates: one fit serves them all."""

    clip: ClipInput
    outputs: tuple[Output, ...]


def sources_of(jobs: Sequence[ClipJob], settings: EncodeSettings) -> list[str | Path | None]:
    """The files that an encode reads, and so must not write to."""
    return [*(job.clip.path for job in jobs), Path(settings.fit) if settings.fit else None]


def check_jobs(jobs: Sequence[ClipJob], settings: EncodeSettings) -> None:
    """Raise the errors of `encode_clips` that are known before anything is read or fitted."""
    check_device(settings.device)
    paths = [output.path for job in jobs for output in job.outputs]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("two files would be written to the same output: use {name} or {bpp} in -o")
    for path in paths:
        if path == STANDARD_OUTPUT:
            StandardOutput()
            if settings.resume:
                raise UsageError("--resume: what was written to standard output is gone: name a file to go on with")
            continue
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist")
    folders = [work_path(job.outputs[0].path) for job in jobs if job.outputs[0].path != STANDARD_OUTPUT]
    refuse_sources([*paths, settings.save_fit, *folders], sources_of(jobs, settings))
    if settings.save_fit and Path(settings.save_fit).resolve() in {path.resolve() for path in paths}:
        raise UsageError(f"--save-fit {settings.save_fit}: is the encoded file itself")
    if (settings.save_fit or settings.fit) and len(jobs) > 1:
        raise UsageError("--save-fit and --fit are for one clip")
    _check_rates([output.rate for job in jobs for output in job.outputs], settings)
    if settings.resume and settings.fresh:
        raise UsageError("--resume goes on from a checkpoint and --fresh starts anew: give one of them")


def _check_rates(rates: Sequence[Rate | None], settings: EncodeSettings) -> None:
    """Raise UsageError for rates of several kinds, and for qualities that the settings' fits cannot be steered to."""
    kinds = {rate.name for rate in rates if rate}
    qualities = sorted({rate.name for rate in rates if rate and rate.has_quality})
    if qualities and len(kinds) > 1:
        raise UsageError(f"--{' and --'.join(sorted(kinds))}: files of one fit have rates of one kind")
    if qualities and (settings.method == "plain" or settings.arch_preset or settings.departs()):
        raise UsageError(
            f"--{qualities[0]} steers a fit for its rate (--method rate-aware): give --bpp or --bitrate with a plain "
            "fit, a recipe or a published network"
        )
