"""Decoding speed of one file, stage by stage and end to end (`nqdec --bench`).

Times are wall-clock time. Synthesis and the stages after it are timed frame by frame, after one warm-up frame; the
other stages are run a few times, of which the first is warm-up. Medians are given with the 10th and 90th percentile.
Hashes are not computed.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nqcodec.bitstream.file import NqFile, read_file
from nqcodec.bitstream.segment import Segment
from nqcodec.decoder.decoder import Decoder
from nqcodec.decoder.meter import Meter, time_percentiles
from nqcodec.media.colour import to_rgb
from nqcodec.media.sink import open_sink
from nqcodec.media.text import counted
from nqcodec.media.video import Frame, Video
from nqcodec.native.cpu import available_cores
from nqcodec.network.program import Limits
from nqcodec.synthesis.backends import choose

ROUNDS, LONG_SECONDS = 5, 2.0
"""Number of runs of a stage, and the seconds after which fewer are enough."""

DEFINITIONS = {
    "parse_ms": "opening the file and checking its frame, checksums and header",
    "entropy_ms": "all segments' tensors from coded bytes to integers",
    "setup_ms": "a synthesizer of the first segment asked for: limits, weights, memory",
    "frame_ms": "integers in memory to planes in memory, one frame at a time, its rows on all threads",
    "device_fps": "a CUDA device by the batch, frames left in its memory",
    "colour_ms": "planes to full-range R'G'B', as PNG output needs it; no part of the figures below",
    "output_ms": "planes to a .yuv file",
    "memory": "file to planes in memory, every stage included but colour and output; small frames beside one another",
    "yuv": "file to a .yuv file, every stage included but colour",
    "peak_gmac_per_s": "the best burst of 16-bit dot products on registers alone, all threads at once",
    "share_of_peak": "the best frame against the best burst",
    "dense_gmac_per_s": "multiply-accumulates of dense convolutions over the threads' time in them, times threads",
}


def machine() -> dict[str, Any]:
    """The machine and the versions that the figures were measured with."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return {"cpu": name, "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}


def peak_rss() -> int:
    """Most bytes of memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def repeated(task: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Seconds of some runs of a task after the first, which warms up; of that one too where it is long."""
    times: list[float] = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        task()
        times.append(time.perf_counter() - begin)
        if len(times) > 1 and sum(times) > LONG_SECONDS:
            break
    return times[1:]


def bench_decode(
    file: NqFile,
    backend: str | None,
    threads: int | None,
    frames: tuple[int, int],
    *,
    limits: Limits | None = None,
    low_memory: bool = False,
) -> dict[str, Any]:
    """Time the decoding of frames [start, stop) of a file; plain data with the definitions of its figures."""
    start, stop = frames
    count, workers = stop - start, threads or available_cores()

    def decoder() -> Decoder:
        parsed = read_file(file.path, limits)
        return Decoder(parsed, backend=backend, threads=threads, limits=limits, verify=False, low_memory=low_memory)

    parse = repeated(lambda: read_file(file.path, limits))
    segments: list[Segment] = []
    entropy = repeated(lambda: segments.__setitem__(slice(None), _segments(file, limits, workers)))
    symbols = sum(segment.network.program.parameters for segment in segments)
    synthesis = _synthesis(decoder(), start, stop, workers)
    memory = repeated(lambda: _to_memory(decoder().frames(start, stop)))
    with tempfile.TemporaryDirectory() as folder:
        video, path = file.video.with_frames(count), Path(folder) / "out.yuv"
        yuv = repeated(lambda: _to_yuv(decoder().frames(start, stop), video, path))
    median = float(np.median(entropy))
    return {
        "file": file.path,
        "backend": choose(backend),
        "threads": workers,
        "machine": machine(),
        "frames": count,
        "parse_ms": time_percentiles(parse),
        "entropy_ms": time_percentiles(entropy),
        "entropy_symbols_per_s": symbols / median,
        "entropy_share": median / float(np.median(memory)),
        **synthesis,
        "memory": {"fps": count / float(np.median(memory)), **time_percentiles(memory)},
        "yuv": {"fps": count / float(np.median(yuv)), **time_percentiles(yuv)},
        "end_to_end_fps": count / float(np.median(memory)),
        "peak_rss_bytes": peak_rss(),
        "definitions": DEFINITIONS,
    }


def _segments(file: NqFile, limits: Limits | None, threads: int) -> list[Segment]:
    return [file.segment(number, limits or Limits(), threads) for number in range(len(file.index))]


def _to_memory(frames: Iterator[Frame]) -> None:
    for _ in frames:
        pass


def _to_yuv(frames: Iterator[Frame], video: Video, path: Path) -> None:
    path.unlink(missing_ok=True)
    with open_sink(str(path), video) as sink:
        for frame in frames:
            sink.write(frame)


def _synthesis(decoder: Decoder, start: int, stop: int, threads: int) -> dict[str, Any]:
    """Times of set-up, frames, colour and output by the frame, and rates; of the first segment asked for."""
    file = decoder.file
    number = max(n for n in range(len(file.index)) if file.start(n) <= start)
    first, program = file.start(number), file.layout(number, decoder.limits).program
    network = file.segment(number, decoder.limits, threads).network
    setup = repeated(lambda: decoder.open_network(number, network).close())
    with decoder.open_network(number, network) as synthesizer:
        end = min(stop - first, file.index[number].frames)
        last = synthesizer.frame(start - first)
        meter = Meter(synthesizer, program, threads)
        for t in range(start - first, end):
            last = meter.frame(t)
        figures = meter.figures()
    with tempfile.TemporaryDirectory() as folder:
        sink = open_sink(str(Path(folder) / "out.yuv"), file.video.with_frames(0))
        output = repeated(lambda: sink.write(last))
        sink.close()
    return {
        "kmac_per_pixel": program.macs / (file.video.width * file.video.height) / 1000,
        "setup_ms": time_percentiles(setup),
        **figures,
        "colour_ms": time_percentiles(repeated(lambda: to_rgb(last, file.video))),
        "output_ms": time_percentiles(output),
    }


def bench_lines(result: dict[str, Any]) -> list[str]:
    """`bench_decode` as text."""
    lines = [
        f"{result['file']}: backend {result['backend']}, {counted(result['threads'], 'thread')}, "
        f"{result['machine']['cpu']}, {result['kmac_per_pixel']:.3f} kMAC/pixel, {counted(result['frames'], 'frame')}",
        "                     median       p10       p90",
    ]
    rows = (("parse", "parse_ms"), ("entropy decoding", "entropy_ms"), ("set-up", "setup_ms"))
    by_frame = (("synthesis", "frame_ms"), ("colour (R'G'B')", "colour_ms"), ("output (.yuv)", "output_ms"))
    lines += [_row(name, result[key], "ms") for name, key in rows]
    lines += [_row(name, result[key], "ms a frame") for name, key in by_frame]
    lines.append(
        f"  {result['synthesis_fps']:.1f} fps of synthesis, {result['gmac_per_s']:.2f} GMAC/s"
        + (
            f": {100 * result['share_of_peak']:.0f} % of the measured {result['peak_gmac_per_s']:.0f} at best; "
            f"dense convolutions {100 * result['dense_share_of_peak']:.0f} %"
            if "peak_gmac_per_s" in result
            else ""
        )
    )
    if "device_fps" in result:
        lines.append(f"  {result['device_fps']:.1f} fps in device memory, by batches of {result['batch']}")
    lines.append(
        f"  {result['entropy_symbols_per_s'] / 1e6:.2f} M symbols/s, {100 * result['entropy_share']:.1f} % of decoding"
    )
    for name, key in (("file to memory", "memory"), ("file to .yuv", "yuv")):
        each = result[key]
        lines.append(
            f"  {name:<15} {each['fps']:8.1f} fps ({each['median']:.1f} ms, p10 {each['p10']:.1f}, "
            f"p90 {each['p90']:.1f}, {each['runs']} runs)"
        )
    planned = f", {result['planned_bytes'] / 1e6:.1f} MB planned" if "planned_bytes" in result else ""
    return [*lines, f"  memory: {result['peak_rss_bytes'] / 1e6:.0f} MB at most in this process{planned}"]


def _row(name: str, each: dict[str, float], unit: str) -> str:
    return f"  {name:<17} {each['median']:8.2f}  {each['p10']:8.2f}  {each['p90']:8.2f}  {unit}"
