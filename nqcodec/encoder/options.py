"""The options of an encode: each is declared once, with its type, default, help, unit and group.

From these dataclasses follow the options of `nqenc` and its manual (`nqcodec.cli.nqenc_options`), the keywords of
`nqcodec.encode` (`nqcodec.encoder.api`), what an interrupted encode has to repeat (`EncodeSettings.fingerprint`), and
what a file's metadata say of its settings (`nqcodec.encoder.kept`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from nqcodec.backbones import BACKBONES
from nqcodec.encoder.option import option, option_fields
from nqcodec.encoder.option_text import (
    Segmentation,
    parse_fps,
    parse_frame_count,
    parse_names,
    parse_numbers,
    parse_patch,
    parse_seek,
    parse_segment,
    parse_size,
)
from nqcodec.errors import UsageError
from nqcodec.media.positions import Position

if TYPE_CHECKING:
    from nqcodec.media.clip import ClipInput

AnyPath = str | os.PathLike[str]
Method = Literal["auto", "rate-aware", "plain"]
Number = TypeVar("Number")
PRESETS = ("ultrafast", "fast", "medium", "slow", "placebo")
"""Names of both methods' presets, each about four times as long as the one before."""
INPUT_CSP = ("i400", "i420", "i422", "i444")
SEED_RANGE = (0, 2**31 - 1)
DEPTH_RANGE = (8, 12)


class Group(StrEnum):
    """Titles of the groups of nqenc's help, in their order."""

    FILES = "Files"
    RATE = "Rate (at most one) and effort"
    CLIP = "The clip"
    FILE = "The file"
    NETWORK = "Network and method"
    MACHINE = "Machine"
    RESUMING = "Going on, and more rates"
    REPORTS = "Reports beside the file"
    PLAIN = "Departures of a plain fit (--method plain) from its preset"


@dataclass(frozen=True, kw_only=True)
class RateOptions(Generic[Number]):
    """How good or how large a file is to be: at most one. Python callers give a float; the command line takes several,
    each for a file of its own, as a tuple of `WrittenNumber`."""

    quality: Number | None = option(
        None,
        "1 to 100, higher is better, as constant rate factors: 50 is about x265's CRF 27. Default without a rate: 50.",
        Group.RATE,
        metavar="Q[,...]",
        parse=parse_numbers,
    )
    psnr: Number | None = option(
        None,
        "The smallest file of that PSNR-YUV in dB, within 0.05; in up to 1.5 times the time of --bpp.",
        Group.RATE,
        metavar="DB[,...]",
        parse=parse_numbers,
    )
    bpp: Number | None = option(
        None,
        "Bits a luma pixel, the whole file counted; never more. Y and more: further files of one fit.",
        Group.RATE,
        metavar="X[,Y...]",
        parse=parse_numbers,
    )
    bitrate: Number | None = option(
        None,
        "Kilobits (1000 bits) a second; as --bpp otherwise.",
        Group.RATE,
        metavar="KB/S[,...]",
        parse=parse_numbers,
    )
    params: int | None = option(
        None,
        "Parameters of the network, latents included, instead of a rate; the rate follows.",
        Group.RATE,
        range=(1, None),
    )


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which part of a source is read, and as what."""

    input_res: tuple[int, int] | None = option(
        None, "Raw .yuv input: picture size in luma pixels.", Group.CLIP, metavar="WxH", parse=parse_size
    )
    fps: Fraction | float | str | None = option(
        None,
        "Raw or PNG input: frames a second, such as 25 or 30000/1001; default 25.",
        Group.CLIP,
        metavar="N[/D]",
        parse=parse_fps,
    )
    input_csp: str | None = option(None, "Raw .yuv input: chroma format, default i420.", Group.CLIP, choices=INPUT_CSP)
    input_depth: int | None = option(None, "Raw .yuv input: bits a sample, default 8.", Group.CLIP, range=DEPTH_RANGE)
    seek: Position = option(
        0, "Begin at frame N or at a time: 1.5s, 200ms, 00:00:02, 1:30.", Group.CLIP, metavar="N|TIME", parse=parse_seek
    )
    frames: Position | None = option(
        None,
        "Encode at most N frames, or a duration: 2s, 500ms, 00:00:02; default: all.",
        Group.CLIP,
        metavar="N|TIME",
        parse=parse_frame_count,
    )

    def clip(self, path: str) -> ClipInput:
        """The clip at `path` as the options have it; raises UsageError for an `fps` that is no frame rate."""
        from nqcodec.media.clip import ClipInput

        return ClipInput(
            path,
            input_res=self.input_res,
            fps=self.frame_rate(),
            csp=self.input_csp,
            depth=self.input_depth,
            start=self.seek,
            count=self.frames,
        )

    def frame_rate(self) -> Fraction | None:
        """`fps` as a fraction; a float as it is written, so 29.97 is 2997/100. Raises UsageError."""
        try:
            return None if self.fps is None else parse_fps(str(self.fps))
        except ValueError as error:
            raise UsageError(f"fps={self.fps!r}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class ClipOptions(SourceOptions):
    """The same, and in which format the clip is coded."""

    csp: str | None = option(
        None, "Code in this format; default: the input's, RGB input as i420.", Group.FILE, choices=(*INPUT_CSP, "rgb")
    )
    depth: int | None = option(None, "Code at this bit depth; default: the input's.", Group.FILE, range=DEPTH_RANGE)

    def clip(self, path: str) -> ClipInput:
        """The clip at `path` as the options have it; raises UsageError for an `fps` that is no frame rate."""
        return replace(super().clip(path), coded_csp=self.csp, coded_depth=self.depth)


@dataclass(frozen=True, kw_only=True)
class PlainFitOptions:
    """How a plain fit departs from the preset; None leaves the preset's value (`nqcodec.training.settings`)."""

    recipe: str | None = option(
        None,
        "Plain fit as a paper does: nerv, nervpp, hnerv, hinerv, neuroquant.",
        Group.PLAIN,
        metavar="NAME",
        in_encoder_text=True,
    )
    loss: str | None = option(
        None, "Plain fit: log-mse, mse, l1, l1-ssim or l1-ms-ssim.", Group.PLAIN, metavar="NAME", in_encoder_text=True
    )
    optimizer: str | None = option(
        None, "Plain fit: muon, adam or adamw.", Group.PLAIN, metavar="NAME", in_encoder_text=True
    )
    schedule: str | None = option(
        None,
        "Plain fit: cosine, late-cosine, linear, step or constant-decay.",
        Group.PLAIN,
        metavar="NAME",
        in_encoder_text=True,
    )
    ema: float | None = option(
        None,
        "Plain fit: average weights, with this decay.",
        Group.PLAIN,
        metavar="X",
        range=(0, 1),
        in_encoder_text=True,
    )
    coarse: float | None = option(
        None,
        "Plain fit: part of the iterations on 2x2 means.",
        Group.PLAIN,
        metavar="X",
        range=(0, 1),
        in_encoder_text=True,
    )
    prune: float | None = option(
        None, "Plain fit: part of the weights to keep.", Group.PLAIN, metavar="X", range=(0, 1), in_encoder_text=True
    )
    quant_noise: int | None = option(
        None, "Plain fit: end with Quant-Noise.", Group.PLAIN, metavar="BITS", range=(2, 8), in_encoder_text=True
    )
    patch: tuple[int, int] | None = option(
        None,
        "Plain fit: train on patches of so many luma samples, not whole frames.",
        Group.PLAIN,
        metavar="WxH|N",
        parse=parse_patch,
        in_encoder_text=True,
    )

    def departs(self) -> bool:
        """Whether any of these options is given."""
        return any(getattr(self, one.name) is not None for one in fields(PlainFitOptions))


@dataclass(frozen=True, kw_only=True)
class EncodeSettings(PlainFitOptions):
    """What all clips of one call share."""

    preset: str = option(
        "medium",
        "Time for quality; each takes about four times as long as the one before. The expected time is printed first.",
        Group.RATE,
        choices=PRESETS,
        show_default=True,
        in_encoder_text=True,
    )
    iterations: int | None = option(
        None,
        "Optimizer iterations of a fit, instead of the preset's.",
        Group.RATE,
        flags=("--iterations", "--steps"),
        metavar="N",
        range=(1, None),
        in_encoder_text=True,
    )
    segment: Segmentation = option(
        "auto",
        "Where segments begin: auto, at scene cuts; N, there and after at most N frames; none, one segment. Each "
        "decodes alone.",
        Group.FILE,
        metavar="auto|none|N",
        parse=parse_segment,
        show_default=True,
        in_encoder_text=True,
    )
    motion: Literal["auto", "none"] = option(
        "auto",
        "Pyramids: auto follows a camera and parts of the picture that move; none treats every clip as a still one.",
        Group.FILE,
        show_default=True,
        in_encoder_text=True,
    )
    hashes: Literal["segment", "frame"] = option(
        "segment",
        "MD5s in the file: one a segment, or one a frame (16 bytes each) as well.",
        Group.FILE,
        flags=("--hash",),
        show_default=True,
    )
    metadata: bool = option(
        True,
        "Do not keep frame times that vary, HDR10 values, display matrix, encoder and settings in the file.",
        Group.FILE,
    )
    coder: Literal["native", "python", "torchac"] | None = option(
        None, "Arithmetic coder, default native; the bytes are the same.", Group.FILE, decides_result=False
    )
    arch: str = option(
        "auto",
        "Backbone; auto: pyramid, or picture for a segment of one frame.",
        Group.NETWORK,
        choices=("auto", *BACKBONES),
        show_default=True,
        in_encoder_text=True,
    )
    method: Method = option(
        "auto",
        "Fit for the rate, or fit first and quantise then; auto: what measured better for the backbone.",
        Group.NETWORK,
        show_default=True,
        in_encoder_text=True,
    )
    arch_preset: str | None = option(
        None,
        "A published network of --arch exactly as published, such as bunny-1.5m of hnerv; no rate is needed then.",
        Group.NETWORK,
        metavar="NAME",
        in_encoder_text=True,
    )
    device: str = option(
        "cpu", "Where to fit.", Group.MACHINE, metavar="cpu|cuda", show_default=True, in_encoder_text=True
    )
    threads: int | None = option(
        None,
        "Threads a fit; default: the cores that there are for each, at most the frames of an iteration; plain fits: 1.",
        Group.MACHINE,
        range=(1, 1024),
        in_encoder_text=True,
    )
    jobs: int | None = option(
        None,
        "Segments fitted at the same time; default: as many as fill the cores.",
        Group.MACHINE,
        range=(1, 256),
        decides_result=False,
    )
    seed: int = option(
        0,
        "Same seed, threads and machine: same file.",
        Group.MACHINE,
        range=SEED_RANGE,
        show_default=True,
        in_encoder_text=True,
    )
    resume: bool = option(
        False,
        "Go on from the checkpoint that an interrupted encode left beside the output.",
        Group.RESUMING,
        decides_result=False,
    )
    fresh: bool = option(False, "Start anew although there is such a checkpoint.", Group.RESUMING, decides_result=False)
    save_fit: AnyPath | None = option(
        None,
        "Keep the float network, for other rates later (--fit).",
        Group.RESUMING,
        metavar="FILE.safetensors",
        decides_result=False,
    )
    fit: AnyPath | None = option(
        None, "Start from a saved fit of the same clip instead of fitting.", Group.RESUMING, metavar="FILE.safetensors"
    )
    metrics: Sequence[str] = option(
        (),
        "Measure these, too, on the decoded frames of the file: ssim, ms-ssim, vmaf (an ffmpeg with libvmaf).",
        Group.REPORTS,
        metavar="NAME[,...]",
        parse=parse_names,
        decides_result=False,
    )

    def fingerprint(self) -> dict[str, str]:
        """What decides the result: an encode may resume only under the same."""
        return {
            one.name: str(getattr(self, one.name))
            for one, known in option_fields(EncodeSettings)
            if known.decides_result
        }


Options = TypeVar("Options", ClipOptions, EncodeSettings)


def part_of(options: Options, kind: type[Options]) -> Options:
    """The fields of `kind` alone, of options that have more: equal parts compare equal, and show nothing else."""
    return kind(**{one.name: getattr(options, one.name) for one in fields(kind)})
