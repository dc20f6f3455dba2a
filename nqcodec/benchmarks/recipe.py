"""The default against a paper's way to train, on one clip: time to the same PSNR, and PSNR in the same time and bytes.

The first fits one network twice: by the paper's recipe at its full length, and by our settings, longer and longer until
it is as good. The second sets whole files beside one another: the paper's fit, quantised and coded as ours are, and
what `--arch auto` makes of the same bytes within the time that both took. The paper's network puts out the clip's own
planes here instead of RGB, which does it no harm where planes are what is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.benchmarks.time_budget import LEAST_ITERATIONS, TimeBudget
from nqcodec.compare.configurations import PAPERS, Configuration
from nqcodec.compare.rows import RDPoint
from nqcodec.compare.runs import Clip, Progress, configuration_rows, whole_task
from nqcodec.decoder.device import check_device
from nqcodec.encoder.options import PlainFitOptions
from nqcodec.encoder.segment_network import choose_program
from nqcodec.encoder.segment_plain import fit_settings
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.clip import ClipInput
from nqcodec.training.checkpoint import save_fit
from nqcodec.training.clip import pack
from nqcodec.training.start import new_network
from nqcodec.training.train import fit

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 3, 1 / 2, 1.0)
"""Lengths of our fit, as parts of the recipe's time: tried in this order until one is as good."""

COLUMNS = (
    Column("bpp", "rate", "bpp"),
    Column("what", "what"),
    Column("parameters", "parameters"),
    Column("iterations", "iterations"),
    Column("seconds", "time", "s", 1),
    Column("bytes", "size", "bytes"),
    Column("psnr", "PSNR-YUV", "dB", 2),
    Column("time_ratio", "of the recipe's time", "", 2),
    Column("gain", "over the recipe's file", "dB", 2),
)


@dataclass(frozen=True)
class RecipeConfig:
    """What to run: `recipe` is a name of `nqcodec.compare.configurations.PAPERS`, `rates` are bpp, `iterations` replace
    the recipe's length if not None."""

    clip: ClipInput
    recipe: str
    rates: tuple[float, ...]
    iterations: int | None = None
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    def configuration(self, name: str, **settings: Any) -> Configuration:
        """A way to encode with what all rows share."""
        shared = {"seed": self.seed, "device": self.device, "threads": self.threads}
        return Configuration(name, name, {**shared, **settings})

    def paper(self, **settings: Any) -> Configuration:
        """The paper's network and recipe."""
        own = {"arch": PAPERS[self.recipe][0], "method": "plain", "recipe": self.recipe, "iterations": self.iterations}
        return self.configuration(self.recipe, **own, **settings)


@dataclass(frozen=True)
class Fitted:
    """One fit: parameters, iterations, seconds, PSNR-YUV in dB."""

    parameters: int
    iterations: int
    seconds: float
    psnr: float


def run(config: RecipeConfig, folder: Path, progress: Progress | None = None) -> Measurement:
    """Rows of fits and files for each rate in turn; files go to `folder`.

    Raises:
        NqError: as the encoder does, and as `check_device`.
    """
    check_device(config.device)
    note = (
        f"The clip is {config.clip.name}. PSNR-YUV is 6:1:1, of the float network for fits and of the decoded file for "
        "files; times are of the fit alone for fits, and of fit and quantization for files. Our fits of the recipe's "
        "network grow until one is as good as the recipe's, and the default's file has the bytes and the time of the "
        "recipe's."
    )

    def rows() -> Iterator[Cells]:
        clip = Clip.of(config.clip)
        for bpp in config.rates:
            yield from _rows_at(config, clip, bpp, folder, progress)

    return Measurement("recipe", f"The default against {PAPERS[config.recipe][1]}", COLUMNS, rows(), note)


def _rows_at(config: RecipeConfig, clip: Clip, bpp: float, folder: Path, progress: Progress | None) -> Iterator[Cells]:
    saved = folder / f"{config.recipe}_{bpp:g}.safetensors"
    task = whole_task(clip, config.paper(), bpp)
    published = _fit(task, saved)
    yield {"bpp": bpp, "what": f"fit by {config.recipe}", **vars(published)}
    for fitted in _ours(task, published):
        ratio = fitted.seconds / published.seconds if fitted.psnr >= published.psnr else None
        yield {"bpp": bpp, "what": "our fit", **vars(fitted), "time_ratio": ratio}
    (paper,) = configuration_rows(clip, config.paper(fit=saved), (bpp,), folder, progress)
    seconds = published.seconds + paper.facts["seconds_by_stage"]["quantise"]
    yield {"bpp": bpp, "what": f"file of {config.recipe}", **_figures(paper, seconds, published.iterations)}
    task = whole_task(clip, config.configuration("default"), bpp)
    iterations = TimeBudget.of(task).iterations_within(seconds, task)
    (ours,) = configuration_rows(clip, config.configuration("default", iterations=iterations), (bpp,), folder, progress)
    stages = ours.facts["seconds_by_stage"]
    figures = _figures(ours, stages["fit"] + stages["quantise"], iterations)
    yield {"bpp": bpp, "what": "our file", **figures, "gain": ours.quality["yuv"] - paper.quality["yuv"]}


def _figures(file: RDPoint, seconds: float, iterations: int) -> Cells:
    """The cells of a file."""
    return {
        "parameters": file.facts["parameters"],
        "iterations": iterations,
        "seconds": seconds,
        "bytes": file.size,
        "psnr": file.quality["yuv"],
    }


def _fit(task: SegmentTask, save: Path | None = None) -> Fitted:
    """Fit the task's network as its settings say; it is written to `save`, if given."""

    program, how = choose_program(task), fit_settings(task)
    packed = pack(task.clip.frames(task.first, task.video.frames), task.video, program, device=how.device)
    network = new_network(program, task.video.frames, how)
    result = fit(network, packed, how)
    if save:
        save.parent.mkdir(parents=True, exist_ok=True)
        save_fit(save, task.video, network)
    return Fitted(program.parameters, how.iterations, result.seconds, result.quality.yuv)


def _ours(task: SegmentTask, published: Fitted) -> Iterator[Fitted]:
    """Our fits of the same network, one longer than the other, up to the first that is as good."""
    settings = replace(task.settings, **vars(PlainFitOptions()), iterations=None)
    own = replace(task, settings=settings)
    seconds = TimeBudget.of(own).fit
    lengths = [max(LEAST_ITERATIONS, math.floor(share * published.seconds / seconds)) for share in SHARES]
    for iterations in dict.fromkeys(lengths):
        fitted = _fit(replace(own, settings=replace(settings, iterations=iterations)))
        yield fitted
        if fitted.psnr >= published.psnr:
            return
