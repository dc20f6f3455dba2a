"""The fit that an ablation quantizes, and how good and how large what becomes of it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from nqcodec.backbones import hnerv
from nqcodec.media.clip import ClipInput
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.synthesis.backends import open_synthesizer
from nqcodec.training.checkpoint import load_fit, save_fit
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.evaluation import evaluate
from nqcodec.training.losses import plane_errors, psnr
from nqcodec.training.network import FloatNetwork, Transform
from nqcodec.training.presets import preset_settings
from nqcodec.training.recipes import paper_recipe
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit


@dataclass(frozen=True, kw_only=True)
class FitChoice:
    """Which fit to take.

    Attributes:
        path: a saved fit to take, or where to keep the one that is made.
        parameters, preset, recipe: of the HNeRV that is made otherwise; a paper's recipe, at its full length, replaces
            the preset.
        threads, seed: of that fit.
    """

    path: Path | None = None
    parameters: int = 40_000
    preset: str = "fast"
    recipe: str | None = None
    threads: int = 1
    seed: int = 0

    def preset_settings(self, frames: int) -> FitSettings:
        """The preset's settings for a clip of so many frames."""
        return preset_settings(self.preset, frames, threads=self.threads, seed=self.seed)


@dataclass(frozen=True)
class Subject:
    """The fit that everything is compared on."""

    network: FloatNetwork
    clip: PackedClip

    @cached_property
    def exact(self) -> float:
        """PSNR-YUV of the float network in dB."""
        return evaluate(self.network, self.clip).yuv

    @staticmethod
    def of(clip_path: str, choice: FitChoice) -> Subject:
        """A fit of a clip: read from its file if that exists, else made, and then kept there."""
        source = ClipInput(clip_path)
        video = source.describe()
        if choice.path is not None and choice.path.exists():
            network = load_fit(choice.path).network
            return Subject(network, pack(source.frames(), video, network.program))
        program = hnerv.build(video, video.frames, choice.parameters)
        clip = pack(source.frames(), video, program)
        settings = choice.preset_settings(video.frames)
        if choice.recipe:
            settings = paper_recipe(choice.recipe, video.frames, threads=choice.threads, seed=choice.seed)
        network = new_network(program, video.frames, settings)
        fit(network, clip, settings)
        if choice.path is not None:
            save_fit(choice.path, video, network)
        return Subject(network, clip)

    @torch.no_grad()
    def float_psnr(self, transform: Transform) -> float:
        """dB of the float network run through `transform`."""
        times = torch.arange(self.clip.frames).split(1)
        errors = [plane_errors(self.network(t, transform), self.clip.batch(t), self.clip) for t in times]
        return self._psnr(torch.cat(errors))

    def decoded_psnr(self, coded: IntegerNetwork) -> float:
        """dB of what the decoder shows of an integer network."""
        video, times = self.clip.video, torch.arange(self.clip.frames)
        with open_synthesizer(coded, video, video.frames) as synthesizer:
            shown = pack(map(synthesizer.frame, range(video.frames)), video, coded.program)
        return self._psnr(plane_errors(shown.batch(times), self.clip.batch(times), self.clip))

    def _psnr(self, errors: torch.Tensor) -> float:
        return float((psnr(errors, self.clip.video.depth) @ self.clip.weights).mean())
