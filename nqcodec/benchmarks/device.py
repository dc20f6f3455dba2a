"""Frames a second on a CUDA device, by the batch in its own memory, and where the time goes (`bench decode --device`).

Our decoder and torch take turns within one run. What each operation reads, writes and multiplies is counted, and set
against what the device was measured to do at best in the same run: bytes by a copy, products by matrix instructions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nqcodec.decoder.meter import spread
from nqcodec.media.video import Video
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.synthesis.cuda import CudaSynthesizer, ceilings

LEAST_ROUNDS, ROUND_BATCHES, SINGLE_FRAMES = 3, 8, 20
RIVALS = (("float32", True), ("float16", True), ("float16", False))
"""(torch dtype, whether by a CUDA graph)."""


def compare_on_device(
    network: IntegerNetwork, video: Video, frames: int, rivals: Sequence[tuple[str, bool]], seconds: float
) -> dict[str, Any]:
    """Our frames and torch's in turns, single frames, frames brought to the host, and shares of the ceilings.

    Raises:
        UnsupportedError: no libnq_cuda or no device.
    """
    with CudaSynthesizer(network, video, frames) as synthesizer:
        contestants: dict[str, Callable[[int], float]] = {"nqcodec": synthesizer.repeat}
        others, failed = _rivals(network, frames, synthesizer.batch, rivals)
        rates = _rates(contestants | others, synthesizer.batch, seconds)
        macs = network.program.macs
        result: dict[str, Any] = {
            "batch": synthesizer.batch,
            "planned_bytes": synthesizer.planned_bytes,
            "kmac_per_pixel": macs / (video.width * video.height) / 1000,
            "device_fps": rates["nqcodec"],
            "gmac_per_s": rates["nqcodec"] * macs / 1e9,
            "host_fps": _host_rate(synthesizer, frames),
            "single_ms": spread(_single_times(synthesizer, frames)),
            **_shares(synthesizer, network),
        }
    for name in others:
        result[name] = {"fps": rates[name], "ours_over_it": rates["nqcodec"] / rates[name]}
    return result | {name: {"failed": reason} for name, reason in failed.items()}


def _rivals(
    network: IntegerNetwork, frames: int, batch: int, rivals: Sequence[tuple[str, bool]]
) -> tuple[dict[str, Callable[[int], float]], dict[str, str]]:
    """The rivals that work here, and why the others do not."""
    works: dict[str, Callable[[int], float]] = {}
    failed: dict[str, str] = {}
    for dtype, graph in rivals:
        from nqcodec.benchmarks.torch_twin import torch_batches

        name = f"torch {dtype}" + (" graph" if graph else "")
        try:
            works[name] = torch_batches(network.program, frames, dtype, batch, graph=graph)
        except RuntimeError as error:
            failed[name] = str(error).splitlines()[0]
    return works, failed


def _rates(contestants: dict[str, Callable[[int], float]], batch: int, seconds: float) -> dict[str, float]:
    """Frames a second of each contestant: medians over rounds in which each makes some batches in turn."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run(2)
    begin = time.perf_counter()
    while len(times["nqcodec"]) < LEAST_ROUNDS or time.perf_counter() - begin < seconds:
        for name, run in contestants.items():
            times[name].append(run(ROUND_BATCHES))
    return {name: ROUND_BATCHES * batch / float(np.median(taken)) for name, taken in times.items()}


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


def _shares(synthesizer: CudaSynthesizer, network: IntegerNetwork) -> dict[str, Any]:
    """Counted bytes and products of each operation, its time, and its least time by the ceilings.

    Operations are launched one by one for this, so that their times add up to more than a batch takes.
    """
    products, copied = ceilings()
    synthesizer.seconds()
    seconds, work = synthesizer.seconds() / synthesizer.batch, synthesizer.work()
    least = np.maximum(work.bytes / copied, work.products / products)
    operations = [
        {
            "operation": int(index),
            "name": network.program.operations[index].name,
            "us": 1e6 * float(seconds[index]),
            "least_us": 1e6 * float(least[index]),
            "bound": "bytes" if work.bytes[index] / copied >= work.products[index] / products else "products",
            "bytes": int(work.bytes[index]),
            "products": int(work.products[index]),
            "macs": int(work.macs[index]),
        }
        for index in np.flatnonzero(seconds)
    ]
    return {
        "ceiling_products_per_s": products,
        "ceiling_bytes_per_s": copied,
        "share_of_ceilings": float(least.sum() / seconds.sum()),
        "operations": sorted(operations, key=lambda each: -float(each["us"])),
    }


def device_lines(name: str, figures: dict[str, Any], shown: int = 8) -> list[str]:
    """The figures of one network as text, with its `shown` longest operations."""
    single = figures["single_ms"]
    lines = [
        f"{name}: {figures['kmac_per_pixel']:.3f} kMAC/pixel, batches of {figures['batch']}, "
        f"{figures['planned_bytes'] / 1e6:.0f} MB of device memory",
        f"  nqcodec {figures['device_fps']:.1f} fps in device memory ({figures['gmac_per_s']:.0f} GMAC/s), "
        f"{figures['host_fps']:.1f} fps to the host, single frames {single['median']:.2f} ms",
        f"  ceilings: {figures['ceiling_products_per_s'] / 1e12:.0f} T products/s of bytes, "
        f"{figures['ceiling_bytes_per_s'] / 1e9:.0f} GB/s; at them, counted work takes "
        f"{100 * figures['share_of_ceilings']:.0f} % of the operations' time",
    ]
    for rival, each in figures.items():
        if not rival.startswith("torch"):
            continue
        if "failed" in each:
            lines.append(f"  {rival}: does not work here: {each['failed']}")
        else:
            lines.append(f"  {rival}: {each['fps']:.1f} fps; we are {each['ours_over_it']:.2f} times as fast")
    for each in figures["operations"][:shown]:
        lines.append(
            f"    {each['operation']:>4} {each['name']:<10} {each['us']:8.1f} us a frame, at least "
            f"{each['least_us']:.1f} by {each['bound']} ({each['bytes'] / 1e6:.1f} MB, {each['products'] / 1e9:.2f} G)"
        )
    return lines
