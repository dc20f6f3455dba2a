"""Every operation is in every table that layers look their part of it up in."""

from __future__ import annotations

import pytest

from nqcodec.errors import UnsupportedError
from nqcodec.network.operations import OPERATIONS, Conv, Grid, Norm, Operation, Planes, operation_code
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
