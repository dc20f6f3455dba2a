"""Backbones against one another: a clip at the same rates, each fitted and quantized within the same time.

The number of iterations follows from the speed of exactly the network at hand, measured just before its encode, so that
a slow network gets fewer of them. Figures are of whole files, decoded again; conventional codecs are set beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nqcodec.backbones import backbone
from nqcodec.benchmarks.rate_distortion import measurement
from nqcodec.benchmarks.results import Measurement
from nqcodec.benchmarks.time_budget import TimeBudget
from nqcodec.compare.anchors import GOP, Anchor, check_anchor
from nqcodec.compare.comparison import Comparison, Log, ResultCache, place
from nqcodec.compare.configurations import Configuration
from nqcodec.compare.curves import check_packages
from nqcodec.compare.rows import RDPoint
from nqcodec.compare.runs import Clip, Progress, configuration_rows, configuration_settings, whole_task
from nqcodec.decoder.device import check_device
from nqcodec.encoder.rate import Rate
from nqcodec.errors import RateError, UnsupportedError
from nqcodec.media.clip import ClipInput
from nqcodec.media.text import counted


@dataclass(frozen=True)
class BackbonesConfig:
    """What to run.

    Attributes:
        rates: bpp.
        archs: names of backbones.
        anchors: with the rate factors of each.
        seconds: wall clock for the fit and quantization of each file.
        threads: of a fit.
    """

    clip: ClipInput
    rates: tuple[float, ...]
    archs: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    seconds: float
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    def configuration(self, arch: str, iterations: int | None = None) -> Configuration:
        """The way to encode with a backbone; its name, and so the file's, says the time that it has."""
        settings = {"arch": arch, "iterations": iterations, "seed": self.seed}
        settings |= {"device": self.device, "threads": self.threads}
        return Configuration(f"{arch} {self.seconds:g}s", arch, settings)


def run(config: BackbonesConfig, folder: Path, log: Log, progress: Progress | None = None) -> Comparison:
    """Make all files that `folder` does not hold yet, as a comparison that `nqtool compare --from` can draw.

    A rate that a backbone cannot meet and an anchor that does not take the clip are noted and left out.

    Raises:
        UsageError: there is no backbone of a name.
        UnsupportedError: scipy, which comparing with anchors needs, is missing.
        NqError: as the encoders do.
    """
    check_device(config.device)
    for arch in config.archs:
        backbone(arch)
    if config.anchors:
        check_packages("scipy")
    clip = Clip.of(config.clip)
    settings = {"gop": GOP, "seconds": config.seconds, "rates": list(config.rates), **place()}
    cache = ResultCache(folder, Comparison(clip, settings=settings), log)
    for anchor in config.anchors:
        try:
            check_anchor(anchor, clip.video)
        except UnsupportedError as error:
            cache.note(str(error))
        else:
            cache.enter_anchor(anchor, GOP)
    for bpp in config.rates:
        for arch in config.archs:
            # The number of iterations follows from a measured speed, so any does.
            if cache.found(config.configuration(arch), [_settings(clip, config, arch, bpp)], free=["iterations"]):
                continue
            try:
                cache.add([_row(clip, config, arch, bpp, folder, progress)])
            except RateError as error:
                cache.note(f"{arch} at {bpp:g} bpp is left out: {error}")
    cache.comparison.write(folder)
    return cache.comparison


def _settings(clip: Clip, config: BackbonesConfig, arch: str, bpp: float) -> dict[str, object]:
    """What decides a file, but for the number of iterations."""
    rate = Rate(bpp=bpp)
    settings = configuration_settings(clip, config.configuration(arch), (rate,), rate)
    return {**settings, "seconds": config.seconds}


def _row(
    clip: Clip, config: BackbonesConfig, arch: str, bpp: float, folder: Path, progress: Progress | None
) -> RDPoint:
    """Measure the network's speed, encode, measure the file."""
    task = whole_task(clip, config.configuration(arch), bpp)
    iterations = TimeBudget.of(task).iterations_within(config.seconds, task)
    (row,) = configuration_rows(clip, config.configuration(arch, iterations), (Rate(bpp=bpp),), folder, progress)
    return replace(row, settings={**row.settings, "seconds": config.seconds})


def as_measurement(config: BackbonesConfig, comparison: Comparison) -> Measurement:
    """The files as a table."""
    about = (
        f"Each file has {config.seconds:g} s of fit and quantization, on {config.device} with "
        f"{counted(config.threads, 'thread')}."
    )
    return measurement(comparison, "backbones", "Backbones at equal time", about)
