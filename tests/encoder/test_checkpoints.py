"""Checkpoints: no command that does not finish a file loses them, and every signal that ends an encode saves them."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import faults
import pytest

import nqcodec
from nqcodec.cli.signals import Terminated, stopped
from nqcodec.encoder.clip_job import ClipJob, Output
from nqcodec.encoder.encode import encode, encode_clips
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.work_folder import WorkFolder, in_words, work_path
from nqcodec.errors import InputError, OutputError, RateError, UsageError
from nqcodec.media.clip import ClipInput

SETTINGS, BPP = faults.METHODS["rate-aware"]
ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faults.clip_of(tmp_path_factory.mktemp("clip"))


def nqenc(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "bin" / "nqenc"), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=200, env=ENV)


def left(output: Path, age: float = 0, content: bytes = b"iterations") -> Path:
    """A checkpoint as an interrupted encode to `output` leaves it, `age` seconds ago."""
    folder = work_path(output)
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "encode.json").write_text('{"clip": "film.y4m"}')
    kept = folder / "segment00000.safetensors"
    kept.write_bytes(content)
    os.utime(kept, (time.time() - age, time.time() - age))
    return kept


@pytest.mark.parametrize("more", [[], ["--resume"], ["--fresh"]])
def test_a_command_that_fails_keeps_the_checkpoint(more: list[str], tmp_path: Path) -> None:
    kept = left(tmp_path / "out.nq")
    done = nqenc(tmp_path / "nothere.y4m", "--bpp", "0.1", "-o", tmp_path / "out.nq", *more)
    assert done.returncode == (1 if more else 2)
    assert kept.read_bytes() == b"iterations"
    assert sorted(os.listdir(kept.parent)) == ["encode.json", "lock", kept.name]


def test_without_resume_the_error_says_what_is_there_and_how_old(clip: Path, tmp_path: Path) -> None:
    kept = left(tmp_path / "out.nq", age=3 * 3600 + 5)
    done = nqenc(clip, "--bpp", BPP, "-o", tmp_path / "out.nq")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "out.nq.work: holds the checkpoint of an encode of film.y4m, 3 hours old" in line
    assert "--resume" in line
    assert "--fresh" in line
    assert kept.exists()
    assert not (tmp_path / "out.nq").exists()


def test_resume_and_fresh_exclude_each_other(clip: Path, tmp_path: Path) -> None:
    done = nqenc(clip, "--bpp", BPP, "-o", tmp_path / "out.nq", "--resume", "--fresh")
    assert done.returncode == 2
    assert "give one of them" in done.stderr


def test_ages_are_in_words() -> None:
    spans = {0.4: "0 seconds", 1: "1 second", 60: "1 minute", 7199: "1 hour", 200_000: "2 days"}
    assert {seconds: in_words(seconds) for seconds in spans} == spans


def test_a_fresh_encode_replaces_the_checkpoint_once_its_file_is_there(clip: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "out.nq", []
    left(out)

    def watch(event: Event) -> None:
        seen.append((work_path(out) / "earlier1" / "segment00000.safetensors").exists())

    encode(ClipInput(str(clip)), out, Rate(bpp=BPP), replace(SETTINGS, fresh=True), watch)
    assert all(seen)
    assert len(seen) > 2
    assert os.listdir(tmp_path) == ["out.nq"]


def interrupted_anew(out: Path, act: Callable[[], object]) -> None:
    """Start anew where there is a checkpoint, `act`, and be interrupted."""
    work = WorkFolder(out, resume=False, fresh=True)
    try:
        with work:
            assert work.found
            act()
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        return


def test_a_fresh_encode_that_is_interrupted_keeps_both(tmp_path: Path) -> None:
    out = tmp_path / "out.nq"
    first = left(out, content=b"first")
    for new in (b"second", b"third"):
        interrupted_anew(out, partial(first.write_bytes, new))
    folders = {path.parent.name: path.read_bytes() for path in work_path(out).rglob("segment*")}
    assert folders == {"out.nq.work": b"third", "earlier1": b"first", "earlier2": b"second"}
    interrupted_anew(out, lambda: None)
    assert first.read_bytes() == b"third"
    first.unlink()  # as if the process had been killed before it had anything to keep
    with WorkFolder(out, resume=True) as work:
        assert first.read_bytes() == b"second"
        work.remove()


def test_resume_with_nothing_to_resume_says_so_and_goes_on(clip: Path, tmp_path: Path) -> None:
    out, reported = tmp_path / "out.nq", list[str]()
    settings = replace(SETTINGS, resume=True)
    encode(ClipInput(str(clip)), out, Rate(bpp=BPP), settings, lambda event: reported.append(event.text))
    assert out.exists()
    assert "nothing to resume" in reported[0]
    assert str(work_path(out)) in reported[0]


def test_a_rate_that_cannot_be_met_discards_only_what_was_made_for_it(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.nq"
    with pytest.raises(RateError):
        encode(ClipInput(str(clip)), out, Rate(bpp=1e-6), SETTINGS)
    assert os.listdir(tmp_path) == []
    kept = left(out)
    for settings in (replace(SETTINGS, resume=True), replace(SETTINGS, fresh=True)):
        with pytest.raises(RateError):
            encode(ClipInput(str(clip)), out, Rate(bpp=1e-6), settings)
        assert kept.read_bytes() == b"iterations"


def test_of_several_clips_none_is_read_before_all_checkpoints_are_looked_for(clip: Path, tmp_path: Path) -> None:
    left(tmp_path / "b.nq")
    reported: list[Event] = []
    jobs = [ClipJob(ClipInput(str(clip)), (Output(tmp_path / f"{name}.nq", Rate(bpp=BPP)),)) for name in "ab"]
    with pytest.raises(UsageError, match=r"b\.nq\.work"):
        encode_clips(jobs, SETTINGS, reported.append)
    assert reported == []
    assert sorted(os.listdir(tmp_path)) == ["b.nq.work"]


def test_a_folder_of_the_same_name_is_left_alone(clip: Path, tmp_path: Path) -> None:
    folder = work_path(tmp_path / "out.nq")
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds something else"):
        encode(ClipInput(str(clip)), tmp_path / "out.nq", Rate(bpp=BPP), SETTINGS)
    assert (folder / "diary.txt").read_text() == "mine"


def test_the_python_api_has_both_options(tmp_path: Path) -> None:
    kept = left(tmp_path / "out.nq")
    with pytest.raises(UsageError, match="holds the checkpoint"):
        nqcodec.encode(tmp_path / "nothere.y4m", tmp_path / "out.nq", bpp=0.1)
    for option in ("resume", "fresh"):
        chosen: dict[str, Any] = {option: True}
        with pytest.raises(InputError):
            nqcodec.encode(tmp_path / "nothere.y4m", tmp_path / "out.nq", bpp=0.1, **chosen)
        assert kept.exists()


def endless_encode(clip: Path, out: Path, *options: str) -> list[str]:
    """Words of a command that fits until it is stopped."""
    program = [sys.executable, str(ROOT / "bin" / "nqenc"), str(clip), "-o", str(out)]
    return [*program, "--bpp", "2", "--iterations", "100000", "--threads", "1", *options]


@pytest.mark.parametrize(("name", "jobs"), [("SIGTERM", 1), ("SIGHUP", 2)])
def test_signals_save_as_ctrl_c_does(name: str, jobs: int, clip: Path, tmp_path: Path) -> None:
    """Sent to the whole process group, as terminals and service managers do, where Ctrl-C is ignored, as in a script's
    background job.
    """
    out = tmp_path / "out.nq"
    words = endless_encode(clip, out, "--segment", "3", "--jobs", str(jobs))
    script = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *words]
    running = subprocess.Popen(script, stderr=subprocess.PIPE, env=ENV, start_new_session=True)
    assert running.stderr is not None
    seen = 0
    for line in running.stderr:
        seen += b"min to fit" in line
        if seen == jobs:
            break
    time.sleep(1.0)
    os.killpg(running.pid, getattr(signal, name))
    text = running.stderr.read().decode()
    assert running.wait(60) == 128 + getattr(signal, name), text
    assert "--resume" in text
    assert {"SIGTERM": "terminated", "SIGHUP": "hung up"}[name] in text
    assert not out.exists()
    assert len(list(work_path(out).glob("segment*.safetensors"))) == jobs


def test_a_closed_terminal_ends_an_encode_with_its_checkpoint(clip: Path, tmp_path: Path) -> None:
    """What it had to say then has nowhere to go, which is no reason to fail."""
    out = tmp_path / "out.nq"
    words = endless_encode(clip, out)
    child, terminal = pty.fork()
    if not child:
        os.execve(sys.executable, words, ENV)
    text = b""
    while b"min to fit" not in text:
        text += os.read(terminal, 4096)
    time.sleep(1.0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGHUP
    assert list(work_path(out).glob("segment*.safetensors"))


def test_exit_codes_are_those_of_shells() -> None:
    assert stopped(KeyboardInterrupt()) == ("interrupted", 130)
    assert stopped(Terminated(signal.SIGTERM)) == ("terminated", 143)
    assert stopped(Terminated(signal.SIGHUP)) == ("hung up", 129)
