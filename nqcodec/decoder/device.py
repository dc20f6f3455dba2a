"""The check of a device that a caller names to compute on, before any work begins: one for all commands and the API."""

from __future__ import annotations

import re
import warnings

from nqcodec.errors import UnsupportedError, UsageError

NAME = re.compile(r"cpu|cuda(:(?P<number>\d+))?")
INSTEAD = "leave --device out to use the CPU"


def check_device(device: str) -> None:
    """Check where to fit.

    Args:
        device: "cpu", "cuda", or "cuda:N" for the CUDA device of number N, counted from 0.

    Raises:
        UsageError: no such name.
        UnsupportedError: CUDA, where torch cannot use it or has no device of this number.
    """
    found = NAME.fullmatch(device) if isinstance(device, str) else None
    if found is None:
        raise UsageError(f"--device {device}: choose cpu or cuda, or cuda:N for one of several GPUs")
    if device != "cpu" and (reason := _why_not_in_torch(int(found["number"] or 0))):
        raise UnsupportedError(f"--device {device}: {reason}; {INSTEAD}")


def check_decoding_device(device: str) -> None:
    """Check where to decode: "cpu" or "cuda", which here is libnq_cuda and needs no torch; raises as `check_device`."""
    from nqcodec.synthesis.cuda import why_no_device

    if device not in ("cpu", "cuda"):
        raise UsageError(f"--device {device}: choose cpu or cuda")
    if device == "cuda" and (reason := why_no_device()):
        raise UnsupportedError(f"--device {device}: {reason}; {INSTEAD}")


def _why_not_in_torch(number: int) -> str:
    """Why torch cannot compute on the CUDA device of this number; empty if it can."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own words about a driver that fails
        if torch.cuda.is_available():
            count = torch.cuda.device_count()
            return "" if number < count else f"torch finds only {count}, counted from 0"
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a build without CUDA"
    return "torch finds no CUDA device"
