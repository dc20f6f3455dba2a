"""Frames a second of our decoder and of torch on the same networks, in turns within one run (`nqtool bench decode`).

Each round runs one frame of every contestant; medians and bests are over rounds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nqcodec.benchmarks.cases import CASES, FRAMES, random_integers
from nqcodec.bitstream.file import pack_file, read_file
from nqcodec.bitstream.segment import pack_segment
from nqcodec.decoder.decoder import plane_md5
from nqcodec.decoder.meter import Meter, spread
from nqcodec.decoder.timing import bench_decode
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.video import Video, frame_bytes
from nqcodec.native.cpu import available_cores
from nqcodec.native.cpu_pinning import pinned_threads
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.synthesis.backends import open_synthesizer

SHORT_CASES = ("pyramid", "pyramid-light", "hnerv-0.75m")
LEAST_ROUNDS = 3
REST_SECONDS = 0.005
"""Before each contestant's frame: thread pools spin for a while after their work, and would take its time."""
MOST_FILE_SECONDS = 10.0
"""Cases that take longer than this for `FRAMES` frames are not decoded end to end."""
FRAME_KEYS = ("parse_ms", "entropy_ms", "entropy_symbols_per_s", "entropy_share", "setup_ms", "colour_ms", "output_ms")
"""What is taken over from the benchmark of a whole file."""


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
    network: IntegerNetwork, video: Video, frames: int, rivals: Sequence[tuple[str, bool]], how: Rounds
) -> dict[str, Any]:
    """Our frames and the rivals', given as (torch dtype, compiled), in turns."""
    program, threads = network.program, how.threads or available_cores()
    with open_synthesizer(network, video, frames, threads=threads) as synthesizer:
        synthesizer.frame(0)
        meter = Meter(synthesizer, program, threads)
        others, failed = _rivals(network, frames, threads, rivals)
        times: dict[str, list[float]] = {name: [] for name in others}
        begin = time.perf_counter()
        with pinned_threads() if how.pinned else nullcontext(False) as pinned:
            while len(meter.times) < LEAST_ROUNDS or time.perf_counter() - begin < how.seconds:
                t = len(meter.times) % frames
                time.sleep(REST_SECONDS)
                meter.frame(t)
                for name, run in others.items():
                    time.sleep(REST_SECONDS)
                    tick = time.perf_counter()
                    run(t)
                    times[name].append(time.perf_counter() - tick)
        figures = meter.figures()
    own = meter.times
    figures |= {
        "kmac_per_pixel": program.macs / (video.width * video.height) / 1000,
        "threads": threads,
        "pinned": pinned,
    }
    for name, taken in times.items():
        figures[name] = {
            "fps": 1 / float(np.median(taken)),
            "frame_ms": spread(taken),
            "ours_over_it": float(np.median(taken) / np.median(own)),
            "ours_over_it_best": min(taken) / min(own),
        }
    return figures | {name: {"failed": reason} for name, reason in failed.items()}


def _rivals(
    network: IntegerNetwork, frames: int, threads: int, rivals: Sequence[tuple[str, bool]]
) -> tuple[dict[str, Callable[[int], object]], dict[str, str]]:
    """The rivals that work here, and why the others do not."""
    works: dict[str, Callable[[int], object]] = {}
    failed: dict[str, str] = {}
    for dtype, compiled in rivals:
        from nqcodec.benchmarks.torch_twin import torch_frames

        name = f"torch {dtype}" + (" compiled" if compiled else "")
        try:
            works[name] = torch_frames(network.program, frames, dtype, threads, compiled)
        except RuntimeError as error:
            failed[name] = str(error).splitlines()[0]
    return works, failed


def file_figures(network: IntegerNetwork, video: Video, threads: int) -> dict[str, Any]:
    """The network as a file, decoded end to end; stages as `bench_decode` names them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.nq"
        path.write_bytes(pack_file(video, [(video.frames, pack_segment(network))]))
        result = bench_decode(read_file(path), None, threads, (0, video.frames))
    return _file_keys(result)


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


def _file_keys(result: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: result[key] for key in FRAME_KEYS},
        "memory_fps": result["memory"]["fps"],
        "yuv_fps": result["yuv"]["fps"],
        "peak_rss_bytes": result["peak_rss_bytes"],
    }


def run(
    cases: Sequence[str] = SHORT_CASES,
    rivals: Sequence[tuple[str, bool]] = (("float32", False), ("bfloat16", False)),
    how: Rounds = Rounds(),
) -> dict[str, Any]:
    """`compare` and, for cases that decode `FRAMES` frames in reasonable time, `file_figures`, by case."""
    result: dict[str, Any] = {}
    for name in cases:
        case = CASES[name]()
        network = random_integers(case.program)
        figures = compare(network, case.video, FRAMES, rivals, how)
        if figures["frame_ms"]["least"] * FRAMES < MOST_FILE_SECONDS * 1000:
            figures["file"] = file_figures(network, case.video, figures["threads"])
        result[name] = figures
    return result


def bench_file(path: str, rivals: Sequence[tuple[str, bool]], how: Rounds) -> dict[str, Any]:
    """`compare` for the network of a file's first segment, and the whole file end to end.

    Raises:
        InputError, FormatError, UnsupportedError, LimitError: as reading the file gives cause.
    """
    file = read_file(path)
    figures = compare(file.segment(0).network, file.video, file.index[0].frames, rivals, how)
    return figures | {"file": _file_keys(bench_decode(file, None, figures["threads"], (0, file.video.frames)))}
