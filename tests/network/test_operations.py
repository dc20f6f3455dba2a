"""What operations declare, case by case; each is in every table that a layer looks its part of it up in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from operation_cases import CASES, OperationCase, case_id
from operation_instances import Instance, program_around

from nqcodec.errors import UnsupportedError
from nqcodec.network.operations import OPERATIONS, Conv, Grid, Norm, Operation, Planes, operation_code
from nqcodec.network.program import Program
from nqcodec.synthesis.reference import DEFINITIONS
from nqcodec.training.operations import TWINS
from nqcodec.training.patched import PARTS
from nqcodec.training.regions import READS

EVERY = set(OPERATIONS.values())
WITH_TENSORS = {Grid, Conv}
"""Operations that `FloatNetwork` evaluates itself, with a `Transform` for their tensors."""


def test_every_operation_is_in_every_table() -> None:
    assert set(DEFINITIONS) == EVERY - {Planes}
    assert set(TWINS) == EVERY - WITH_TENSORS
    assert set(READS) == {kind for kind in EVERY if kind.arity != 0}
    assert set(PARTS) == set(TWINS)


def test_codes_and_names_are_of_one_operation_each() -> None:
    assert sorted(OPERATIONS) == list(range(1, len(EVERY) + 1))
    assert len(EVERY) == len({kind.name for kind in EVERY}) == len(OPERATIONS)


def test_an_operation_that_the_format_does_not_hold_has_no_code() -> None:
    class Foreign(Norm):
        name = "foreign"

    assert operation_code(Norm((0,))) == 9
    with pytest.raises(UnsupportedError, match="foreign has no code"):
        operation_code(Foreign((0,)))


@pytest.mark.parametrize("kind", OPERATIONS.values())
def test_operations_with_tensors_are_those_that_layers_know_to_have_some(kind: type[Operation]) -> None:
    assert (kind.tensors is not Operation.tensors) == (kind in WITH_TENSORS)


SHOWN = [(case.example, case.shape, case.macs) for case in CASES] + [one for case in CASES for one in case.extremes]
REFUSED = [refused for case in CASES for refused in case.refused]


@pytest.mark.parametrize(("instance", "shape", "macs"), SHOWN)
def test_shapes_and_costs(instance: Instance, shape: tuple[int, int, int], macs: int) -> None:
    instance.op.check_fields()
    assert instance.op.shape(instance.read) == shape
    assert instance.op.macs(instance.read) == macs


@pytest.mark.parametrize(("instance", "message"), REFUSED)
def test_what_does_not_fit_is_refused(instance: Instance, message: str) -> None:
    def check() -> None:
        instance.op.check_fields()
        instance.op.shape(instance.read)

    with pytest.raises(ValueError, match=message):
        check()


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_wrong_number_of_inputs_is_refused(case: OperationCase) -> None:
    program, video, index = program_around(case.example)
    op = program.operations[index]
    wrong = [(*op.inputs, 0), op.inputs[:-1] if op.inputs else (0, 0)] if op.arity is not None else []
    for inputs in (*wrong, (*op.inputs[:-1], index), (*op.inputs[:-1], index + 1), (*op.inputs[:-1], -1)):
        operations = list(program.operations)
        operations[index] = replace(op, inputs=inputs)
        with pytest.raises(ValueError, match="earlier operations as inputs"):
            Program.of(operations, video)
