"""The vectors of formats/conformance: made again byte for byte, legal or refused as they say, every rule exercised.

`make vectors` writes them, their descriptors and the table of the README.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_vectors import library, rules, table
from conformance_vectors.build import Vector
from conformance_vectors.specification import SPECIFICATION, Unit, units

from nqcodec import errors
from nqcodec.bitstream.file import parse_file
from nqcodec.decoder import conformance
from nqcodec.decoder.decoder import Decoder
from nqcodec.entropy import native
from nqcodec.network.operations import OPERATIONS
from nqcodec.synthesis.backends import available

FOLDER = conformance.FOLDER
README = FOLDER / "README.md"
MOST_BYTES, MOST_MACS = 20_000, 2_000_000
LONG = ("pieces-adaptive", "pieces-exactly-one", "pieces-gaussian")
"""Of 65,536 values and more, which take the coder in Python a second each; pieces-context, the hardest, stays."""


@pytest.fixture(scope="module")
def descriptors() -> dict[str, dict[str, Any]]:
    """Descriptor of each vector by name, made anew."""
    return library.descriptors()


def test_the_files_are_those_that_the_seeds_make(descriptors: dict[str, dict[str, Any]]) -> None:
    made = library.files(library.vectors(), descriptors)
    there = {path.name: path for path in FOLDER.iterdir() if path.suffix in (".nq", ".json")}
    assert set(there) == set(made)
    changed = [name for name, path in there.items() if path.read_bytes() != made[name]]
    assert not changed, "a change of the format or of the decoded samples is a new version of the specification"


def test_the_readme_has_the_table_of_these_vectors(descriptors: dict[str, dict[str, Any]]) -> None:
    assert README.read_text(encoding="utf-8") == table.readme(README, descriptors)


def test_every_rule_of_the_specification_has_a_vector(descriptors: dict[str, dict[str, Any]]) -> None:
    without = [(section, rule) for section, rule, names in table.rows(descriptors) if not names]
    assert not without
    assert rules.unused() == []
    assert all(descriptor["sections"] for descriptor in descriptors.values())


def test_every_pattern_of_a_rule_means_a_vector(descriptors: dict[str, dict[str, Any]]) -> None:
    patterns = {pattern for _, patterns in rules.ruled() for pattern in patterns}
    named = [(name, descriptor["features"]) for name, descriptor in descriptors.items()]
    assert not [p for p in patterns if not any(rules.exercises((p,), *vector) for vector in named)]


def test_every_section_of_the_decoding_process_is_in_the_table() -> None:
    headings = re.findall(r"^#+ ((?:[1-8])(?:\.\d+)*)\.? ", SPECIFICATION.read_text(encoding="utf-8"), re.MULTILINE)
    listed = re.findall(r"^### (\S+) ", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in headings if heading in rules.SECTIONS] == listed
    assert set(headings) - set(listed) == {"3"}  # whose text is all in 3.1 to 3.6


def test_units_of_a_text() -> None:
    text = "# 1. One\nA rule. Another\nrule; `x`.\n\n|a|b|\n|-|-|\n|1|2|\n\n    x = 1\n\n*Note: no.*\n# 9. No\nx"
    found = units(text)
    assert [unit.text for unit in found] == ["A rule.", "Another rule;", "`x`.", "|1|2|", "x = 1"]
    assert found[0] == Unit("1", "One", "A rule.")


def test_a_rule_without_vectors_is_noticed() -> None:
    assert rules.patterns_of(Unit("6.99", "new", "out = in")) == ()


@pytest.mark.parametrize(
    "feature", ["activation", "backbone", "bits:weight", "chroma", "depth", "operation", "hadamard:block"]
)
def test_nothing_of_a_kind_is_left_out(feature: str, descriptors: dict[str, dict[str, Any]]) -> None:
    wanted = {
        "activation": ["none", "relu", "gelu", "silu", "half_tanh"],
        "backbone": ["hnerv", "nerv", "nervpp", "hinerv", "pyramid", "pyramid-light", "pyramid-motion", "picture"],
        "bits:weight": [str(bits) for bits in range(2, 9)],
        "chroma": ["4:0:0", "4:2:0", "4:2:2", "4:4:4", "rgb"],
        "depth": [str(depth) for depth in range(8, 13)],
        "operation": [op.name for op in OPERATIONS.values()],
        "hadamard:block": [str(1 << m) for m in range(13)],
    }[feature]
    separator = "-" if ":" in feature else ":"
    features = {one for descriptor in descriptors.values() for one in descriptor["features"]}
    assert {f"{feature}{separator}{value}" for value in wanted} <= features


def test_vectors_are_small(descriptors: dict[str, dict[str, Any]]) -> None:
    assert max(descriptor["bytes"] for descriptor in descriptors.values()) < MOST_BYTES
    assert max(descriptor.get("macs", 0) for descriptor in descriptors.values()) < MOST_MACS
    assert len(descriptors) >= 40


def test_legal_vectors_show_something(descriptors: dict[str, dict[str, Any]]) -> None:
    """A picture of more than a few pixels in one flat colour would hide most faults."""
    flat = []
    for vector in library.vectors():
        if not vector.error and descriptors[vector.name]["width"] * descriptors[vector.name]["height"] > 2:
            frame = next(iter(Decoder(parse_file(vector.data, vector.name), threads=1).frames()))
            flat += [vector.name] if len(np.unique(frame[0])) < 2 else []
    assert flat == []


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_each_backend_passes_every_vector(backend: str) -> None:
    if reason := available()[backend]:
        pytest.skip(reason)
    outcomes = list(conformance.run_backend(conformance.load_vectors(), backend))
    assert {outcome.vector.name: outcome.reason for outcome in outcomes if outcome.reason} == {}


def test_the_coder_in_python_passes_every_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "available", lambda: False)
    vectors = [vector for vector in conformance.load_vectors() if vector.name not in LONG]
    outcomes = list(conformance.run_backend(vectors, "reference"))
    assert {outcome.vector.name: outcome.reason for outcome in outcomes if outcome.reason} == {}


def test_errors_are_ours(descriptors: dict[str, dict[str, Any]]) -> None:
    named = {one["error"] for one in descriptors.values() if "error" in one}
    assert named == {"FormatError", "UnsupportedError", "LimitError", "HashError"}
    assert all(issubclass(getattr(errors, name), errors.NqError) for name in named)


def test_two_vectors_of_one_name_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice:
        @staticmethod
        def vectors() -> list[Vector]:
            return [Vector("a", "", b""), Vector("a", "", b"")]

    monkeypatch.setattr(library, "MODULES", (Twice,))
    with pytest.raises(ValueError, match="one name"):
        library.vectors.__wrapped__()


def test_a_descriptor_is_json_of_its_own_name() -> None:
    for path in sorted(FOLDER.glob("*.json")):
        descriptor = json.loads(path.read_text(encoding="utf-8"))
        assert descriptor["name"] == path.stem
        assert Path(FOLDER / f"{descriptor['name']}.nq").stat().st_size == descriptor["bytes"]
