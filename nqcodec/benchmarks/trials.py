"""Fits of some frames for equal bytes, with one part of what is fitted changed at a time, measured as decoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nqcodec.benchmarks.results import Cells, Column
from nqcodec.bitstream.segment import payload_size
from nqcodec.media.metrics import QualityMeter
from nqcodec.media.source import open_source
from nqcodec.media.video import Frame, Video
from nqcodec.methods.rate_aware.fit import Fitted, fit_for_size
from nqcodec.methods.rate_aware.settings import RateAwareSettings, preset_settings, with_program
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Program
from nqcodec.synthesis.backends import frames_of, open_synthesizer
from nqcodec.training.clip import pack
from nqcodec.training.flow import start_vectors
from nqcodec.training.start import new_network

PRESET = "ultrafast"
"""The preset that chooses the frames an iteration."""

COLUMNS = (
    Column("clip", "clip"),
    Column("variant", "fit"),
    Column("seed", "seed"),
    Column("bpp", "bits a pixel", "", 4),
    Column("psnr", "PSNR-YUV", "dB", 2),
    Column("lost", "fit minus decoded", "dB", 2),
)


@dataclass(frozen=True)
class Excerpt:
    """Successive frames of a clip, in memory; `video.frames` is their number."""

    name: str
    video: Video
    frames: tuple[Frame, ...]

    @staticmethod
    def read(path: str, first: int, count: int) -> Excerpt:
        """At most `count` frames of the clip at `path` from number `first` on; raises what `open_source` raises."""
        with open_source(path, start=first, count=count) as source:
            frames = tuple(source)
            return Excerpt(Path(path).stem, source.video.with_frames(len(frames)), frames)


Change = Callable[[RateAwareSettings], RateAwareSettings]

Before = Callable[[Fitted, RateAwareSettings], None]
"""What is done with a fresh network before its fit."""


@dataclass(frozen=True)
class Variant:
    """A way to fit frames.

    Attributes:
        program: what is fitted for a size in bytes; None for frames that this variant does not suit.
        change: what is changed of the settings.
        searched: whether the vectors, if the program has any, start from a search for motion instead of 0.
        before: what is done first, for an excerpt and a size in bytes; None for nothing.
    """

    program: Callable[[Excerpt, int], Program | None]
    change: Change = lambda settings: settings
    searched: bool = True
    before: Callable[[Excerpt, int], Before] | None = None


def rows(
    excerpts: Iterable[Excerpt], variants: Mapping[str, Variant], bpp: float, iterations: int, seeds: Sequence[int]
) -> Iterator[Cells]:
    """A row for each excerpt, variant and seed, all fitted for `bpp` with equal iterations; none for a variant that
    does not suit the excerpt."""
    for excerpt in excerpts:
        size = int(bpp * excerpt.video.pixels / 8)
        for name, variant in variants.items():
            program = variant.program(excerpt, size)
            if program is None:
                continue
            for seed in seeds:
                settings = variant.change(with_program(settings_for(excerpt, iterations, seed), program))
                before = variant.before(excerpt, size) if variant.before else None
                found = fitted(excerpt, program, size, settings, searched=variant.searched, before=before)
                yield {"clip": excerpt.name, "variant": name, "seed": seed, **found}


def settings_for(excerpt: Excerpt, iterations: int, seed: int) -> RateAwareSettings:
    """What every fit of an excerpt starts from: the settings of `PRESET`, but for the iterations."""
    return replace(preset_settings(PRESET, excerpt.video.frames, seed=seed), iterations=iterations)


def fitted(
    excerpt: Excerpt,
    program: Program,
    size: int,
    settings: RateAwareSettings,
    *,
    searched: bool,
    before: Before | None = None,
) -> Cells:
    """What one fit for at most `size` bytes has and takes, as cells.

    `psnr` is the mean PSNR-YUV of the decoded frames, and `lost` what that has less than the fit ended with, both in
    dB; `cpu_seconds` is the time that all threads spent on the search and the fit.

    Args:
        before: what is done with the network first.

    Raises:
        SizeError: if no file of that size can be made.
    """
    video, promised = excerpt.video, list[float]()
    clip = pack(excerpt.frames, video, program)
    begun = time.process_time()
    start = Fitted.fresh(new_network(program, video.frames, settings), settings.latent_step_index)
    if searched:
        start_vectors(start.network, clip)
    if before:
        before(start, settings)
    network = fit_for_size(
        start,
        clip,
        settings,
        max_bytes=size,
        size_of=payload_size,
        progress=lambda event: None if event.psnr is None else promised.append(event.psnr),
    )
    seconds = time.process_time() - begun
    decoded = _psnr(network, excerpt)
    return {
        "bpp": 8 * payload_size(network) / video.pixels,
        "psnr": decoded,
        "lost": promised[-1] - decoded,
        "kmac_per_pixel": program.macs / (video.width * video.height) / 1000,
        "cpu_seconds": seconds,
    }


def _psnr(network: IntegerNetwork, excerpt: Excerpt) -> float:
    """PSNR-YUV in dB of a network's frames, their mean."""
    count, meter = excerpt.video.frames, QualityMeter(excerpt.video)
    with open_synthesizer(network, excerpt.video, count) as synthesizer:
        for frame, decoded in zip(excerpt.frames, frames_of(synthesizer, 0, count), strict=True):
            meter.add(frame, decoded)
    return meter.means()["yuv"]
