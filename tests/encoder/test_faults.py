"""An encoder under faults, in short; `python tests/support/faults.py` is the long form: every step of an encode, one by
one.
"""

from __future__ import annotations

import json
import locale
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import faults
import pytest

from nqcodec.encoder.encode import encode
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.work_folder import WorkFolder, work_path
from nqcodec.errors import InputError, NqError, OutputError, UsageError
from nqcodec.media import atomic
from nqcodec.media.clip import ClipInput
from nqcodec.training import interrupt
from nqcodec.training.presets import PHASES, Phase

SETTINGS, BPP = faults.METHODS["rate-aware"]
RATE = Rate(bpp=BPP)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faults.clip_of(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def whole(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of an undisturbed run."""
    out = tmp_path_factory.mktemp("whole") / "out.nq"
    encode(ClipInput(str(clip)), out, RATE, SETTINGS)
    return out.read_bytes()


def test_killed_and_out_of_disk_in_each_stage() -> None:
    """A few of the places that the long form tries."""
    words = [sys.executable, str(Path(faults.__file__)), "--short"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280, env=env)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["inputs"] == 3
    assert counts["faults"] >= 2


def test_a_second_encoder_of_the_same_output_is_refused(clip: Path, whole: bytes, tmp_path: Path) -> None:
    """And the first one comes to its end as if it had been alone."""
    out, refused = tmp_path / "out.nq", []

    def listen(event: Event) -> None:
        if event.iterations and not refused:
            for resume in (False, True):
                with pytest.raises(OutputError, match="another encode is writing this file"):
                    encode(ClipInput(str(clip)), out, RATE, replace(SETTINGS, resume=resume))
                refused.append(resume)

    encode(ClipInput(str(clip)), out, RATE, SETTINGS, listen)
    assert refused == [False, True]
    assert out.read_bytes() == whole
    assert os.listdir(tmp_path) == ["out.nq"]


def test_a_lock_outlives_no_encode(tmp_path: Path) -> None:
    output = tmp_path / "out.nq"
    for _ in range(2):
        with WorkFolder(output, resume=False) as work:
            (work.path / "segment").write_bytes(b"kept")
        with WorkFolder(output, resume=True) as work:
            assert (work.path / "segment").exists()
        with WorkFolder(output, resume=False, fresh=True) as work:
            assert sorted(os.listdir(work.path)) == ["earlier1", "lock"]
            work.remove()
    assert os.listdir(tmp_path) == []


def change_at(stage: str, change: object) -> object:
    """A progress function that calls `change` once, when `stage` reports."""
    left = [change]

    def listen(event: Event) -> None:
        if event.stage == stage and left:
            left.pop()()  # type: ignore[operator]

    return listen


def test_input_that_ends_early_is_an_input_error(clip: Path, tmp_path: Path) -> None:
    mine, out = tmp_path / "mine.y4m", tmp_path / "out.nq"
    data = clip.read_bytes()
    mine.write_bytes(data)
    with pytest.raises(InputError, match=r"mine\.y4m"):
        encode(
            ClipInput(str(mine)),
            out,
            RATE,
            SETTINGS,
            change_at("read", lambda: mine.write_bytes(data[: len(data) // 2 + 50])),  # type: ignore[arg-type]
        )
    assert not out.exists()


def test_input_that_changes_meanwhile_is_an_input_error(clip: Path, whole: bytes, tmp_path: Path) -> None:
    """A file that was only touched is no other clip."""
    mine, out = tmp_path / "mine.y4m", tmp_path / "out.nq"
    data = bytearray(clip.read_bytes())
    mine.write_bytes(data)
    encode(ClipInput(str(mine)), out, RATE, SETTINGS, change_at("fit", mine.touch))  # type: ignore[arg-type]
    assert out.read_bytes() == whole
    out.unlink()
    data[-1] ^= 1  # a sample of the last frame's chroma
    with pytest.raises(InputError, match="changed while it was encoded"):
        encode(ClipInput(str(mine)), out, RATE, SETTINGS, change_at("read", lambda: mine.write_bytes(data)))  # type: ignore[arg-type]
    assert not out.exists()
    with pytest.raises(UsageError, match="another clip"):
        encode(ClipInput(str(mine)), out, RATE, replace(SETTINGS, resume=True))


def test_clock_and_locale_change_nothing(
    clip: Path, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks that stand, jump and run backwards; a decimal comma where the system has one."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: 1e6 * (next(ticks) % 3))
    monkeypatch.setattr(time, "perf_counter", lambda: -float(next(ticks)))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setenv("TZ", "Pacific/Apia")
    before = locale.setlocale(locale.LC_ALL)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    try:
        encode(ClipInput(str(clip)), tmp_path / "out.nq", RATE, SETTINGS, lambda event: None)
    finally:
        locale.setlocale(locale.LC_ALL, before)
    assert (tmp_path / "out.nq").read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_told_before_the_fit(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    events: list[Event] = []
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        encode(ClipInput(str(clip)), tmp_path / "out.nq", RATE, SETTINGS, events.append)
    assert events == []
    assert os.listdir(tmp_path) == []


def test_a_folder_that_becomes_read_only_keeps_the_fit(
    clip: Path, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file cannot be given its name at the end: a resume does that, and fits nothing again."""
    out, rename = tmp_path / "out.nq", os.replace

    def refuse(source: object, target: object) -> None:
        if Path(str(target)) == out:
            raise OSError(30, "Read-only file system")
        rename(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="read-only"):
        encode(ClipInput(str(clip)), out, RATE, SETTINGS)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["out.nq.work"]
    stages: list[str] = []
    encode(ClipInput(str(clip)), out, RATE, replace(SETTINGS, resume=True), lambda event: stages.append(event.stage))
    assert out.read_bytes() == whole
    assert "fit" not in stages


def test_ctrl_c_in_the_fine_tune_of_a_plain_fit_keeps_its_iterations(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a signal, which arrives anywhere: the calibration's state is there, and a resume goes on from it."""
    monkeypatch.setitem(PHASES, "calibration", Phase(0.25, 64))
    settings, bpp = faults.METHODS["plain"]
    clips, cut, whole = ClipInput(str(clip)), tmp_path / "cut.nq", tmp_path / "whole.nq"
    encode(clips, whole, Rate(bpp=bpp), settings)

    def interrupt_once(event: Event) -> None:
        if event.stage == "finetune" and event.iteration == 32:
            os.kill(os.getpid(), interrupt.signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        encode(clips, cut, Rate(bpp=bpp), settings, interrupt_once)
    assert any(work_path(cut).glob("segment*.full.safetensors"))
    iterations: list[int] = []

    def note(event: Event) -> None:
        if event.stage == "finetune":
            iterations.append(event.iteration)

    encode(clips, cut, Rate(bpp=bpp), replace(settings, resume=True), note)
    assert iterations[0] > 32, "what was calibrated already is not done again"
    assert cut.read_bytes() == whole.read_bytes()


def refusal(clip: Path, out: Path, *, resume: bool) -> str:
    """Why an encode is refused; empty where it is done."""
    try:
        encode(ClipInput(str(clip)), out, RATE, replace(SETTINGS, resume=resume))
    except NqError as error:
        return str(error)
    return ""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to mount a file system")
def test_a_small_disk(clip: Path, whole: bytes, tmp_path: Path) -> None:
    """A real file system that fills up, in steps of 16 kB; when it is large enough, a resume ends the encode."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a tmpfs here")
    out, refused = disk / "out.nq", 0
    try:
        for size in range(16, 4096, 64):
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
            reason = refusal(clip, out, resume=refused > 0)
            if not reason:
                break
            assert "disk is full" in reason or "No space" in reason
            assert not out.exists()
            refused += 1
        assert refused
        assert out.read_bytes() == whole
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_half_written_file_is_never_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle of a write, at every length."""
    data = bytes(range(256))
    for room in range(0, 256, 17):

        def partly(stream: object, given: bytes, room: int = room) -> None:
            stream.write(given[:room])  # type: ignore[attr-defined]
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(atomic, "write_all", partly)
            with pytest.raises(OutputError, match="disk is full"), atomic.AtomicFile(tmp_path / "out.nq") as file:
                file.write(data)
        assert os.listdir(tmp_path) == []


def test_the_temporary_file_can_be_in_a_folder_that_is_cleared(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with atomic.AtomicFile(tmp_path / "out.nq", folder=work) as file:
        assert file.temporary.parent == work
        file.write(b"x")
    assert sorted(os.listdir(tmp_path)) == ["out.nq", "work"]
    assert os.listdir(work) == []
