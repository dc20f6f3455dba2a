"""The default against a paper's way to train, on one clip: time to the same PSNR, and PSNR in the same time and bytes.

The first fits one network twice: by the paper's recipe at its full length, and by our settings, longer and longer until
it is as good. The second sets whole files beside one another: the paper's fit, quantised and coded as ours are, and
what `--arch auto` makes of the same bytes within the time that both took. The paper's network puts out the clip's own
planes here instead of RGB, which does it no harm where planes are what is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nqcodec.compare.configurations import PAPERS, Configuration
from nqcodec.compare.pace import LEAST_STEPS, Pace
from nqcodec.compare.rows import Row
from nqcodec.compare.runs import Clip, Progress, configuration_rows, whole_task
from nqcodec.decoder.device import check_device
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.clip import ClipInput

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 3, 1 / 2, 1.0)
"""Lengths of our fit, as parts of the recipe's time: tried in this order until one is as good."""

DEFINITIONS = {
    "psnr": "PSNR-YUV (6:1:1), dB; of the float network for fits, of the decoded file for files",
    "seconds": "wall clock, of the fit alone for fits, of fit and quantisation for files",
    "time_ratio": "seconds of our shortest fit that reaches the recipe's PSNR / seconds of the recipe; "
    "null if none does",
    "gain": "PSNR-YUV of the default's file over that of the recipe's, dB",
}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What to run: `recipe` is a name of `nqcodec.compare.configurations.PAPERS`, `rates` are bpp, `steps` replaces
    the recipe's length if not None."""

    clip: ClipInput
    recipe: str
    rates: tuple[float, ...]
    steps: int | None = None
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    def configuration(self, name: str, **settings: Any) -> Configuration:
        """A way to encode with what all rows share."""
        shared = {"seed": self.seed, "device": self.device, "threads": self.threads}
        return Configuration(name, name, {**shared, **settings})

    def paper(self, **settings: Any) -> Configuration:
        """The paper's network and recipe."""
        own = {"arch": PAPERS[self.recipe][0], "method": "plain", "recipe": self.recipe, "steps": self.steps}
        return self.configuration(self.recipe, **own, **settings)


@dataclass(frozen=True)
class Fitted:
    """One fit: optimizer steps, seconds, PSNR-YUV in dB."""

    steps: int
    seconds: float
    psnr: float


def run(order: Order, folder: Path, tell: Tell, progress: Progress | None = None) -> dict[str, Any]:
    """All rates in turn, as plain data: {"clip", "recipe", "settings", "definitions", "rates"}; files go to `folder`.

    A rate has bpp, parameters, published and ours (fits), time_ratio, files and gain.

    Raises:
        UsageError: there is no recipe of that name.
        NqError: as the encoder does.
    """
    check_device(order.device)
    clip = Clip.of(order.clip)
    rates = [_at(order, clip, bpp, folder, tell, progress) for bpp in order.rates]
    return {
        "clip": order.clip.name,
        "recipe": order.recipe,
        "settings": {name: getattr(order, name) for name in ("steps", "seed", "device", "threads")},
        "definitions": DEFINITIONS,
        "rates": rates,
    }


def _at(order: Order, clip: Clip, bpp: float, folder: Path, tell: Tell, progress: Progress | None) -> dict[str, Any]:
    saved = folder / f"{order.recipe}_{bpp:g}.safetensors"
    task = whole_task(clip, order.paper(), bpp)
    published = _fit(task, saved)
    tell(f"{order.recipe} at {bpp:g} bpp: {published.psnr:.2f} dB after {published.seconds:.1f} s")
    ours = []
    for fitted in _ours(task, published):
        ours.append(fitted)
        tell(f"ours: {fitted.psnr:.2f} dB after {fitted.seconds:.1f} s")
    files = [_paper_file(order, clip, bpp, folder, saved, published, progress)]
    files.append(_default_file(order, clip, bpp, folder, files[0]["seconds"], progress))
    tell("files: " + ", ".join(f"{one['label']} {one['psnr']:.2f} dB, {one['bytes']} bytes" for one in files))
    reached = ours[-1].psnr >= published.psnr
    return {
        "bpp": bpp,
        "parameters": files[0]["parameters"],
        "published": vars(published),
        "ours": [vars(fitted) for fitted in ours],
        "time_ratio": ours[-1].seconds / published.seconds if reached else None,
        "files": files,
        "gain": files[1]["psnr"] - files[0]["psnr"],
    }


def _fit(task: SegmentTask, save: Path | None = None) -> Fitted:
    """Fit the task's network as its settings say; it is written to `save`, if given."""
    from nqcodec.encoder.segment_network import choose_program
    from nqcodec.encoder.segment_plain import fit_settings
    from nqcodec.training.checkpoint import save_fit
    from nqcodec.training.clip import pack
    from nqcodec.training.start import new_network
    from nqcodec.training.train import fit

    program, how = choose_program(task), fit_settings(task)
    packed = pack(task.clip.frames(task.first, task.video.frames), task.video, program, device=how.device)
    network = new_network(program, task.video.frames, how)
    result = fit(network, packed, how)
    if save:
        save.parent.mkdir(parents=True, exist_ok=True)
        save_fit(save, task.video, network)
    return Fitted(how.steps, result.seconds, result.quality.yuv)


def _ours(task: SegmentTask, published: Fitted) -> Iterator[Fitted]:
    """Our fits of the same network, one longer than the other, up to the first that is as good."""
    from nqcodec.encoder.options import PlainFitOptions

    settings = replace(task.settings, **vars(PlainFitOptions()), steps=None)
    own = replace(task, settings=settings)
    pace = Pace.of(own).fit
    lengths = [max(LEAST_STEPS, math.floor(share * published.seconds / pace)) for share in SHARES]
    for steps in dict.fromkeys(lengths):
        fitted = _fit(replace(own, settings=replace(settings, steps=steps)))
        yield fitted
        if fitted.psnr >= published.psnr:
            return


def _paper_file(
    order: Order, clip: Clip, bpp: float, folder: Path, saved: Path, fitted: Fitted, progress: Progress | None
) -> dict[str, Any]:
    configuration = order.paper(fit=saved)
    (row,) = configuration_rows(clip, configuration, (bpp,), folder, progress)
    return _figures(row, fitted.seconds + row.facts["seconds_by_stage"]["quantise"])


def _default_file(
    order: Order, clip: Clip, bpp: float, folder: Path, seconds: float, progress: Progress | None
) -> dict[str, Any]:
    task = whole_task(clip, order.configuration("default"), bpp)
    steps = Pace.of(task).steps_within(seconds, task)
    (row,) = configuration_rows(clip, order.configuration("default", steps=steps), (bpp,), folder, progress)
    stages = row.facts["seconds_by_stage"]
    return {**_figures(row, stages["fit"] + stages["quantise"]), "steps": steps}


def _figures(row: Row, seconds: float) -> dict[str, Any]:
    return {
        "label": row.label,
        "bytes": row.size,
        "bpp": row.bpp,
        "psnr": row.quality["yuv"],
        "seconds": seconds,
        "parameters": row.facts["parameters"],
    }
