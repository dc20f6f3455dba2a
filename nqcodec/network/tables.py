"""The normative integer tables, read from formats/tables/*.json and checked by their SHA-256 (formats/nq.md, 3 and 6).

`formats/make_tables.py` generates the files. Nothing here computes with floating point.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.errors import NqError

Int32 = npt.NDArray[np.int32]

GAUSSIAN_SHA256 = "1e16486e8bdbc3b4b63999b6cd2ee56f016eb86ac559552566a085f63328e8bb"
LOGISTIC_SHA256 = "6d5ea815a645b77bfa105a116d57472e87ecf642f2386ae176e7f08ee9be611b"
ACTIVATIONS_SHA256 = "02ec43b3b3a63a50509527ed94fdb023a4c081dab7b6bccdb80f638b0113c2b2"
SINE_SHA256 = "0bd4d3323a34013d96c313c4a038324ebf4fb3e138d2a7d4d23da5570bd6deba"
"""SHA-256 of all integers of each file in order, each as four bytes, little-endian."""

TOTAL = 1 << 16
"""Sum of the frequencies of every row and context."""

MAX_ROW_SYMBOLS = 256


def _formats() -> Path:
    spec = find_spec("nqcodec.formats")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) if folders else Path(__file__).resolve().parents[2] / "formats"


FORMATS = _formats()
"""The folder of nq.md, the tables and the conformance vectors, in an installed package or a source tree."""


@dataclass(frozen=True)
class FrequencyTable:
    """Frequencies of a static model; arrays are read-only.

    Attributes:
        half_width: int32 [rows], L of each row.
        cumulative: int32 [rows, 257]; row r holds c[0] .. c[2 L + 2], then 65536 to its end.
    """

    half_width: Int32
    cumulative: Int32


@dataclass(frozen=True)
class ActivationTable:
    """Activation tables, int32 [4096] each, read-only, indexed by i + 2048; values are in 1/32768."""

    gelu: Int32
    silu: Int32
    half_tanh: Int32


def digest(lists: Iterable[list[int]]) -> str:
    """SHA-256 of integers in order, each as four bytes, little-endian."""
    return hashlib.sha256(np.concatenate([np.array(row, "<i4") for row in lists]).tobytes()).hexdigest()


def _read(name: str) -> dict[str, Any]:
    path = FORMATS / "tables" / f"{name}.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise NqError(f"{path}: cannot be read ({error}); reinstall nqcodec") from error
    return content


def _check(name: str, lists: Iterable[list[int]], expected: str) -> None:
    if digest(lists) != expected:
        raise NqError(f"{name}.json is not the table of the specification; reinstall nqcodec")


def _frozen(values: npt.ArrayLike) -> Int32:
    array = np.ascontiguousarray(values, np.int32)
    array.setflags(write=False)
    return array


def _frequencies(name: str, expected: str) -> FrequencyTable:
    rows = _read(name)["frequencies"]
    _check(name, rows, expected)
    cumulative = np.full((len(rows), MAX_ROW_SYMBOLS + 1), TOTAL, np.int32)
    for row, frequencies in enumerate(rows):
        cumulative[row, 0] = 0
        cumulative[row, 1 : len(frequencies) + 1] = np.cumsum(frequencies)
    return FrequencyTable(_frozen([len(row) // 2 - 1 for row in rows]), _frozen(cumulative))


@cache
def gaussian() -> FrequencyTable:
    """The Gaussian model's table of 32 rows; raises NqError where the installed file is missing or altered."""
    return _frequencies("gaussian", GAUSSIAN_SHA256)


@cache
def logistic() -> FrequencyTable:
    """The context model's table of 160 rows, row r at phase q being 5 r + q; raises NqError as `gaussian` does."""
    return _frequencies("logistic", LOGISTIC_SHA256)


@cache
def activations() -> ActivationTable:
    """The activation tables; raises NqError where the installed file is missing or altered."""
    content = _read("activations")
    names = ("gelu", "silu", "half_tanh")
    _check("activations", [content[name] for name in names], ACTIVATIONS_SHA256)
    return ActivationTable(*(_frozen(content[name]) for name in names))


@cache
def sine() -> Int32:
    """One turn of a sine in 1/32768, int32 [4096], read-only; raises NqError as `activations` does."""
    values = _read("sine")["sine"]
    _check("sine", [values], SINE_SHA256)
    return _frozen(values)
