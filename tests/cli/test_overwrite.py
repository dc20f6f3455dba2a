"""No command writes over what it reads, by whatever name; existing outputs are replaced as the user says."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import COMMANDS
from fitting import small_clip
from formats_clips import write

import nqcodec
from nqcodec.encoder.clip_job import ClipJob, Output
from nqcodec.encoder.encode import encode_clips
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import Rate
from nqcodec.errors import UsageError
from nqcodec.media.clip import ClipInput

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(*words: object) -> Result:
    """A command in this process, where nobody can be asked."""
    return CliRunner().invoke(COMMANDS[str(words[0])], [str(word) for word in words[1:]])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, *words: object) -> str:
    """What a command says that must end with exit code 2, in one line, and leave a folder as it was."""
    before = contents(folder)
    done = run(*words)
    assert done.exit_code == 2, done.output
    assert contents(folder) == before
    (line,) = done.stderr.splitlines()
    assert "would overwrite the input" in line
    return str(line)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A small y4m in a folder of its own."""
    path = tmp_path / "clip.y4m"
    video, frames = small_clip(frames=2)
    write(path, video, frames)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of two PNGs, beside nothing else."""
    video, frames = small_clip(frames=2)
    write(f"{tmp_path / 'pictures'}/", video, frames)
    return tmp_path / "pictures"


def itself(path: Path) -> Path:
    return path


def another_spelling(path: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


def hard_link(path: Path) -> Path:
    os.link(path, path.with_name("hard.nq"))
    return path.with_name("hard.nq")


def symbolic_link(path: Path) -> Path:
    path.with_name("soft.nq").symlink_to(path)
    return path.with_name("soft.nq")


NAMES = [itself, another_spelling, hard_link, symbolic_link]


@pytest.mark.parametrize("name", NAMES)
def test_an_encode_to_its_clip_is_refused(name: Callable[[Path], Path], clip: Path) -> None:
    line = refused(clip.parent, "nqenc", clip, "--bpp", 1, "-o", name(clip), "-y")
    assert str(clip) in line


@pytest.mark.parametrize("name", NAMES)
def test_a_decode_to_its_file_is_refused(name: Callable[[Path], Path], sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.y4m"
    path.write_bytes(sample.read_bytes())
    output = name(path)
    if output.suffix == ".nq":
        output = output.rename(output.with_suffix(".yuv"))
    refused(tmp_path, "nqdec", path, "-o", output, "-y")


def test_pictures_of_a_clip_are_its_source(pictures: Path) -> None:
    for source in (pictures, pictures / "%05d.png", pictures / "00001.png"):
        refused(pictures, "nqenc", source, "--bpp", 1, "-o", pictures / "00001.png")
    os.link(pictures / "00000.png", pictures.with_name("out.nq"))
    refused(pictures, "nqenc", pictures, "--bpp", 1, "-o", pictures.with_name("out.nq"))


def test_a_decode_into_pictures_spares_a_file_of_their_name(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "00007.png"
    path.write_bytes(sample.read_bytes())
    for output in (tmp_path, f"{tmp_path}/", tmp_path / "%05d.png", path):
        refused(tmp_path, "nqdec", path, "--frames", "0:1", "-o", output)
    assert run("nqdec", path, "--frames", "0:1", "-o", tmp_path / "other%05d.png").exit_code == 0


@pytest.mark.parametrize("option", ["--report", "--csv", "--save-fit"])
def test_what_is_written_beside_a_file_spares_the_sources(option: str, clip: Path, tmp_path: Path) -> None:
    words = ["nqenc", clip, "--bpp", 1, "-o", tmp_path / "out.nq"]
    refused(tmp_path, *words, option, clip)
    fit = tmp_path / "fit.safetensors"
    fit.write_bytes(b"a fit")
    refused(tmp_path, *words, "--fit", fit, option, fit)
    refused(tmp_path, *words[:-1], fit, "--fit", fit)


def test_one_clip_of_several_is_no_output_of_another(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "second.y4m").write_bytes(clip.read_bytes())
    refused(tmp_path, "nqenc", clip, tmp_path / "second.y4m", "--bpp", 1, "-o", tmp_path / "{name}.y4m")


def test_a_clip_within_the_folder_of_checkpoints_is_refused(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out.nq.work"
    folder.mkdir()
    (folder / "lock").touch()
    clip.rename(folder / "clip.y4m")
    refused(tmp_path, "nqenc", folder / "clip.y4m", "--bpp", 1, "-o", tmp_path / "out.nq")


def test_a_clip_on_standard_input_is_known_as_well(clip: Path) -> None:
    data = clip.read_bytes()
    words = [sys.executable, str(ROOT / "bin" / "nqenc"), "-", "--bpp", "1", "-o", str(clip)]
    with clip.open("rb") as stdin:
        done = subprocess.run(words, stdin=stdin, capture_output=True, text=True, check=False, timeout=60, env=ENV)
    assert done.returncode == 2
    assert "would overwrite the input standard input" in done.stderr
    assert clip.read_bytes() == data


def test_the_python_api_refuses_alike(clip: Path) -> None:
    data = clip.read_bytes()
    link = symbolic_link(clip)
    for output in (clip, link):
        with pytest.raises(UsageError, match="would overwrite the input"):
            nqcodec.encode(clip, output, bpp=1)
    with pytest.raises(UsageError, match="would overwrite the input"):
        nqcodec.encode(clip, clip.with_name("out.nq"), bpp=1, save_fit=link)
    with pytest.raises(UsageError, match="would overwrite the input"):
        encode_clips([ClipJob(ClipInput(str(link)), (Output(clip, Rate(bpp=1.0)),))], EncodeSettings())
    with pytest.raises(UsageError, match="is the encoded file itself"):
        nqcodec.encode(clip, clip.with_name("out.nq"), bpp=1, save_fit=clip.with_name("out.nq"))
    assert clip.read_bytes() == data
    assert sorted(os.listdir(clip.parent)) == [clip.name, link.name]


TOOLS: dict[str, tuple[str, list[str]]] = {
    "compare, streams": ("c/streams/x264_20.264", ["compare", "IT", "-o", "c"]),
    "compare, a page": ("c/curves.png", ["compare", "IT", "-o", "c"]),
    "backbones": ("c/streams/pyramid_0.1.nq", ["bench", "backbones", "IT", "-o", "c"]),
    "bench compare": ("c/curves.png", ["bench", "compare", "IT", "-o", "c"]),
    "md5s": ("a.json", ["bench", "md5s", "--against", "IT", "--save", "IT"]),
    "ablation, a clip": ("clip.y4m", ["bench", "ablation", "IT", "--save", "IT"]),
    "ablation, a fit": ("fit.safetensors", ["bench", "ablation", "clip.y4m", "--fit", "IT", "--save", "IT"]),
    "bench": ("clip.nq", ["bench", "latents", "--file", "IT", "--save", "IT"]),
    "decode": ("clip.nq", ["bench", "decode", "--file", "IT", "--save", "IT"]),
    "sensitivity": ("clip.png", ["sensitivity", "IT", "--fit", "fit.safetensors", "--plot", "IT"]),
}
"""A source, and a command that would write over it."""


@pytest.mark.parametrize("name", TOOLS)
def test_tools_refuse_alike(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, words = TOOLS[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / source).write_bytes(b"precious")
    refused(tmp_path, "nqtool", *(source if word == "IT" else word for word in words))


def test_an_analysis_spares_a_picture_that_it_is_of(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "frames.png"
    path.write_bytes(sample.read_bytes())
    linked = tmp_path / "clip.nq"
    linked.symlink_to(path)
    refused(tmp_path, "nqtool", "analyse", linked, "-o", tmp_path)


def test_existing_outputs_are_replaced_in_scripts_and_with_y(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.yuv"
    for more in ([], ["-y"], ["--overwrite"]):
        out.write_bytes(b"old")
        assert run("nqdec", sample, "--frames", "0:1", "-o", out, *more).exit_code == 0
        assert out.stat().st_size == 320 * 180 * 3 // 2


def test_n_keeps_existing_outputs(sample: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.yuv"
    assert run("nqdec", sample, "--frames", "0:1", "-o", out, "-n").exit_code == 0
    for name in ("out.yuv", "out.nq", "out.csv"):
        (tmp_path / name).write_bytes(b"old")
    before = contents(tmp_path)
    calls = [
        ("nqdec", sample, "-o", out, "-n"),
        ("nqenc", clip, "--bpp", 1, "-o", tmp_path / "out.nq", "--no-overwrite"),
        ("nqenc", clip, "--bpp", 1, "-o", tmp_path / "new.nq", "--csv", tmp_path / "out.csv", "-n"),
    ]
    for words in calls:
        done = run(*words)
        assert done.exit_code == 1, done.output
        assert "there already, and -n keeps it" in done.stderr
    assert run("nqdec", sample, "-o", out, "-n", "-y").exit_code == 2
    assert contents(tmp_path) == before


def test_only_pictures_that_would_be_replaced_count(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "00005.png").write_bytes(b"old")
    assert run("nqdec", sample, "--frames", "0:2", "-o", f"{tmp_path}/", "-n").exit_code == 0
    done = run("nqdec", sample, "--frames", "0:2", "-o", f"{tmp_path}/", "-n")
    assert done.exit_code == 1
    assert "00000.png and 1 more: there already" in done.stderr
    assert (tmp_path / "00005.png").read_bytes() == b"old"


def at_terminal(answer: bytes, *words: object, stdin: Any = None) -> tuple[int, bytes]:
    """Exit code and text of a command on a terminal, where `answer` is typed once it asks something."""
    child, terminal = pty.fork()
    if not child:
        if stdin is not None:
            os.dup2(os.open(stdin, os.O_RDONLY), 0)
        name, *rest = map(str, words)
        os.execve(sys.executable, [sys.executable, str(ROOT / "bin" / name), *rest], ENV)
    text = b""
    try:
        while chunk := os.read(terminal, 4096):
            text += chunk
            if text.endswith(b"? [y/N] "):
                os.write(terminal, answer)
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def test_a_terminal_is_asked(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.yuv"
    words = ["nqdec", sample, "--frames", "0:1", "-o", out]
    assert b"?" not in at_terminal(b"", *words)[1]
    out.write_bytes(b"old")
    for answer in (b"n\n", b"\n", b"\x04"):  # no, nothing, and the end of input
        code, text = at_terminal(answer, *words)
        assert code == 1, text
        assert b"out.yuv: there already. Replace? [y/N] " in text
        assert b"kept, and nothing was done" in text
        assert out.read_bytes() == b"old"
    assert at_terminal(b"\x03", *words)[0] == 130
    assert at_terminal(b"y\n", *words)[0] == 0
    assert out.stat().st_size > 3
    code, text = at_terminal(b"", *words, "-y")
    assert (code, b"?" in text) == (0, False)


def test_a_clip_on_standard_input_is_nobody_to_ask(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16), np.uint8).tobytes() + bytes([128]) * 128
    clip, out = tmp_path / "clip.y4m", tmp_path / "out.nq"
    clip.write_bytes(b"YUV4MPEG2 W16 H16 F25:1 C420jpeg\nFRAME\n" + pixels)
    out.write_bytes(b"old")
    words = ["nqenc", "-", "--params", 1500, "--iterations", 2, "--threads", 1, "-o", out]
    code, text = at_terminal(b"", *words, stdin=clip)
    assert code == 0, text
    assert b"Replace?" not in text
    assert nqcodec.probe(out).video.frames == 1
