"""Writes the normative tables of formats/tables as C++ arrays, which csrc/decoder/tables.cpp includes.

    python csrc/decoder/embed_tables.py FORMATS/tables OUT/table_data.inc

setup.py and CMakeLists.txt run it; it needs nothing but Python. All are 16-bit but the sine, which reaches 32768;
frequencies stand list after list, with the lengths of the lists beside them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

VALUES_A_LINE = 16


def array(kind: str, name: str, values: Iterable[int]) -> str:
    """A constant array of C++."""
    words = [str(value) for value in values]
    lines = [", ".join(words[start : start + VALUES_A_LINE]) for start in range(0, len(words), VALUES_A_LINE)]
    return f"constexpr {kind} {name}[] = {{\n    " + ",\n    ".join(lines) + "};\n"


def table_data(folder: Path) -> str:
    """The text of table_data.inc."""
    parts = ["// Made by csrc/decoder/embed_tables.py from formats/tables.\n"]
    for name in ("gaussian", "logistic"):
        rows = json.loads((folder / f"{name}.json").read_text("ascii"))["frequencies"]
        parts.append(array("uint16_t", f"k{name.capitalize()}Lengths", map(len, rows)))
        parts.append(array("uint16_t", f"k{name.capitalize()}Frequencies", chain.from_iterable(rows)))
    activations = json.loads((folder / "activations.json").read_text("ascii"))
    tables = {"Gelu": activations["gelu"], "Silu": activations["silu"], "HalfTanh": activations["half_tanh"]}
    parts += [array("int16_t", f"k{name}", values) for name, values in tables.items()]
    parts.append(array("int32_t", "kSine", json.loads((folder / "sine.json").read_text("ascii"))["sine"]))
    return "\n".join(parts)


def main() -> None:
    """See the module's text."""
    folder, out = map(Path, sys.argv[1:])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(table_data(folder), "ascii")


if __name__ == "__main__":
    main()
