"""Runs random networks by an emulated libnq_cuda: `emulated_networks.py LIBRARY SEED...`; prints `exact` for each.

For processes that sanitizers watch. A seed `faultN` runs kernel N of cuda_emulation/faults.cu instead.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
from emulated_cuda import emulated
from random_networks import random_network, random_video
from warped_networks import random_case, warped_network

from nqcodec.benchmarks.kernel_cases import KERNELS, PLANES, kernel_case
from nqcodec.benchmarks.kernels import check_case
from nqcodec.synthesis.cuda import CudaSynthesizer
from nqcodec.synthesis.reference import ReferenceSynthesizer


def run_seed(seed: int) -> bool:
    """Whether some networks, warps among them, and a case of each kernel give the reference's samples."""
    rng, exact = np.random.default_rng([seed, 7]), True
    videos = [random_video(rng) for _ in range(6)]
    cases = [(random_network(rng, video), video) for video in videos]
    warps = [random_case(rng) for _ in range(4)]
    cases += [(warped_network(rng, case), case.video) for case in warps]
    for network, video in cases:
        reference = ReferenceSynthesizer(network, video, video.frames)
        with CudaSynthesizer(network, video, video.frames, batch=2) as synthesizer:
            for t, frame in enumerate(synthesizer.frames(0, video.frames)):
                exact &= all(np.array_equal(a, b) for a, b in zip(frame, reference.frame(t), strict=True))
    return exact and not any(check_case(kernel_case(name, rng), ()) for name in (*KERNELS, PLANES))


def main() -> None:
    path, *seeds = sys.argv[1:]
    if seeds[0].startswith("fault"):
        ctypes.CDLL(path).nq_fault(int(seeds[0].removeprefix("fault")), 1, (ctypes.c_int32 * 64)())
        return
    with emulated(Path(path)):
        for seed in seeds:
            print("exact" if run_seed(int(seed)) else "differs", flush=True)


if __name__ == "__main__":
    main()
