"""What each part of a still's fit is worth: single frames fitted for equal bytes, one part changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nqcodec.backbones import picture, pyramid
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.bitstream.segment import pack_segment
from nqcodec.media.metrics import QualityMeter
from nqcodec.media.source import open_source
from nqcodec.media.video import Frame, Video
from nqcodec.methods.rate_aware.fit import Fitted, fit_for_size
from nqcodec.methods.rate_aware.settings import RateAwareSettings, with_program
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import Activation, Conv
from nqcodec.network.program import Program
from nqcodec.synthesis.backends import open_synthesizer
from nqcodec.training.clip import pack
from nqcodec.training.start import new_network

Change = Callable[[RateAwareSettings], RateAwareSettings]


@dataclass(frozen=True)
class Variant:
    """A way to fit a still: its program for a size in bytes, and what is changed of the settings."""

    program: Callable[[Video, int], Program] = lambda video, size: picture.for_bytes(video, 1, size)
    change: Change = lambda settings: settings


def with_gelu(video: Video, size: int) -> Program:
    """The picture network with GELU in the place of ReLU."""
    operations = [
        replace(op, activation=Activation.GELU) if isinstance(op, Conv) and op.activation is Activation.RELU else op
        for op in picture.for_bytes(video, 1, size).operations
    ]
    return Program.of(operations, video)


def _setting(**values: object) -> Change:
    return lambda settings: replace(settings, **values)  # type: ignore[arg-type]


VARIANTS: Mapping[str, Variant] = {
    "as it is": Variant(),
    "no grid at full resolution": Variant(lambda video, size: picture.assemble(video, 1, 2)),
    "GELU instead of ReLU": Variant(with_gelu),
    "noise of the pyramid's fits": Variant(
        change=_setting(deviations=None, first_temperature=1.0, last_temperature=0.2),
    ),
    "learned step sizes of latents": Variant(change=_setting(latent_step_index=None)),
    "twice the learning rate of weights": Variant(change=lambda settings: replace(settings, lr=2 * settings.lr)),
    "pyramid": Variant(lambda video, size: pyramid.for_bytes(video, 1, size)),
}

COLUMNS = (
    Column("clip", "clip"),
    Column("variant", "fit"),
    Column("seed", "seed"),
    Column("bpp", "bits a pixel", "", 4),
    Column("psnr", "PSNR-YUV", "dB", 2),
    Column("lost", "fit minus decoded", "dB", 2),
)


def measurement(
    clips: Sequence[str], bpp: float, iterations: int, seeds: Sequence[int], variants: Sequence[str]
) -> Measurement:
    """A row for each clip's first frame, variant and seed, all fitted for `bpp` with equal iterations.

    Raises:
        KeyError: there is no variant of a name.
    """
    chosen = {name: VARIANTS[name] for name in variants}
    note = (
        f"First frames, fitted for {bpp:g} bits a pixel of payload in {iterations} iterations and one thread, and "
        "decoded from their integers."
    )
    return Measurement("stills", "Parts of a still's fit", COLUMNS, _rows(clips, bpp, iterations, seeds, chosen), note)


def _rows(
    clips: Sequence[str], bpp: float, iterations: int, seeds: Sequence[int], variants: Mapping[str, Variant]
) -> Iterator[Cells]:
    for clip in clips:
        with open_source(clip, count=1) as source:
            video, frame = source.video.with_frames(1), next(iter(source))
        for name, variant in variants.items():
            for seed in seeds:
                settings = RateAwareSettings(iterations=iterations, batch=1, seed=seed)
                found = fitted(video, frame, variant, int(bpp * video.pixels / 8), settings)
                yield {"clip": Path(clip).stem, "variant": name, "seed": seed, **found}


def fitted(video: Video, frame: Frame, variant: Variant, size: int, settings: RateAwareSettings) -> Cells:
    """Bits a pixel, PSNR-YUV of the decoded frame and what it has less than the fit ended with, both in dB."""
    program = variant.program(video, size)
    clip = pack([frame], video, program)
    how = variant.change(with_program(settings, program))
    start = Fitted.fresh(new_network(program, 1, how), how.latent_step_index)
    promised: list[float] = []
    network = fit_for_size(
        start,
        clip,
        how,
        max_bytes=size,
        size_of=_size,
        progress=lambda event: None if event.psnr is None else promised.append(event.psnr),
    )
    decoded = _psnr(network, video, frame)
    return {"bpp": 8 * _size(network) / video.pixels, "psnr": decoded, "lost": promised[-1] - decoded}


def _size(network: IntegerNetwork) -> int:
    return len(pack_segment(network).payload)


def _psnr(network: IntegerNetwork, video: Video, frame: Frame) -> float:
    """PSNR-YUV in dB of the one frame of a network."""
    meter = QualityMeter(video)
    with open_synthesizer(network, video, 1) as synthesizer:
        meter.add(frame, synthesizer.frame(0))
    return meter.means()["yuv"]
