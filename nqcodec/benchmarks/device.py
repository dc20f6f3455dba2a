"""Frames a second on a CUDA device, by the batch in its own memory, and where the time goes (`bench decode --device`).

Our decoder and torch take turns within one run. What each operation reads, writes and multiplies is counted, and set
against what the device was measured to do at best in the same run: bytes by a copy, products by matrix instructions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from nqcodec.benchmarks.cases import CASES, FRAMES, random_integers
from nqcodec.benchmarks.decoding import OURS
from nqcodec.benchmarks.results import Cell, Cells, Column, Measurement
from nqcodec.benchmarks.timing import in_turns, working
from nqcodec.bitstream.file import read_file
from nqcodec.decoder.meter import time_percentiles
from nqcodec.media.video import Video
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.synthesis.cuda import CudaSynthesizer, ceilings

LEAST_ROUNDS, ROUND_BATCHES, SINGLE_FRAMES = 3, 8, 20
RIVALS = (("float32", True), ("float16", True), ("float16", False))
"""(torch dtype, whether by a CUDA graph)."""


COLUMNS = (
    Column("case", "network"),
    Column("what", "what"),
    Column("fps", "frames", "1/s", 1),
    Column("host_fps", "frames to the host", "1/s", 1),
    Column("ours_over_it", "ours over it", "", 2),
    Column("us", "time a frame", "us", 1),
    Column("least_us", "least time by the ceilings", "us", 1),
    Column("bound", "bound by"),
    Column("bytes", "read and written", "bytes"),
    Column("products", "8-bit products"),
    Column("macs", "multiply-accumulates"),
    Column("remark", "remark"),
)


def run(cases: Sequence[str], path: str | None, rivals: Sequence[tuple[str, bool]], seconds: float) -> Measurement:
    """Rows for the network of a file's first segment, or for `cases`: of whole frames, of rivals, of operations.

    Raises:
        InputError, FormatError, UnsupportedError, LimitError: as reading the file gives cause.
    """
    file = None if path is None else read_file(path)
    note = (
        "Frames are made by the batch and stay in the device's memory; torch takes turns with us. Counted work is set "
        "against the best that the device was measured to do in the same run: bytes by a copy, products by matrix "
        "instructions. Operations are launched one by one for their times, which add up to more than a batch takes."
    )

    def rows() -> Iterator[Cells]:
        if file is not None:
            network, frames = file.segment(0).network, file.index[0].frames
            yield from device_rows(file.path, network, file.video, frames, rivals, seconds)
            return
        for name in cases:
            case = CASES[name]()
            yield from device_rows(name, random_integers(case.program), case.video, FRAMES, rivals, seconds)

    return Measurement("decode-cuda", "Decoding speed on a CUDA device", COLUMNS, rows(), note, "cuda")


def device_rows(
    case: str, network: IntegerNetwork, video: Video, frames: int, rivals: Sequence[tuple[str, bool]], seconds: float
) -> Iterator[Cells]:
    """A row for our frames, for each rival's and for each operation, the longest first.

    Raises:
        UnsupportedError: no libnq_cuda or no device.
    """
    with CudaSynthesizer(network, video, frames) as synthesizer:
        others, failed = working(_rivals(network, frames, synthesizer.batch, rivals))
        rates = _rates({OURS: synthesizer.repeat} | others, synthesizer.batch, seconds)
        macs, single = network.program.macs, time_percentiles(_single_times(synthesizer, frames))
        operations, share = _operations(synthesizer, network)
        yield {
            "case": case,
            "what": OURS,
            "fps": rates[OURS],
            "host_fps": _host_rate(synthesizer, frames),
            "us": 1e6 / rates[OURS],
            "macs": macs,
            "remark": f"batches of {synthesizer.batch}, {synthesizer.planned_bytes / 1e6:.0f} MB of device memory, "
            f"{macs / (video.width * video.height) / 1000:.3f} kMAC/pixel, single frames {single['median']:.2f} ms; at "
            f"the ceilings, counted work takes {100 * share:.0f} % of the operations' time",
        }
    for name in others:
        yield {"case": case, "what": name, "fps": rates[name], "ours_over_it": rates[OURS] / rates[name]}
    yield from ({"case": case, "what": name, "remark": f"does not work: {why}"} for name, why in failed.items())
    yield from ({"case": case, **each} for each in operations)


def _rivals(
    network: IntegerNetwork, frames: int, batch: int, rivals: Sequence[tuple[str, bool]]
) -> dict[str, Callable[[], Callable[[int], float]]]:
    """What makes each rival."""
    if not rivals:
        return {}
    from nqcodec.benchmarks.torch_twin import torch_batches

    return {
        f"torch {dtype}" + (" graph" if graph else ""): partial(
            torch_batches, network.program, frames, dtype, batch, graph=graph
        )
        for dtype, graph in rivals
    }


def _rates(contestants: dict[str, Callable[[int], float]], batch: int, seconds: float) -> dict[str, float]:
    """Frames a second of each contestant: medians over rounds in which each makes some batches in turn."""
    for run in contestants.values():
        run(2)  # warms up
    turns = {name: partial(_batches, run) for name, run in contestants.items()}
    times = in_turns(turns, LEAST_ROUNDS, seconds)
    return {name: ROUND_BATCHES * batch / float(np.median(taken)) for name, taken in times.items()}


def _batches(run: Callable[[int], float], number: int) -> float:
    """Seconds that a contestant's batches of a round take on the device."""
    return run(ROUND_BATCHES)


def _host_rate(synthesizer: CudaSynthesizer, frames: int) -> float:
    """Frames a second as the decoder takes them: made by the batch, copied to the host meanwhile."""
    begin = time.perf_counter()
    count = sum(1 for _ in synthesizer.frames(0, frames))
    return count / (time.perf_counter() - begin)


def _single_times(synthesizer: CudaSynthesizer, frames: int) -> list[float]:
    """Seconds of frames asked for one by one, as a seek does."""
    times = []
    for k in range(SINGLE_FRAMES):
        begin = time.perf_counter()
        synthesizer.frame(k % frames)
        times.append(time.perf_counter() - begin)
    return times


def _operations(synthesizer: CudaSynthesizer, network: IntegerNetwork) -> tuple[list[dict[str, Cell]], float]:
    """(rows, share): a row for each operation, with its time, its least time by the ceilings, counted bytes and
    products, the longest first; and the least times of all as a part of their times.
    """
    products, copied = ceilings()
    synthesizer.seconds()
    seconds, work = synthesizer.seconds() / synthesizer.batch, synthesizer.work()
    by_bytes, by_products = work.bytes / copied, work.products / products
    least = np.maximum(by_bytes, by_products)
    rows: list[dict[str, Cell]] = [
        {
            "what": f"operation {index} {network.program.operations[index].name}",
            "us": 1e6 * float(seconds[index]),
            "least_us": 1e6 * float(least[index]),
            "bound": "bytes" if by_bytes[index] >= by_products[index] else "products",
            "bytes": int(work.bytes[index]),
            "products": int(work.products[index]),
            "macs": int(work.macs[index]),
        }
        for index in sorted(np.flatnonzero(seconds), key=lambda index: -seconds[index])
    ]
    return rows, float(least[seconds > 0].sum() / seconds.sum())
