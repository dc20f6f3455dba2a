"""Operations in the file, case by case: their bytes, those that are refused, the version of files that have them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from bitstream_cases import assert_same
from operation_cases import CASES, OperationCase, case_id
from operation_instances import Instance, program_around
from random_networks import random_network

from nqcodec.bitstream.file import parse_file
from nqcodec.bitstream.operations import minor_version, pack_program, parse_program
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.cli.info import file_info, info_lines
from nqcodec.errors import FormatError
from nqcodec.media.video import Video
from nqcodec.network.operations import Grid, Operation, Planes, operation_from_dict, operation_to_dict, wire_fields
from nqcodec.network.program import Limits, Program

SEEDS = range(4)
GRID_BYTES = 5
"""Of a grid before a case's operation: its sizes are small."""


def start_of(index: int) -> int:
    """Where the bytes of operation `index` of a program around a case begin: after a count and grids."""
    return 1 + GRID_BYTES * index


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_an_operation_has_these_bytes(case: OperationCase) -> None:
    program, video, index = program_around(case.example)
    data, expected = pack_program(program), bytes.fromhex(case.wire)
    assert data[start_of(index) :][: len(expected)] == expected
    reader = Reader(data)
    assert parse_program(reader, video) == program
    assert reader.left == 0


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_an_operation_that_ends_early_is_named(case: OperationCase) -> None:
    program, video, index = program_around(case.example)
    data, start = pack_program(program), start_of(index)
    for size in range(len(bytes.fromhex(case.wire))):
        with pytest.raises(FormatError, match=r"ends inside|do(es)? not fit the \d+ bytes left"):
            parse_program(Reader(data[: start + size]), video)


@pytest.mark.parametrize("case", [case for case in CASES if case.example.inputs], ids=case_id)
def test_inputs_are_earlier_operations(case: OperationCase) -> None:
    program, video, index = program_around(case.example)
    data, op = bytearray(pack_program(program)), program.operations[index]
    first = start_of(index) + (2 if op.arity is None else 1)
    for place in range(first, first + len(op.inputs)):
        for distance in (0, index + 1):
            spoilt = bytearray(data)
            spoilt[place] = distance
            with pytest.raises(FormatError, match=f"operation {index} reads {distance} places back"):
                parse_program(Reader(bytes(spoilt), path="bad.nq"), video)


def unchecked(instance: Instance) -> bytes:
    """A program with an operation that is not legal; raises ValueError for fields that the file cannot hold."""
    shifted = replace(instance.op, inputs=tuple(i + 1 for i in instance.op.inputs))
    operations: list[Operation] = [Grid((), 1, 1, 1, 1), *(Grid((), 1, *shape) for shape in instance.inputs), shifted]
    return pack_program(Program((*operations, Planes((len(operations) - 1,), 1)), ()))


def is_held(instance: Instance) -> bool:
    """Whether the file can hold an operation's fields, legal or not."""
    try:
        unchecked(instance)
    except ValueError:
        return False
    return True


REFUSED = [instance for case in CASES for instance, _ in case.refused]


@pytest.mark.parametrize("instance", [instance for instance in REFUSED if is_held(instance)])
def test_operations_that_are_not_legal_are_refused(instance: Instance) -> None:
    """Before a value is decoded: a decoder's kernels never look outside a map."""
    with pytest.raises(FormatError):
        parse_program(Reader(unchecked(instance), path="bad.nq"), Video(8, 8, 3))


@pytest.mark.parametrize("instance", [instance for instance in REFUSED if not is_held(instance)])
def test_what_a_field_cannot_hold_is_not_written(instance: Instance) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        unchecked(instance)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_networks_around_an_operation_round_trip(case: OperationCase, seed: int) -> None:
    rng = np.random.default_rng(seed)
    program, video, index = program_around(case.make(rng))
    original = random_network(rng, video, program)
    file = parse_file(pack_file(video, [(video.frames, pack_segment(original))]), "x.nq")
    assert file.version == (2, minor_version(program)) == (2, case.kind.minor_version)
    assert_same(original, file.segment(0).network)
    op = program.operations[index]
    assert operation_from_dict(json.loads(json.dumps(operation_to_dict(op)))) == op


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_info_tells_an_operation(case: OperationCase) -> None:
    program, video, index = program_around(case.example)
    segment = pack_segment(random_network(np.random.default_rng(2), video, program))
    info = file_info(parse_file(pack_file(video, [(video.frames, segment)]), "x.nq"), Limits())
    entry, op = info["segments"][0]["operations"][index], case.example.op
    assert (entry["operation"], entry["inputs"]) == (op.name, list(program.operations[index].inputs))
    values = {field.name: getattr(op, field.name) for field in wire_fields(case.kind)}
    plain = {name: list(value) if isinstance(value, tuple) else int(value) for name, value in values.items()}
    assert {name: entry[name] for name in plain} == plain
    assert ("frac" in entry) == op.has_format
    line = " ".join([f"{op.name:<9}", *(f"{name}={value}" for name, value in plain.items())])
    assert line in "\n".join(info_lines(info))


MINORS = {case.kind.minor_version: case for case in CASES}
"""A case of each minor version that brought operations."""


@pytest.mark.parametrize("minors", list(chain.from_iterable(((a,), (a, b)) for a in MINORS for b in MINORS)))
def test_a_file_is_of_the_least_version_that_has_the_operations_of_all_segments(minors: tuple[int, ...]) -> None:
    rng, segments, video = np.random.default_rng(5), [], Video(8, 6, 3)
    for minor in minors:
        program, own, _ = program_around(MINORS[minor].example)
        assert minor_version(program) == minor
        video = own
        segments.append((3, pack_segment(random_network(rng, own, program)).with_md5(bytes(16))))
    data = pack_file(replace(video, frames=3 * len(minors)), segments)
    assert parse_file(data, "x.nq").version == (2, max(minors))
