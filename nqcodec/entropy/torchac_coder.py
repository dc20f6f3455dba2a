"""torchac as a coder of any events: `--coder torchac`. Same bytes as the other two coders (formats/nq.md, 3.2).

torchac takes a row of cumulative frequencies for every symbol. An event of any model is a row of four entries,
[0, low, high, 0], whose symbol 1 is the interval; where high is 2^16, which int16 cannot hold, the row is
[0, 0, low, 0] and its last symbol, 2, for which torchac supposes 2^16. As it wants every row in advance, it decodes
only static tables.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from nqcodec.entropy.coder import TOTAL
from nqcodec.entropy.models import Events, Int32
from nqcodec.errors import UnsupportedError
from nqcodec.network import tables

Int16 = npt.NDArray[np.int16]

DIRECT_SCALES = 32
"""Scale indices below this one have no bypass bits besides escapes."""


@contextlib.contextmanager
def _silent_stdout() -> Iterator[None]:
    """Keep what compilers and ninja say off standard output, which may be the video; they write to the descriptor."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@cache
def load() -> ModuleType:
    """The module torchac, which compiles itself when it is first imported; raises UnsupportedError where it cannot."""
    previous = os.environ.get("PATH", "")
    # ninja stands beside the interpreter of a virtual environment, which need not be activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), previous])
    try:
        with _silent_stdout():
            import torchac
    except Exception as error:  # its build fails in many ways, ImportError and RuntimeError among them
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnsupportedError(
            f"torchac cannot be used ({reason}): it needs a C++ compiler and ninja; use --coder native"
        ) from error
    finally:
        os.environ["PATH"] = previous
    module: ModuleType = torchac
    return module


def encode_events(events: Events) -> bytes:
    """The piece of any events; raises UnsupportedError where torchac cannot be imported or built."""
    torchac = load()
    import torch

    low, high = events
    to_end = high == TOTAL
    rows = np.zeros((low.size, 4), np.uint16)
    rows[:, 1] = np.where(to_end, 0, low)
    rows[:, 2] = np.where(to_end, low, high)
    symbols = np.where(to_end, 2, 1).astype(np.int16)
    coded: bytes = torchac.encode_int16_normalized_cdf(torch.from_numpy(rows.view(np.int16)), torch.from_numpy(symbols))
    return coded


def gaussian_rows(scale: int, count: int) -> Int16:
    """torchac's table for `count` symbols of one scale index below 32: int16 [count, 2 L + 3], contiguous."""
    if scale >= DIRECT_SCALES:
        raise UnsupportedError(f"torchac decodes no bypass bits, which scale index {scale} has: use --coder native")
    width = int(tables.gaussian().half_width[scale])
    cumulative = tables.gaussian().cumulative[scale, : 2 * width + 3]
    return np.tile(cumulative.astype(np.uint16).view(np.int16), (count, 1))


def gaussian_decode(data: bytes, count: int, scale: int, offset: int) -> Int32:
    """`count` values of a piece of one scale index below 32 that has no escapes, int32; for tests and comparisons.

    torchac does not check a piece's length.

    Raises:
        UnsupportedError: for a piece with an escape, whose bypass bits depend on it, or where torchac is missing.
    """
    torchac = load()
    import torch

    rows = torch.from_numpy(gaussian_rows(scale, count))
    symbols: Int16 = torchac.decode_int16_normalized_cdf(rows, data).numpy()
    escape = rows.shape[1] - 2
    if np.any(symbols == escape):
        raise UnsupportedError("torchac cannot decode a piece that has escapes: use --coder native")
    return (symbols - (escape - 1) // 2).astype(np.int32) + np.int32(offset)
