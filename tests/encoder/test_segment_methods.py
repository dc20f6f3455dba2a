"""The methods that fit segments: found by name, and chosen by settings and backbone."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from nqcodec.backbones import BACKBONES
from nqcodec.encoder.options import EncodeSettings, Method
from nqcodec.encoder.segment_methods import METHODS, PLAIN, RATE_AWARE, method_of
from nqcodec.errors import UsageError


def test_names_are_those_of_the_option() -> None:
    assert {"auto", *METHODS} == set(get_args(Method))


@pytest.mark.parametrize("arch", BACKBONES)
def test_by_itself_it_is_what_measured_better_for_the_backbone(arch: str) -> None:
    expected = RATE_AWARE if BACKBONES[arch].rate_aware else PLAIN
    assert method_of(EncodeSettings(arch=arch)) == expected


@pytest.mark.parametrize("options", [{"loss": "l1"}, {"coarse": 0.0}, {"arch_preset": "bunny-1.5m"}])
def test_what_only_a_plain_fit_has_makes_it_one(options: dict[str, Any]) -> None:
    assert method_of(EncodeSettings(**options)) == PLAIN


def test_what_is_asked_for_is_taken_unless_it_contradicts() -> None:
    assert method_of(EncodeSettings(method="plain")) == PLAIN
    assert method_of(EncodeSettings(arch="hnerv", method="rate-aware")) == RATE_AWARE
    with pytest.raises(UsageError, match="options of --method plain"):
        method_of(EncodeSettings(method="rate-aware", patch=(32, 32)))
