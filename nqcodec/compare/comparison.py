"""A comparison: which runs, what they gave, and how it is kept in results.json so that it repeats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from nqcodec.compare.anchors import Anchor, check_anchor
from nqcodec.compare.configurations import Configuration
from nqcodec.compare.curves import METHOD, bits_ratio, bjontegaard_delta, front
from nqcodec.compare.quality import DEFINITIONS
from nqcodec.compare.rows import ANCHOR, OURS, RDPoint, codecs, curve
from nqcodec.compare.runs import Clip, Progress, anchor_row, anchor_settings, configuration_rows, configuration_settings
from nqcodec.decoder.device import check_device
from nqcodec.decoder.timing import machine
from nqcodec.encoder.rate import Rate
from nqcodec.errors import InputError, OutputError, RateError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.clip import ClipInput
from nqcodec.media.metrics.similarity import has_ssim
from nqcodec.media.metrics.vmaf import MISSING, vmaf_source
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.reporting.finding import Table, csv_text
from nqcodec.version import __version__

RESULTS = "results.json"
HEADLINE = "yuv"
"""The metric at which bits are compared first: what the encoder optimises and all codecs are commonly judged by."""
_ODD_FRAME = 12.0
"""dB of PSNR-Y under the mean that no codec's worst frame falls by, unless frames are damaged or out of config."""
Log = Callable[[str], None]


@dataclass(frozen=True)
class ComparisonConfig:
    """What to run.

    Attributes:
        rates: those asked of each configuration, of one kind; published networks of their own size ignore them.
        anchors: with the rate factors of each.
        gop: frames between key frames of anchors at most.
        one_fit: make all rates of a configuration from one fit, as `nqenc --bpp A,B` does, rather than one each.
    """

    clip: ClipInput
    rates: tuple[Rate, ...]
    configurations: tuple[Configuration, ...]
    anchors: tuple[Anchor, ...]
    gop: int
    one_fit: bool = False


@dataclass
class Comparison:
    """What a comparison gave.

    Attributes:
        clip: where the frames came from, its description, and the MD5 of its planes.
        rows: one a file.
        notes: what a reader of the figures must know: runs that failed, figures that look wrong.
        settings: of the whole comparison, with its date and machine.
        others: rows of earlier comparisons in the same folder, not shown, for later ones to reuse.
    """

    clip: Clip
    rows: list[RDPoint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    others: list[RDPoint] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As plain data, with what follows from the rows and the definitions of all figures."""
        return {
            "nqcodec": __version__,
            "settings": self.settings,
            "clip": _clip_data(self.clip),
            "notes": self.notes,
            "against_anchors": against_anchors(self.rows),
            "definitions": {**DEFINITIONS, **_DEFINITIONS},
            "rows": [row.as_dict() for row in self.rows],
            "other_rows": [row.as_dict() for row in self.others],
        }

    def write(self, folder: Path) -> None:
        """Keep everything in `folder`/results.json; raises OutputError."""
        with AtomicFile(folder / RESULTS) as file:
            file.write((json.dumps(self.as_dict(), indent=1) + "\n").encode())


_DEFINITIONS = {
    "bpp": "8 * bytes of the whole file / (width * height * frames); anchors are bare streams without a container",
    "encode_seconds": "wall clock in the encoder; anchors on one thread, nqcodec as set, its own check included",
    "decode_seconds": "shortest of up to three decodes from file to planes in memory, all cores, hashes not compared",
    "bd_rate": f"mean difference of bits at equal quality in %, {METHOD} over log rate, within the shared range only",
    "bits_ratio": "bits of the file / bits of the anchor at equal PSNR-YUV, between its points; extrapolated: outside",
}


def run(config: ComparisonConfig, folder: Path, log: Log, progress: Progress | None = None) -> Comparison:
    """Make all rows that `folder` does not hold yet. Results are written after each, so that nothing is lost.

    A rate that a network cannot meet is noted and left out.

    Raises:
        NqError: as the encoders do.
    """
    for configuration in config.configurations:
        check_device(configuration.encode_settings().device)
    clip = Clip.of(config.clip)
    for anchor in config.anchors:
        check_anchor(anchor, clip.video)
    settings = {
        "gop": config.gop,
        "one_fit": config.one_fit,
        "rates": [f"{rate.name} {rate.value:g}" for rate in config.rates],
    }
    cache = ResultCache(folder, Comparison(clip, settings={**settings, **place()}), log)
    for anchor in config.anchors:
        cache.enter_anchor(anchor, config.gop)
    for configuration in config.configurations:
        for rates in _fits(config, configuration):
            wanted = [configuration_settings(clip, configuration, rates, rate) for rate in rates]
            if cache.found(configuration, wanted):
                continue
            try:
                cache.add(configuration_rows(clip, configuration, rates, folder, progress))
            except RateError as error:
                cache.note(f"{configuration.label}: {error}")
    comparison = cache.comparison
    comparison.notes += remarks(comparison.rows)
    if not any("vmaf" in row.quality for row in comparison.rows):
        comparison.notes.append(MISSING)
    if not has_ssim():
        comparison.notes.append(
            "SSIM and MS-SSIM are left out: they need pytorch-msssim (pip install 'nqcodec[compare]')"
        )
    comparison.write(folder)
    return comparison


def place() -> dict[str, Any]:
    """When and on what a comparison is made, for its settings."""
    return {"date": date.today().isoformat(), "machine": machine(), "vmaf": vmaf_source()}


class ResultCache:
    """Enters rows into a comparison, new ones and those that earlier comparisons left in the folder.

    Attributes:
        comparison: written to the folder after each entry.
    """

    def __init__(self, folder: Path, comparison: Comparison, log: Log) -> None:
        """Raises InputError where the folder's results cannot be read, OutputError where there can be no folder."""
        self.folder, self.comparison, self.log = folder, comparison, log
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
        self.earlier: list[RDPoint] = []
        if (folder / RESULTS).exists():
            before = load(folder / RESULTS)
            self.earlier = before.rows + before.others

    def enter_anchor(self, anchor: Anchor, gop: int) -> None:
        """Enter a row for each rate of an anchor, encoding what is missing; raises as `anchor_row`."""
        clip = self.comparison.clip
        for rate in anchor.rates:
            if not self.found(anchor, [anchor_settings(clip, anchor, rate, gop)]):
                self.add([anchor_row(clip, anchor, rate, self.folder, gop)])

    def found(self, maker: Anchor | Configuration, wanted: list[dict[str, Any]], free: Iterable[str] = ()) -> bool:
        """Enter the earlier rows with these settings and unchanged files; False, and nothing, if one is missing.

        Args:
            wanted: the settings of each row.
            free: settings that may have any value.
        """
        rows = []
        for settings in wanted:
            row = next((row for row in self.earlier if row.is_result_of(settings, self.folder, free)), None)
            if row is None:
                return False
            rows.append(replace(row, codec=maker.name, label=maker.label))
        self.add(rows, " (kept)")
        return True

    def add(self, rows: list[RDPoint], remark: str = "") -> None:
        """Enter rows and write everything to the folder."""
        self.comparison.rows += rows
        files = {row.file for row in self.comparison.rows}
        self.comparison.others = [row for row in self.earlier if row.file not in files]
        self.comparison.write(self.folder)
        for row in rows:
            self.log(_line(row) + remark)

    def note(self, text: str) -> None:
        """Note what a reader of the figures must know."""
        self.comparison.notes.append(text)
        self.log(text)


def _fits(config: ComparisonConfig, configuration: Configuration) -> list[tuple[Rate | None, ...]]:
    """The rates of each fit of a configuration."""
    if configuration.has_own_size:
        return [(None,)]
    return [config.rates] if config.one_fit else [(rate,) for rate in config.rates]


def against_anchors(rows: list[RDPoint]) -> list[dict[str, Any]]:
    """Each codec of ours, and each of its files, against each anchor."""
    anchors = codecs(rows, ANCHOR)
    result = []
    for codec, ours in codecs(rows, OURS).items():
        for name, theirs in anchors.items():
            reference = curve(theirs)
            deltas = {
                metric: asdict(delta)
                for metric in ("yuv", "y", "rgb", "ssim", "ms_ssim", "vmaf")
                if (delta := bjontegaard_delta(curve(ours, metric), curve(theirs, metric))) is not None
            }
            ratios = []
            for row in ours:
                ratio = bits_ratio((row.bpp, row.quality[HEADLINE]), reference)
                ratios.append({"file": row.file, **(asdict(ratio) if ratio else {"value": None})})
            result.append({"codec": codec, "anchor": name, "bjontegaard": deltas, "bits_ratio": ratios})
    return result


def remarks(rows: list[RDPoint]) -> list[str]:
    """What looks wrong in the figures, a line each."""
    lines = []
    for group in codecs(rows).values():
        rising = {bpp for bpp, _ in front(curve(group))}
        for row in group:
            if row.bpp not in rising:
                lines.append(f"{row.label} at {row.bpp:.4f} bpp is worse than a smaller file: left out of its curve")
            values = [frame[_first(row)] for frame in row.frame_quality]
            worst = values.index(min(values))
            if values[worst] < row.quality[_first(row)] - _ODD_FRAME:
                lines.append(
                    f"{row.label} at {row.bpp:.4f} bpp: frame {worst} has only {values[worst]:.1f} dB: look at it"
                )
    return lines


def _first(row: RDPoint) -> str:
    """The first plane's name."""
    return "y" if "y" in row.quality else "g"


def _line(row: RDPoint) -> str:
    name = row.label if row.asked is None else f"{row.label} at {row.asked_text}"
    return (
        f"{name}: {row.size} bytes = {row.bpp:.4f} bpp, PSNR-YUV {row.quality[HEADLINE]:.2f} dB, "
        f"encoded in {row.encode_seconds:.1f} s, decoded at {row.decode_fps:.0f} fps"
    )


def write_csv(rows: list[RDPoint], path: Path) -> None:
    """One line a file; raises OutputError."""
    metrics = [name for name in ("y", "u", "v", "g", "b", "r", *DEFINITIONS) if any(name in r.quality for r in rows)]
    metrics = list(dict.fromkeys(metrics))
    names = ["codec", "asked", "file", "bytes", "bpp", "kbps", "frames", "encode_seconds", "decode_fps", *metrics]
    lines = []
    for row in rows:
        figures = [row.codec, row.asked, row.file, row.size, f"{row.bpp:.6f}", f"{row.kbps:.3f}", row.frames]
        times = [f"{row.encode_seconds:.3f}", f"{row.decode_fps:.2f}"]
        quality = [f"{row.quality[name]:.5f}" if name in row.quality else "" for name in metrics]
        lines.append([*figures, *times, *quality])
    with AtomicFile(path) as file:
        file.write(csv_text(Table(names, lines)).encode())


def load(path: Path) -> Comparison:
    """What an earlier comparison kept.

    Raises:
        InputError: the file cannot be read or is not one.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        rows, others = ([RDPoint(**row) for row in data[name]] for name in ("rows", "other_rows"))
        return Comparison(_clip_of(data["clip"]), rows, data["notes"], data["settings"], others)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the {RESULTS} of a comparison ({error}); name one, or another folder") from error


def _clip_data(clip: Clip) -> dict[str, Any]:
    source, video = asdict(clip.source), asdict(clip.video)
    source["fps"] = None if clip.source.fps is None else str(clip.source.fps)
    video["fps"], video["sar"], video["chroma"] = str(clip.video.fps), str(clip.video.sar), clip.video.chroma.name
    return {"source": source, "video": video, "md5": clip.md5}


def _clip_of(data: dict[str, Any]) -> Clip:
    source, video = dict(data["source"]), dict(data["video"])
    source["fps"] = Fraction(source["fps"]) if source["fps"] else None
    source["input_res"] = tuple(source["input_res"]) if source["input_res"] else None
    video["fps"], video["sar"] = Fraction(video["fps"]), Fraction(video["sar"])
    video["chroma"], video["colour"] = Chroma[video["chroma"]], Colour(**video["colour"])
    return Clip(ClipInput(**source), Video(**video), data["md5"])
