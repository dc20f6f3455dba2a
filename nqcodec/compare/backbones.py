"""Backbones against one another: a clip at the same rates, each fitted and quantised within the same time.

Steps follow from the speed of exactly the network at hand, measured just before its encode, so that a slow network
gets fewer of them. Figures are of whole files, decoded again; conventional codecs are set beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from nqcodec.backbones import backbone
from nqcodec.bitstream.file import read_file
from nqcodec.compare.anchors import GOP, Anchor, check_anchor
from nqcodec.compare.configurations import Configuration
from nqcodec.compare.curves import Ratio, bits_ratio, check_packages
from nqcodec.compare.pace import Pace
from nqcodec.compare.rows import ANCHOR, OURS, Row, codecs, curve
from nqcodec.compare.runs import (
    Clip,
    Progress,
    anchor_row,
    anchor_settings,
    configuration_rows,
    configuration_settings,
    whole_task,
)
from nqcodec.decoder.device import check_device
from nqcodec.decoder.timing import bench_decode, machine
from nqcodec.errors import InputError, OutputError, RateError, UnsupportedError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.clip import ClipInput
from nqcodec.media.text import counted
from nqcodec.media.video import Video
from nqcodec.native.cpu import available_cores
from nqcodec.synthesis.backends import choose
from nqcodec.version import __version__

RESULTS = "backbones.json"
DECODER = "native"
"""The backend whose speed is told: the C library."""

DECODES = 3
"""Decodes of which the fastest counts."""

DEFINITIONS = {
    "fit_seconds": "wall clock of fit and quantisation, without reading, coding and checking the file",
    "decode_fps": f"frames / wall clock from parsed file to planes in memory, backend {DECODER}, all cores, fastest of "
    f"{DECODES} decodes, hashes not compared",
    "kmac_per_pixel": "multiply-accumulates of a frame / its luma pixels / 1000",
    "bits_ratio": "bits of the file / bits of the anchor at equal PSNR-YUV, between its points; ~ marks outside them",
}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What to run.

    Attributes:
        rates: bpp.
        archs: names of backbones.
        anchors: with the rate factors of each.
        seconds: wall clock for the fit and quantisation of each file.
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


@dataclass
class Results:
    """What a run gave.

    Attributes:
        rows: one a file, of backbones by rate, and of anchors.
        notes: what was left out, and why.
    """

    order: Order
    video: Video
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As plain data, with what follows from the rows and the definitions of all figures."""
        order = self.order
        return {
            "nqcodec": __version__,
            "clip": order.clip.name,
            "settings": {name: getattr(order, name) for name in ("seconds", "seed", "device", "threads")},
            "date": date.today().isoformat(),
            "machine": machine(),
            "notes": self.notes,
            "definitions": DEFINITIONS,
            "backbones": self.figures(),
            "rows": [row.as_dict() for row in self.rows],
        }

    def figures(self) -> list[dict[str, Any]]:
        """A dictionary for each file of a backbone: the table's figures, bits over each anchor's under "bits_ratio"."""
        anchors = {group[0].label: curve(group) for group in codecs(self.rows, ANCHOR).values()}
        result = []
        for row in (row for row in self.rows if row.kind == OURS):
            ratios = {label: bits_ratio((row.bpp, row.quality["yuv"]), points) for label, points in anchors.items()}
            result.append(
                {
                    "backbone": row.label,
                    "asked_bpp": row.asked,
                    "bpp": row.bpp,
                    **{name: row.facts[name] for name in ("parameters", "kmac_per_pixel", "steps", "fit_seconds")},
                    **{f"psnr_{name}": row.quality.get(name) for name in ("y", "yuv", "rgb")},
                    "decode_fps": row.facts["decode_fps"],
                    "bits_ratio": {label: ratio and asdict(ratio) for label, ratio in ratios.items()},
                }
            )
        return result

    def table(self) -> list[str]:
        """Markdown: what was run, the table, notes."""
        order, video, box = self.order, self.video, machine()
        figures = self.figures()
        anchors = list(figures[0]["bits_ratio"]) if figures else []
        where = f"{box['cpu']}, threads: {order.threads}" if order.device == "cpu" else order.device
        titles = [*_COLUMNS, *(f"bits / {label}" for label in anchors)]
        return [
            f"{order.clip.name}, {video.width}x{video.height}, {counted(video.frames, 'frame')}; {order.seconds:g} s "
            f"of fit and quantisation each ({where}); decoded with {counted(available_cores(), 'thread')}; "
            "bits over the anchors' at equal PSNR-YUV (~: outside their points).",
            "",
            _line(titles),
            _line(["---"] * len(titles)),
            *(_line(_cells(row)) for row in figures),
            *(["", *self.notes] if self.notes else []),
        ]


class _Store:
    """Rows in a folder, those of earlier runs and new ones, by file; written after each, so that nothing is lost."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError where the folder's results cannot be read, OutputError where there can be no folder."""
        self.path = folder / RESULTS
        self._rows: dict[str, Row] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                rows = json.loads(self.path.read_text("utf-8"))["rows"]
                self._rows = {row["file"]: Row(**row) for row in rows}
        except OSError as error:
            raise OutputError(f"{folder}: results cannot be kept there: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: holds no results of this benchmark ({error}): name another -o") from error

    def kept(self, wanted: dict[str, Any]) -> Row | None:
        """The row with these settings and its file unchanged. Steps follow from a measured speed, so any number does
        where `wanted` has none."""
        for row in self._rows.values():
            steps = {"steps": row.settings["steps"]} if "steps" in row.settings else {}
            if row.is_result_of({**steps, **wanted}, self.path.parent):
                return row
        return None

    def add(self, row: Row) -> None:
        """Enter a row and write all; raises OutputError."""
        self._rows[row.file] = row
        data = {"nqcodec": __version__, "rows": [one.as_dict() for one in self._rows.values()]}
        with AtomicFile(self.path) as file:
            file.write((json.dumps(data, indent=1) + "\n").encode())


def run(order: Order, folder: Path, tell: Tell, progress: Progress | None = None) -> Results:
    """Make all rows that `folder` does not hold yet.

    A rate that a backbone cannot meet and an anchor that does not take the clip are noted and left out.

    Raises:
        UsageError: there is no backbone of a name.
        UnsupportedError: the C library is absent, or scipy, which comparing with anchors needs.
        NqError: as the encoders do.
    """
    check_device(order.device)
    for arch in order.archs:
        backbone(arch)
    choose(DECODER)
    if order.anchors:
        check_packages("scipy")
    clip = Clip.of(order.clip)
    results, store = Results(order, clip.video), _Store(folder)
    for anchor in order.anchors:
        try:
            check_anchor(anchor, clip.video)
        except UnsupportedError as error:
            _note(results, str(error), tell)
            continue
        for rate in anchor.rates:
            known = store.kept(anchor_settings(clip, anchor, rate, GOP))
            _enter(results, store, known or anchor_row(clip, anchor, rate, folder), tell, known is not None)
    for bpp in order.rates:
        for arch in order.archs:
            known = store.kept(_settings(clip, order, arch, bpp))
            try:
                row = known or _row(clip, order, arch, bpp, folder, progress)
            except RateError as error:
                _note(results, f"{arch} at {bpp:g} bpp is left out: {error}", tell)
            else:
                _enter(results, store, row, tell, known is not None)
    return results


def _configuration(order: Order, arch: str, steps: int | None) -> Configuration:
    """The way to encode with a backbone; its name, and so the file's, says the time that it has."""
    settings = {"arch": arch, "steps": steps, "seed": order.seed, "device": order.device, "threads": order.threads}
    return Configuration(f"{arch} {order.seconds:g}s", arch, settings)


def _settings(clip: Clip, order: Order, arch: str, bpp: float) -> dict[str, Any]:
    """What an earlier row must have been made with: everything but the number of steps."""
    settings = configuration_settings(clip, _configuration(order, arch, None), (bpp,), bpp)
    del settings["steps"]
    return {**settings, "seconds": order.seconds}


def _row(clip: Clip, order: Order, arch: str, bpp: float, folder: Path, progress: Progress | None) -> Row:
    """Measure the network's speed, encode, measure the file."""
    task = whole_task(clip, _configuration(order, arch, None), bpp)
    steps = Pace.of(task).steps_within(order.seconds, task)
    (row,) = configuration_rows(clip, _configuration(order, arch, steps), (bpp,), folder, progress)
    file = read_file(folder / row.file)
    fps = max(bench_decode(file, DECODER, None, (0, row.frames))["end_to_end_fps"] for _ in range(DECODES))
    stages = row.facts["seconds_by_stage"]
    facts = {"steps": steps, "fit_seconds": stages["fit"] + stages["quantise"], "decode_fps": fps}
    return replace(row, settings={**row.settings, "seconds": order.seconds}, facts={**row.facts, **facts})


def _enter(results: Results, store: _Store, row: Row, tell: Tell, known: bool) -> None:
    """Enter a row and tell; keep it, unless it is known from an earlier run."""
    if not known:
        store.add(row)
    results.rows.append(row)
    tell(
        f"{row.label} at {row.asked:g}: {row.bpp:.4f} bpp, PSNR-YUV {row.quality['yuv']:.2f} dB, "
        f"encoded in {row.encode_seconds:.1f} s{' (kept)' if known else ''}"
    )


def _note(results: Results, text: str, tell: Tell) -> None:
    results.notes.append(text)
    tell(text)


_COLUMNS = (
    "backbone",
    "bpp asked",
    "file bpp",
    "parameters",
    "kMAC/pixel",
    "PSNR-Y",
    "PSNR-YUV",
    "RGB PSNR",
    "steps",
    "fit, s",
    "decode, fps",
)


def _cells(figures: dict[str, Any]) -> list[str]:
    """A file's figures as text, in the order of `_COLUMNS`, then its bits over each anchor's."""
    levels = [figures[f"psnr_{name}"] for name in ("y", "yuv", "rgb")]
    return [
        figures["backbone"],
        f"{figures['asked_bpp']:g}",
        f"{figures['bpp']:.4f}",
        f"{figures['parameters']:,}",
        f"{figures['kmac_per_pixel']:.2f}",
        *("" if level is None else f"{level:.2f}" for level in levels),
        f"{figures['steps']:,}",
        f"{figures['fit_seconds']:.1f}",
        f"{figures['decode_fps']:.0f}",
        *("" if ratio is None else str(Ratio(**ratio)) for ratio in figures["bits_ratio"].values()),
    ]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
