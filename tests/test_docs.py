"""The documents: Python runs, commands run or at least parse, options exist, links and paths lead somewhere.

Code stands in fenced blocks. "python" blocks of a document run in order, in one namespace; "c" blocks compile. Lines
of "console" blocks that begin with "$ " are commands, and what our commands do not understand fails; those of "console
run" also run. Both have a folder with a small clip in several formats, and presets of a few iterations.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from commands import COMMANDS, calls, read
from formats_clips import write

from nqcodec.backbones import BACKBONES
from nqcodec.encoder import jobs
from nqcodec.media.source import open_source
from nqcodec.native import cpu
from nqcodec.training.presets import PHASES, PLAIN_PRESETS, RATE_AWARE_PRESETS, Phase, Preset

ROOT = Path(__file__).resolve().parent.parent
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*GUIDES, ROOT / "BENCHMARKS.md", ROOT / "CHANGELOG.md", ROOT / "samples" / "README.md"]
LANGUAGES = {"python", "c", "console", "console run", "sh", "text"}
STEPS = 12
THEIRS = "theirs"
"""Head of a first column whose options are those of other programs."""


class Block(NamedTuple):
    """A fenced block: where it begins, its language, its text."""

    path: Path
    line: int
    language: str
    text: str


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def blocks(path: Path) -> Iterator[Block]:
    start, language, lines = 0, "", list[str]()
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            if start:
                yield Block(path, start, language, "\n".join(lines) + "\n")
                start = 0
            else:
                start, language, lines = number, line[3:].strip(), []
        elif start:
            lines.append(line)
    assert not start, f"{path}: the block of line {start} has no end"


def prose(path: Path) -> list[str]:
    """A document's lines outside of blocks."""
    out, inside = [], False
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            out.append(line)
    return out


def commands(block: Block) -> list[str]:
    """The command lines of a block: of "console" those after a prompt, of "sh" all."""
    if block.language == "sh":
        return block.text.splitlines()
    return [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]


def outputs(block: Block, command: str) -> Iterator[str]:
    """Patterns of the lines that a document shows below a command; figures of lines with times in them may differ."""
    shown = block.text.splitlines()
    for line in shown[shown.index(f"$ {command}") + 1 :]:
        if line.startswith("$ "):
            return
        if line != "...":
            timed = re.search(r"\d (s|fps|min)\b", line)
            yield re.sub(r"\d+\\\.\d+", r"[\\d.]+", re.escape(line)) if timed else re.escape(line)


EVERY = [block for path in GUIDES for block in blocks(path)]
SHELL = [block for block in EVERY if block.language in {"console", "console run", "sh"}]
RUN = [block for block in SHELL if block.language == "console run"]
PYTHON = [path for path in GUIDES if any(block.language == "python" for block in blocks(path))]


def place(block: Block) -> str:
    return f"{block.path.relative_to(ROOT)}:{block.line}"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the documents' commands name: clip.y4m and the same as .yuv, .mkv and PNGs, clip.nq, samples/."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "samples", folder / "samples")
    shutil.copy(ROOT / "samples" / "bbb_320x180.nq", folder / "clip.nq")
    with open_source(ROOT / "samples" / "bbb_320x180.mkv", count=8) as source:
        video = replace(source.video, width=160, height=96)
        frames = [(y[40:136, 80:240], u[20:68, 40:120], v[20:68, 40:120]) for y, u, v in source]
    (folder / "frames").mkdir()
    for name in ("clip.y4m", "clip.yuv", "clip.mkv", "frames/%05d.png"):
        write(folder / name, video, frames)
    return folder


@pytest.fixture
def here(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the clips as the current folder; presets of a few iterations, in this process; backbones restored."""
    folder = tmp_path / "here"
    shutil.copytree(clips, folder)
    monkeypatch.chdir(folder)
    for presets in (PLAIN_PRESETS, RATE_AWARE_PRESETS):
        for name in presets:
            monkeypatch.setitem(presets, name, Preset(1, STEPS))
    for name in ("calibration", "brief calibration"):
        monkeypatch.setitem(PHASES, name, Phase(PHASES[name].share, STEPS))
    for name in dict(BACKBONES):
        monkeypatch.setitem(BACKBONES, name, BACKBONES[name])
    for module in (cpu, jobs):
        monkeypatch.setattr(module, "available_cores", lambda: 1)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return folder


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("block", [block for block in EVERY if block.language == "c"], ids=place)
def test_c_compiles(block: Block, tmp_path: Path) -> None:
    (tmp_path / "block.c").write_text(block.text)
    flags = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{ROOT / 'csrc' / 'include'}"]
    words = ["cc", *flags, "-fsyntax-only", str(tmp_path / "block.c")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_blocks_have_a_language_that_is_checked() -> None:
    assert {block.language for block in EVERY} <= LANGUAGES
    for path in GUIDES:
        for line in prose(path):
            assert not re.match(r"( {4}|\t)(\$ )?(nqenc|nqdec|nqtool|pip|import|from) ", line), (
                f"{path}: fence {line!r}"
            )


@pytest.mark.parametrize("block", SHELL, ids=place)
def test_commands_are_understood(block: Block) -> None:
    for line in commands(block):
        for words in calls(line):
            read(words)


@pytest.mark.parametrize("block", RUN, ids=place)
def test_commands_run(block: Block, here: Path) -> None:
    for line in commands(block):
        (words,) = calls(line)
        done = CliRunner().invoke(COMMANDS[words[0]], words[1:])
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        output = read(words).get("output")
        if output and not set("{%") & set(output):
            assert (here / output).exists(), line
        for told in outputs(block, line):
            assert re.search(told, done.output), line


@pytest.mark.parametrize("path", PYTHON, ids=names(PYTHON))
def test_python_runs(path: Path, here: Path) -> None:
    # dataclasses look for their module's namespace.
    namespace: dict[str, Any] = {"__name__": "__main__"}
    before = set(BACKBONES)
    try:
        for block in blocks(path):
            if block.language == "python":
                source = "\n" * block.line + block.text
                exec(compile(source, str(path), "exec"), namespace)
    finally:
        for name in set(BACKBONES) - before:
            del BACKBONES[name]


def known_options() -> set[str]:
    found = {"--help", "-h"}
    todo = [*COMMANDS.values()]
    while todo:
        command = todo.pop()
        todo += getattr(command, "commands", {}).values()
        found |= {option for param in command.params for option in param.opts}
    return found


@pytest.mark.parametrize("path", LINKED, ids=names(LINKED))
def test_options_named_in_the_text_exist(path: Path) -> None:
    known, theirs = known_options(), False
    for line in prose(path):
        if not line.startswith("|"):
            theirs = False
        elif line.startswith(f"| {THEIRS} |"):
            theirs = True
        text = line.split(" | ", 1)[1] if theirs else line
        for span in re.findall(r"`([^`]+)`", text):
            if span.startswith(("pip ", "make ", "git ", "ffmpeg ")):
                continue
            for option in re.findall(r"(?:^|[ \[])(--[a-z][a-z0-9-]*)", span):
                assert option in known, f"{path.name}: {option} in {span!r}"


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in prose(path) if re.match(r"#{1,6} ", line)}


@pytest.mark.parametrize("path", LINKED, ids=names(LINKED))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(prose(path))):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in anchors(there), f"{path.name}: {target}"


def test_every_document_can_be_reached() -> None:
    linked = {target for path in GUIDES for target in re.findall(r"\]\(([^)#\s]+)", "\n".join(prose(path)))}
    for path in (ROOT / "docs").glob("*.md"):
        assert any(target.endswith(path.name) for target in linked)


@pytest.mark.parametrize("path", GUIDES, ids=names(GUIDES))
def test_files_and_names_in_them_exist(path: Path) -> None:
    text = "\n".join(prose(path))
    file = r"`((?:nqcodec|formats|csrc|tests|samples)/[\w./]+\.(?:py|h|cpp|cu|md|nq|md5))`"
    for name in re.findall(file, text):
        assert (ROOT / name).exists(), f"{path.name}: {name}"
    for symbol, name in re.findall(r"`([A-Za-z_]\w+)`,? (?:in|of) " + file, text):
        assert re.search(rf"\b{symbol}\b", (ROOT / name).read_text("utf-8")), f"{path.name}: {symbol} of {name}"


def test_messages_in_troubleshooting_are_those_of_the_code() -> None:
    """Quoted messages, but for what stands for a value: "..." and capital letters alone."""
    text = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (.+?) \|", text[text.index("## Troubleshooting") :], re.MULTILINE)
    code = "".join(path.read_text("utf-8") for path in (ROOT / "nqcodec").rglob("*.py"))
    quoted = [
        span for row in rows for span in re.findall(r"`([^`]+)`", row) if " " in span and not span.startswith("-")
    ]
    messages = [span for span in quoted if span.split()[0] not in COMMANDS]
    assert len(messages) > 4
    for message in messages:
        for part in re.split(r" ?\.\.\. ?|\b[A-Z]\b|\btorch\b", message):
            assert part.strip() in code, message
