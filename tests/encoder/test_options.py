"""The options of an encode: described in full, parsed to their types, and part of what a resumed encode repeats."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from nqcodec.encoder.option import option_fields
from nqcodec.encoder.option_text import parse_frame_count, parse_names, parse_numbers, parse_seek, parse_size
from nqcodec.encoder.options import PRESETS, ClipOptions, EncodeSettings, Group, PlainFitOptions, RateOptions, part_of
from nqcodec.errors import UsageError
from nqcodec.media.positions import Time
from nqcodec.training.presets import PLAIN_PRESETS, RATE_AWARE_PRESETS

KINDS = (RateOptions, ClipOptions, EncodeSettings)
OTHERS: dict[str, Any] = {
    **{"preset": "fast", "iterations": 3, "segment": None, "motion": "none", "hashes": "frame", "metadata": False},
    **{"arch": "hnerv", "method": "plain", "arch_preset": "bunny-1.5m", "device": "cuda", "threads": 2, "seed": 1},
    **{"recipe": "hnerv", "loss": "l1", "optimizer": "adam", "schedule": "step", "ema": 0.9, "coarse": 0.5},
    **{"prune": 0.5, "quant_noise": 5, "patch": (32, 16), "fit": Path("a.safetensors")},
}
"""Another value of every setting that decides the result."""
WITHOUT_EFFECT: dict[str, Any] = {
    **{"coder": "python", "jobs": 3, "resume": True, "fresh": True, "save_fit": Path("b.safetensors")},
    "metrics": ("ssim",),
}
"""Likewise of those that do not."""


def test_every_field_is_described() -> None:
    for kind in KINDS:
        for (field, described), each in zip(option_fields(kind), fields(kind), strict=True):
            assert field is each
            assert described.group in set(Group)
            assert described.help.endswith("."), field.name


def test_presets_are_those_of_both_methods() -> None:
    assert tuple(PLAIN_PRESETS) == tuple(RATE_AWARE_PRESETS) == PRESETS


def test_the_fingerprint_is_of_what_decides_the_result() -> None:
    """An option that is added has to be entered here as the one or the other."""
    assert {**OTHERS, **WITHOUT_EFFECT}.keys() == {field.name for field in fields(EncodeSettings)}
    default = EncodeSettings()
    for name, value in OTHERS.items():
        assert replace(default, **{name: value}).fingerprint() != default.fingerprint(), name
    assert replace(default, **WITHOUT_EFFECT).fingerprint() == default.fingerprint()


def test_any_option_of_a_plain_fit_departs_from_the_preset() -> None:
    assert not EncodeSettings(preset="slow", iterations=7).departs()
    for field in fields(PlainFitOptions):
        assert EncodeSettings(**{field.name: OTHERS[field.name]}).departs()
    assert EncodeSettings(coarse=0.0).departs(), "asked for, though nothing comes of it"


def test_part_of_options_has_nothing_else() -> None:
    class More(EncodeSettings):
        pass

    given = More(seed=5, patch=(3, 4))
    assert type(part_of(given, EncodeSettings)) is EncodeSettings
    assert part_of(given, EncodeSettings) == EncodeSettings(seed=5, patch=(3, 4))


@pytest.mark.parametrize(
    ("fps", "meant"), [("30000/1001", Fraction(30000, 1001)), (29.97, Fraction(2997, 100)), (None, None)]
)
def test_frame_rates(fps: Any, meant: Fraction | None) -> None:
    assert ClipOptions(fps=fps).clip("a.yuv").fps == meant


@pytest.mark.parametrize("fps", ["fast", "1/0", 0, -1.0, "nan"])
def test_what_is_no_frame_rate_is_refused(fps: Any) -> None:
    with pytest.raises(UsageError, match=r"fps=.*: (write a number or a fraction|a frame rate is positive)"):
        ClipOptions(fps=fps).clip("a.yuv")


def test_texts_are_values() -> None:
    assert parse_numbers("0.10,2") == (("0.10", 0.1), ("2", 2.0))
    assert parse_names("ssim,vmaf") == ("ssim", "vmaf")
    assert parse_names("") == ()
    assert parse_size("1920X1080") == (1920, 1080)
    assert parse_seek("5") == parse_frame_count("5") == 5
    assert parse_seek("00:00:02") == parse_frame_count("2s") == Time(Fraction(2))


@pytest.mark.parametrize(
    ("parse", "text", "reported"),
    [
        (parse_numbers, "1,", "several with commas"),
        (parse_size, "8x", "such as 1920x1080"),
        (parse_seek, "-1", "a frame number, or a time"),
        (parse_frame_count, "0", "at least one"),
        (parse_frame_count, "1:30", "--seek A --frames COUNT"),
    ],
)
def test_texts_that_are_none_say_what_to_write(parse: Any, text: str, reported: str) -> None:
    with pytest.raises(ValueError, match=reported):
        parse(text)
