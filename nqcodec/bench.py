"""Decoding speed of one file: parse, entropy decoding and synthesis apart, and end to end (`nqdec --bench`).

Wall clock; one warm-up frame; medians over frames with the 10th and 90th percentile; hashes are not computed.
"""

from __future__ import annotations

import os
import platform
import time
from typing import Any

import numpy as np

from nqcodec.bitstream.file import NqFile, read_file
from nqcodec.decoding import Decoder
from nqcodec.program import Limits
from nqcodec.synthesis.backends import choose


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return {"cpu": name, "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}


def bench_decode(
    file: NqFile, backend: str | None, threads: int | None, frames: tuple[int, int], limits: Limits | None = None
) -> dict[str, Any]:
    """Time the decoding of frames [start, stop) of a file; returns plain data with the definitions of its figures."""
    start, stop = frames
    decoder = Decoder(file, backend=backend, threads=threads, limits=limits, verify=False)
    begin = time.perf_counter()
    parsed = read_file(file.path, decoder.limits)
    parse = time.perf_counter() - begin
    begin = time.perf_counter()
    segments = [parsed.segment(number, decoder.limits, threads or 1) for number in range(len(parsed.index))]
    entropy = time.perf_counter() - begin
    times, macs = _frame_times(decoder, start, stop)
    begin = time.perf_counter()
    for _ in decoder.frames(start, stop):
        pass
    whole = time.perf_counter() - begin
    median, low, high = (float(np.percentile(times, q)) for q in (50, 10, 90))
    symbols = sum(segment.network.program.parameters for segment in segments)
    return {
        "file": file.path,
        "backend": choose(backend),
        "threads": threads or os.cpu_count(),
        "machine": machine(),
        "frames": stop - start,
        "kmac_per_pixel": macs / (file.video.width * file.video.height) / 1000,
        "parse_ms": 1000 * parse,
        "entropy_ms": 1000 * entropy,
        "entropy_symbols_per_s": symbols / entropy,
        "frame_ms": {"median": 1000 * median, "p10": 1000 * low, "p90": 1000 * high},
        "synthesis_fps": 1 / median,
        "gmac_per_s": macs / median / 1e9,
        "end_to_end_fps": (stop - start) / whole,
        "definitions": {
            "synthesis_fps": "1 / median time of a frame, integers in memory to planes in memory, one warm-up frame",
            "end_to_end_fps": "frames / wall clock, parsed file to planes in memory, entropy decoding included",
        },
    }


def _frame_times(decoder: Decoder, start: int, stop: int) -> tuple[list[float], int]:
    """Seconds of each frame, and multiply-accumulates a frame (of the last segment touched)."""
    times: list[float] = []
    macs = first = 0
    for number, entry in enumerate(decoder.file.index):
        begin, end = max(start - first, 0), min(stop - first, entry.frames)
        first += entry.frames
        if begin >= end:
            continue
        macs = decoder.file.layout(number, decoder.limits).program.macs
        synthesizer, _ = decoder.open_segment(number)
        with synthesizer:
            synthesizer.frame(begin)
            for t in range(begin, end):
                tick = time.perf_counter()
                synthesizer.frame(t)
                times.append(time.perf_counter() - tick)
    return times, macs


def bench_lines(result: dict[str, Any]) -> list[str]:
    """`bench_decode` as text."""
    frame = result["frame_ms"]
    return [
        f"{result['file']}: backend {result['backend']}, {result['threads']} threads, {result['machine']['cpu']}, "
        f"{result['kmac_per_pixel']:.3f} kMAC/pixel",
        f"  parse            {result['parse_ms']:8.2f} ms",
        f"  entropy decoding {result['entropy_ms']:8.2f} ms  ({result['entropy_symbols_per_s'] / 1e6:.2f} M symbols/s)",
        f"  synthesis        {frame['median']:8.2f} ms a frame, median of {result['frames']} after one warm-up "
        f"(p10 {frame['p10']:.2f}, p90 {frame['p90']:.2f})",
        f"                   {result['synthesis_fps']:8.1f} fps, {result['gmac_per_s']:.2f} GMAC/s",
        f"  end to end       {result['end_to_end_fps']:8.1f} fps (entropy decoding and set-up included, to memory)",
    ]
