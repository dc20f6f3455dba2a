"""nqtool bench stills: every part of a still's fit can be changed, and what is measured is the decoded picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from rateaware_cases import crop

from nqcodec.benchmarks.stills import VARIANTS, with_gelu
from nqcodec.benchmarks.trials import Excerpt, rows, settings_for
from nqcodec.cli.nqtool import main
from nqcodec.methods.rate_aware.settings import with_program
from nqcodec.network.operations import Activation, Conv

STILL = Excerpt("crop", *crop(frames=1))
BPP, BYTES = 2.0, 1536


@pytest.mark.parametrize("name", list(VARIANTS))
def test_every_variant_is_fitted_within_its_bytes_and_decoded(name: str) -> None:
    (found,) = rows([STILL], {name: VARIANTS[name]}, BPP, 60, [0])
    assert 0 < found["bpp"] <= BPP
    assert found["psnr"] > 10
    assert abs(found["lost"]) < 1


def test_every_variant_differs_from_the_fit_as_it_is() -> None:
    usual = VARIANTS["as it is"].program(STILL, BYTES)
    settings = with_program(settings_for(STILL, 60, 0), usual)
    for name, variant in VARIANTS.items():
        program = variant.program(STILL, BYTES)
        same = program.operations == usual.operations and variant.change(settings) == settings
        assert same == (name == "as it is")


def test_gelu_replaces_relu() -> None:
    activations = {op.activation for op in with_gelu(STILL, BYTES).operations if isinstance(op, Conv)}
    assert activations == {Activation.NONE, Activation.GELU}


def test_the_command(tmp_path: Path) -> None:
    saved = tmp_path / "figures.json"
    words = ["bench", "stills", "--bpp", "1", "--iterations", "10", "--seeds", "2", "--only", "as it is,pyramid"]
    done = CliRunner().invoke(main, [*words, "--save", str(saved)])
    assert done.exit_code == 0, done.output
    rows = json.loads(saved.read_text())["rows"]
    assert [(row["variant"], row["seed"]) for row in rows] == [
        ("as it is", 0),
        ("as it is", 1),
        ("pyramid", 0),
        ("pyramid", 1),
    ]
    done = CliRunner().invoke(main, ["bench", "stills", "--only", "nothing"])
    assert done.exit_code == 2
    assert "there is no fit 'nothing'" in done.stderr
