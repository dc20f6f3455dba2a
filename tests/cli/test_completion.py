"""Completion: scripts that shells take, options, values and paths that they are offered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import CompletionItem, ShellComplete
from click.testing import CliRunner
from commands import COMMANDS

from nqcodec.cli.bench.group import bench
from nqcodec.cli.completion import COMMANDS as COMPLETED
from nqcodec.cli.completion import SHELLS
from nqcodec.cli.nqtool import main
from nqcodec.cli.types import TEXT


def offered(*words: str) -> list[CompletionItem]:
    """What a shell is offered for the last word."""
    name, *arguments = words
    shell = ShellComplete(COMMANDS[name], {}, name, f"_{name.upper()}_COMPLETE")
    return shell.get_completions(arguments[:-1], arguments[-1])


def values(*words: str) -> list[str]:
    return [item.value for item in offered(*words)]


def kinds(*words: str) -> list[str]:
    return [item.type for item in offered(*words)]


def test_options_and_choices_complete() -> None:
    assert values("nqenc", "--pres") == ["--preset"]
    assert values("nqenc", "a.y4m", "--preset", "ul") == ["ultrafast"]
    assert "cuda" in values("nqdec", "--backend", "")
    assert values("nqtool", "conf") == ["conform"]
    assert "--strict" in values("nqtool", "conform", "--st")


def test_words_of_a_metavar_complete_and_placeholders_do_not() -> None:
    assert values("nqenc", "--segment", "") == ["auto", "none"]
    assert values("nqenc", "--segment", "n") == ["none"]
    assert values("nqenc", "--device", "c") == ["cpu", "cuda"]
    assert values("nqenc", "--bpp", "") == []


def test_paths_complete_where_files_and_folders_go() -> None:
    for words in (
        ("nqenc", "cl"),
        ("nqenc", "a.y4m", "-o", ""),
        ("nqenc", "--save-fit", "x"),
        ("nqdec", "a"),
        ("nqdec", "--verify", ""),
        ("nqtool", "info", "a.nq", "b"),
        ("nqtool", "compare", ""),
        ("nqtool", "bench", "ablation", "--save", ""),
    ):
        assert kinds(*words) == ["file"], words
    assert kinds("nqtool", "compare", "a.mkv", "-o", "") == ["dir"]


def test_benchmarks_complete() -> None:
    assert set(bench.commands) == set(values("nqtool", "bench", ""))
    assert values("nqtool", "bench", "ba") == ["backbones"]
    assert values("nqtool", "bench", "coder", "ba") == []
    assert values("nqtool", "bench", "backbones", "--sec") == ["--seconds"]


def test_text_is_passed_on_as_it_is() -> None:
    """The type that completes must not change what a command is given."""
    context, param = click.Context(main), click.Option(["--name"], metavar="FILE")
    assert TEXT.convert("no such file", param, context) == "no such file"


def script(shell: str) -> str:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_for_all_commands(shell: str) -> None:
    text = script(shell)
    assert tuple(COMMANDS) == COMPLETED
    for name in COMMANDS:
        assert f"_{name.upper()}_COMPLETE={shell}_complete" in text


def test_another_shell_is_a_usage_error() -> None:
    done = CliRunner().invoke(main, ["completion", "tcsh"])
    assert done.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr


PROBES = {
    "bash": """source {script}
COMP_WORDS=(nqenc a.y4m --preset ultra) COMP_CWORD=3
_nqenc_completion nqenc
echo "${{COMPREPLY[@]}}"
""",
    "zsh": """compdef() {{ :; }}
compadd() {{ print -l -- $completions }}
source {script}
words=(nqenc a.y4m --preset ultra) CURRENT=4
_nqenc_completion
""",
    "fish": """source {script}
complete -C "nqenc a.y4m --preset ultra"
""",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_complete_by_it(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    if shutil.which("nqenc", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("needs the commands installed beside Python")
    (tmp_path / "script").write_text(script(shell))
    (tmp_path / "probe").write_text(PROBES[shell].format(script=tmp_path / "script"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    plain = {"bash": "--norc", "zsh": "-f", "fish": "--no-config"}[shell]
    words = [program, plain, str(tmp_path / "probe")]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PATH": path}
    )
    assert "ultrafast" in done.stdout.split(), done.stderr
