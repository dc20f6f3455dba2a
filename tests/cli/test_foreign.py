"""Options of other encoders: the error names what there is here, and names only what exists."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner
from commands import COMMANDS

from nqcodec.cli.foreign import DECODING, ENCODING, instead, json_file


def refused(command: str, *words: str) -> str:
    done = CliRunner().invoke(COMMANDS[command], list(words), prog_name=command)
    assert done.exit_code == 2
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [("--crf", "23"), ("--crf=23",), ("-crf", "23"), ("--qp", "30")])
def test_a_rate_factor_is_answered_with_the_quality(words: tuple[str, ...]) -> None:
    reported = refused("nqenc", "clip.y4m", *words, "-o", "a.nq")
    assert f"no option {words[0].partition('=')[0]}: " in reported
    assert "--quality, 1 to 100" in reported
    assert "--codec-option crf=18" in refused("nqdec", "clip.nq", *words)


def test_psnr_is_answered() -> None:
    assert "--psnr --bpp: write a number" in refused("nqenc", "clip.y4m", "--psnr", "--bpp", "1", "-o", "a.nq")
    assert "nqtool compare" in refused("nqdec", "clip.nq", "--psnr")


@pytest.mark.parametrize("words", [("--json", "out.json"), ("--json=out.json",)])
def test_a_file_for_json_is_answered(words: tuple[str, ...]) -> None:
    reported = "--json takes no file and prints to standard output: use "
    assert reported in refused("nqenc", "clip.y4m", "--bpp", "1", "-o", "a.nq", *words)
    assert reported in refused("nqdec", *words, "clip.nq")
    assert reported in refused("nqtool", "info", *words)
    assert refused("nqtool", "bench", "coder", *words).endswith("use --save out.json")


def test_words_that_are_no_options_of_others_keep_clicks_answer() -> None:
    assert "No such option '--nonsense'" in refused("nqenc", "clip.y4m", "--nonsense")
    assert instead(ENCODING, ["--limit", "3"], {"--limit"}) == ""
    assert json_file(["--json", "clip.nq"], {"--json"}) == ""


@pytest.mark.parametrize(("command", "table"), [("nqenc", ENCODING), ("nqdec", DECODING)])
def test_answers_name_options_that_exist(command: str, table: dict[str, str]) -> None:
    own: click.Command = COMMANDS[command]
    known = {name for param in own.params for name in param.opts}
    for name, reported in table.items():
        assert set(re.findall(r"(?<!\S)--[a-z-]+", reported)) <= known, name
