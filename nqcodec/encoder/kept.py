"""Which metadata of a source a file keeps, and the warnings for those that it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from nqcodec.bitstream.metadata import MOST_TEXT, pack_times
from nqcodec.bitstream.reader import write_uv
from nqcodec.encoder.option import option_fields
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import Rate
from nqcodec.media.clip import ClipInput
from nqcodec.media.metadata import FrameTimes, Metadata
from nqcodec.media.side_data import SideData
from nqcodec.media.video import Video
from nqcodec.version import __version__

FIRST_WORDS = (
    "preset",
    "arch",
    "arch_preset",
    "method",
    "iterations",
    "segment",
    "motion",
    "seed",
    "device",
    "threads",
)
"""The settings that the encoder's text names first, in this order, since it is part of a file's bytes; the others
follow in the order of their declaration."""
SHORT_WORDS = {"iterations": "steps"}
"""The shorter one of an option's two names, because each byte of the text is one of the file's."""

CLIP_WORDS = {"start": "seek", "count": "frames", "coded_csp": "csp", "coded_depth": "depth"}
"""Fields of `ClipInput` that it names where they differ from their defaults, with the names of their options."""


def encoder_text(clip: ClipInput, rate: Rate | None, settings: EncodeSettings) -> str:
    """Name, version, the rate asked for and the settings that are not their defaults, as `nqenc` calls them."""
    words: dict[str, str] = {}
    if rate:
        words[rate.name] = f"{rate.value:.10g}"
    changed = _departures(settings, EncodeSettings(), _named_settings())
    words |= {SHORT_WORDS.get(name, name): value for name, value in changed.items()}
    plain = ClipInput(clip.path)
    words |= {CLIP_WORDS[name]: value for name, value in _departures(clip, plain, CLIP_WORDS).items()}
    text = " ".join([f"nqcodec {__version__}", *(f"{name.replace('_', '-')}={value}" for name, value in words.items())])
    return text.encode("ascii", "replace").decode("ascii")[:MOST_TEXT]


def _named_settings() -> list[str]:
    """Names of the settings that the encoder's text may name, in its order."""
    names = [one.name for one, known in option_fields(EncodeSettings) if known.in_encoder_text]
    return sorted(names, key=lambda name: FIRST_WORDS.index(name) if name in FIRST_WORDS else len(FIRST_WORDS))


def _departures(settings: object, defaults: object, names: Iterable[str]) -> dict[str, str]:
    found = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(defaults, name)}
    return {name: _word(value) for name, value in found.items()}


def _word(value: object) -> str:
    if isinstance(value, tuple | list):
        return "x".join(map(str, value))
    return "none" if value is None else str(value)


@dataclass(frozen=True)
class Kept:
    """The metadata of a clip that its files keep.

    Attributes:
        metadata: for all files of the clip; None where nothing is to be kept.
        notes: a line for each thing that is kept, and that pictures alone do not show.
        warnings: a line for each thing that the source has and the files lack.
    """

    metadata: Metadata | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def of(self, clip: ClipInput, rate: Rate | None, settings: EncodeSettings) -> Metadata:
        """The metadata of the file of one rate."""
        if self.metadata is None:
            return Metadata()
        return replace(self.metadata, encoder=encoder_text(clip, rate, settings))


def keep(side: SideData, start: int, video: Video, wanted: bool) -> Kept:
    """Decide what is kept of a source of which a file has `video.frames` frames from number `start` on.

    Frame times are kept where they vary, and where the source has audio and the file begins later, so that the audio
    can be put beside the pictures again.
    """
    stamps, part = side.stamps, (start, video.frames, video.fps)
    varying = bool(stamps and not stamps.constant(*part))
    times = stamps.times(*part) if stamps and varying else None
    if start and side.audio and not varying:
        times = FrameTimes(1 / video.fps, start, ((1, video.frames),))
    metadata = Metadata(_packable(times), side.mastering, side.light, side.matrix) if wanted else None
    notes = _notes(metadata, varying, video.fps) if metadata else []
    return Kept(metadata, tuple(notes), tuple(_warnings(side, metadata, varying, video.fps)))


def _packable(times: FrameTimes | None) -> FrameTimes | None:
    """Frame times, None where they are of another order than the format's numbers hold."""
    try:
        if times:
            pack_times(times)
            write_uv(times.start + times.ticks(times.frames))  # later segments begin before that
    except ValueError:
        return None
    return times


def _notes(kept: Metadata, varying: bool, fps: Fraction) -> list[str]:
    notes = []
    if kept.times and varying:
        notes.append(
            f"frame times vary, {_rate(fps)} on average: they are kept, and nqdec writes them to .mkv and .mp4"
        )
    if kept.mastering or kept.light:
        notes.append(f"{_hdr(kept)} kept: libx264, libx265 and libsvtav1 write HDR10 values to .mkv and .mp4")
    if kept.matrix:
        notes.append(
            f"{_turned(kept)}, and is coded as it is stored: the display matrix is kept, and nqdec writes it to .mkv "
            "and .mp4"
        )
    return notes


def _warnings(side: SideData, kept: Metadata | None, varying: bool, fps: Fraction) -> list[str]:
    warnings = []
    if side.audio:
        warnings.append(
            f"audio is not kept ({', '.join(side.audio)}): nqdec --audio copies it from the original beside the picture"
        )
    if side.subtitles:
        warnings.append(f"subtitles are not kept ({', '.join(side.subtitles)})")
    if side.interlaced:
        warnings.append("the clip is interlaced, and its fields are coded as progressive frames: deinterlace it first")
    if side.alpha:
        warnings.append("the alpha channel is not kept")
    if side.depth:
        warnings.append(f"samples of {side.depth} bits are reduced to 12, the most that a file holds")
    if side.stamps and not side.stamps.usable:
        warnings.append(f"frames lack time stamps, or are out of order: {_rate(fps)} are assumed throughout")
    elif varying and not (kept and kept.times):
        reason = " (--no-metadata)" if kept is None else ": they do not fit the format's numbers"
        warnings.append(f"frame times vary, and the file has a constant rate of {_rate(fps)}{reason}")
    if kept is None:
        warnings += _left_out(Metadata(None, side.mastering, side.light, side.matrix))
    return warnings


def _left_out(metadata: Metadata) -> list[str]:
    """What `--no-metadata` loses beside frame times."""
    warnings = []
    if metadata.mastering or metadata.light:
        warnings.append(f"{_hdr(metadata)} not kept (--no-metadata)")
    if metadata.matrix:
        warnings.append(
            f"{_turned(metadata)}, and is coded as it is stored: the display matrix is not kept (--no-metadata)"
        )
    return warnings


def _rate(fps: Fraction) -> str:
    return f"{float(fps):.6g} frames a second"


def _hdr(metadata: Metadata) -> str:
    names = [("mastering display", metadata.mastering), ("content light level", metadata.light)]
    there = [name for name, value in names if value]
    return f"HDR10 {' and '.join(there)} {'are' if len(there) > 1 else 'is'}"


def _turned(metadata: Metadata) -> str:
    assert metadata.matrix is not None
    mirrored = " and mirrored" if metadata.matrix.mirrored else ""
    return f"the clip is shown turned by {metadata.matrix.rotation} degrees{mirrored}"
