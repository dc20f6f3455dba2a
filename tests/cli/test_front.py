"""python -m nqcodec: each command by both of its names, with its own exit codes, and nothing more imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nqcodec.cli.front import COMMANDS, main

HEAVY = ("torch", "av", "imageio", "safetensors", "nqcodec.cli.nqenc", "nqcodec.cli.nqtool")


def python_m(*words: object) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "nqcodec", *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("name", ["decode", "nqdec"])
def test_decoding_by_either_name(name: str, sample: Path, sample_md5: str) -> None:
    done = python_m(name, sample, "--md5", "-q")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == sample_md5


def test_exit_codes_are_the_commands_own(tmp_path: Path, sample: Path) -> None:
    assert python_m("decode", tmp_path / "none.nq").returncode == 1
    wrong = python_m("decode", sample, "--frames", "5:4")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "error: --frames 5:4: not within 0:32 (1.28 s at 25 frames a second)\n",
    )
    reported = python_m("decode", "--no-such-option")
    assert reported.returncode == 2
    assert "Usage: python -m nqcodec decode [OPTIONS] FILE.nq" in reported.stderr


def test_help_and_version() -> None:
    shown = python_m("--help")
    assert shown.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name}  " in shown.stdout
    assert python_m("--version").stdout.startswith("nqcodec ")
    assert python_m().returncode in {0, 2}  # as click's version has it
    unknown = python_m("recode")
    assert unknown.returncode == 2
    assert "No such command" in unknown.stderr


def test_examples_are_understood() -> None:
    for line, _ in main.page.examples:
        words = line.split()
        assert words[:3] == ["python", "-m", "nqcodec"]
        context = main.make_context("nqcodec", words[3:])
        name, command, rest = main.resolve_command(context, [*context._protected_args, *context.args])
        assert name in COMMANDS
        assert command is not None
        command.make_context(name, rest, context)


def test_the_first_screen_names_the_call() -> None:
    done = CliRunner().invoke(main, ["encode", "-h"], prog_name="python -m nqcodec")
    assert "python -m nqcodec encode --help shows every option" in done.stdout


def test_decoding_imports_no_other_command(sample: Path) -> None:
    code = f"""
import sys
from nqcodec.cli.front import main
try:
    main(["decode", {str(sample)!r}, "--info"])
except SystemExit as stop:
    assert not stop.code, stop.code
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
