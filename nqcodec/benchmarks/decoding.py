"""Frames a second of our decoder and of torch on the same networks, in turns within one run (`nqtool bench decode`).

Each round runs one frame of every contestant; medians and bests are over rounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nqcodec.benchmarks.cases import CASES, FRAMES, random_integers
from nqcodec.benchmarks.results import Cell, Cells, Column, Measurement
from nqcodec.benchmarks.timing import in_turns, timed, working
from nqcodec.bitstream.file import NqFile, read_file
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.decoder.decoder import plane_md5
from nqcodec.decoder.meter import Meter, time_percentiles
from nqcodec.decoder.timing import bench_decode
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.text import counted
from nqcodec.media.video import Video, frame_bytes
from nqcodec.native.cpu import available_cores
from nqcodec.native.cpu_pinning import pinned_threads
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Program
from nqcodec.synthesis.backends import open_synthesizer

LEAST_ROUNDS = 3
REST_SECONDS = 0.005
MOST_FILE_SECONDS = 10.0
"""Cases that take longer than this for `FRAMES` frames are not decoded end to end."""

COLUMNS = (
    Column("case", "network"),
    Column("what", "what"),
    Column("fps", "frames", "1/s", 1),
    Column("ms", "time", "ms", 2),
    Column("p10", "10th percentile", "ms", 2),
    Column("p90", "90th percentile", "ms", 2),
    Column("least", "least", "ms", 2),
    Column("ours_over_it", "ours over it", "", 2),
    Column("ours_over_it_best", "best over best", "", 2),
    Column("gmac_per_s", "arithmetic", "GMAC/s", 1),
    Column("peak_percent", "of the peak", "%", 0),
    Column("dense_percent", "dense convolutions of it", "%", 0),
    Column("remark", "remark"),
)
OURS = "nqcodec"
"""What the rows of our synthesis are called."""

Rival = tuple[str, bool]
"""torch's data type, and whether the network is compiled."""


@dataclass(frozen=True)
class Rounds:
    """How rounds are run.

    Attributes:
        threads: of every contestant; None takes all CPUs.
        seconds: that the rounds of a network last, about.
        pinned: threads one to a CPU. On a machine that is otherwise busy, one that waits then holds up the other.
    """

    threads: int | None = None
    seconds: float = 2.0
    pinned: bool = False


def compare(
    network: IntegerNetwork, video: Video, frames: int, rivals: Sequence[Rival], how: Rounds
) -> tuple[dict[str, Any], dict[str, list[float]], dict[str, str]]:
    """Our frames and the rivals' in turns: (our figures, the rivals' seconds, why other rivals do not work here)."""
    program, threads = network.program, how.threads or available_cores()
    with open_synthesizer(network, video, frames, threads=threads) as synthesizer:
        synthesizer.frame(0)
        meter = Meter(synthesizer, program, threads)
        others, failed = working(_rivals(program, frames, threads, rivals))
        turns = {OURS: lambda k: meter.timed_frame(k % frames)}
        turns |= {name: partial(_frame_of, run, frames) for name, run in others.items()}
        with pinned_threads() if how.pinned else nullcontext():
            times = in_turns(turns, LEAST_ROUNDS, how.seconds, REST_SECONDS)
        figures = meter.figures()
    return figures, {name: times[name] for name in others}, failed


def _frame_of(run: Callable[[int], object], frames: int, number: int) -> float:
    """Seconds of a rival's frame."""
    return timed(lambda: run(number % frames))(number)


def _rivals(
    program: Program, frames: int, threads: int, rivals: Sequence[Rival]
) -> dict[str, Callable[[], Callable[[int], object]]]:
    """What makes each rival."""
    if not rivals:
        return {}
    from nqcodec.benchmarks.torch_twin import torch_frames

    return {
        f"torch {dtype}" + (" compiled" if compiled else ""): partial(
            torch_frames, program, frames, dtype, threads, compiled
        )
        for dtype, compiled in rivals
    }


def _times(case: str, what: str, each: Mapping[str, float]) -> dict[str, Cell]:
    """The cells of a row that `nqcodec.decoder.meter.time_percentiles` gives."""
    percentiles = {name: each[name] for name in ("p10", "p90", "least")}
    return {"case": case, "what": what, "ms": each["median"], **percentiles}


def frame_rows(
    case: str, network: IntegerNetwork, video: Video, frames: int, rivals: Sequence[Rival], how: Rounds
) -> Iterator[Cells]:
    """A row for our frames and one for each rival's."""
    figures, others, failed = compare(network, video, frames, rivals, how)
    times = figures["frame_ms"]
    row = _times(case, OURS, times) | {"fps": figures["synthesis_fps"], "gmac_per_s": figures["gmac_per_s"]}
    remark = f"{network.program.macs / (video.width * video.height) / 1000:.3f} kMAC/pixel"
    if "peak_gmac_per_s" in figures:
        row |= {
            "peak_percent": 100 * figures["share_of_peak"],
            "dense_percent": 100 * figures["dense_share_of_peak"],
        }
        remark += f", peak {figures['peak_gmac_per_s']:.0f} GMAC/s, {figures['planned_bytes'] / 1e6:.1f} MB planned"
    yield row | {"remark": remark}
    for name, taken in others.items():
        theirs = time_percentiles(taken)
        yield _times(case, name, theirs) | {
            "fps": 1000 / theirs["median"],
            "ours_over_it": theirs["median"] / times["median"],
            "ours_over_it_best": theirs["least"] / times["least"],
        }
    yield from ({"case": case, "what": name, "remark": f"does not work: {why}"} for name, why in failed.items())


def file_rows(case: str, path: str, threads: int | None) -> Iterator[Cells]:
    """Rows for decoding a file end to end, and for its stages."""
    file = read_file(path)
    figures = bench_decode(file, None, threads, (0, file.video.frames))
    yield _times(case, "entropy decoding", figures["entropy_ms"]) | {
        "remark": f"{figures['entropy_symbols_per_s'] / 1e6:.1f} M symbols/s, "
        f"{100 * figures['entropy_share']:.1f} % of decoding"
    }
    yield _times(case, "set-up", figures["setup_ms"])
    for what, key in (("file to memory", "memory"), ("file to .yuv", "yuv")):
        yield _times(case, what, figures[key]) | {
            "fps": figures[key]["fps"],
            "remark": f"{figures['peak_rss_bytes'] / 1e6:.0f} MB at most" if key == "memory" else None,
        }


def write_case(name: str, folder: Path, threads: int | None = None) -> Path:
    """A case as a file, FOLDER/NAME.nq: `FRAMES` frames that decode to the hash in it.

    Raises:
        OutputError: where it cannot be written.
    """
    case = CASES[name]()
    network, digest = random_integers(case.program), plane_md5()
    with open_synthesizer(network, case.video, case.video.frames, threads=threads) as synthesizer:
        for t in range(case.video.frames):
            digest.update(frame_bytes(synthesizer.frame(t)))
    path = folder / f"{name}.nq"
    with AtomicFile(path) as out:
        out.write(pack_file(case.video, [(case.video.frames, pack_segment(network).with_md5(digest.digest()))]))
    return path


def run(cases: Sequence[str], path: str | None, rivals: Sequence[Rival], how: Rounds) -> Measurement:
    """Rows for the network of a file, or for `cases`: `frame_rows` and, where that takes no long time, `file_rows`.

    Args:
        cases: names of `CASES`.
        path: of a file whose first segment's network and whose decoding are measured in place of the cases.

    Raises:
        InputError, FormatError, UnsupportedError, LimitError: as reading the file gives cause.
    """
    file = None if path is None else read_file(path)
    note = (
        f"{counted(how.threads or available_cores(), 'thread')}{', pinned' if how.pinned else ''} decode, and every "
        "round makes one frame with each contestant. The peak is of 16-bit dot products on registers alone, measured "
        "in the same rounds. Times are medians over the rounds."
    )
    rows = _case_rows(cases, rivals, how) if file is None else _rows_of_file(file, rivals, how)
    return Measurement("decode", "Decoding speed", COLUMNS, rows, note)


def _rows_of_file(file: NqFile, rivals: Sequence[Rival], how: Rounds) -> Iterator[Cells]:
    yield from frame_rows(file.path, file.segment(0).network, file.video, file.index[0].frames, rivals, how)
    yield from file_rows(file.path, file.path, how.threads)


def _case_rows(cases: Sequence[str], rivals: Sequence[Rival], how: Rounds) -> Iterator[Cells]:
    for name in cases:
        case = CASES[name]()
        network = random_integers(case.program)
        (first, *others) = frame_rows(name, network, case.video, FRAMES, rivals, how)
        yield from (first, *others)
        least = first["least"]
        if isinstance(least, float) and least * FRAMES < MOST_FILE_SECONDS * 1000:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "case.nq"
                path.write_bytes(pack_file(case.video, [(FRAMES, pack_segment(network))]))
                yield from file_rows(name, str(path), how.threads)
