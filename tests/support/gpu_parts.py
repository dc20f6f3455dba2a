"""Parts of a run on a GPU (tests/support/gpu.py): each a command with a time limit, whose result is kept when it ends.

A result is FOLDER/PART.json, with PART.log beside it. A part that has passed on the same device with the same sources
is not run again, so that a run that was cut short goes on where it was.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PASSED, FAILED, TIMED_OUT, NOT_RUN = "passed", "failed", "timed out", "not run"
GRACE_SECONDS = 5.0
"""What a part that has used up its time has to clean up, before it is killed."""
TAIL_LINES = 20
OUTPUT = "{output}"
"""Stands in a command for the file that it writes its figures to; a command without it prints them."""

Figures = Callable[[Path], dict[str, Any]]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A command to run.

    Attributes:
        command: its words, with `OUTPUT` where the file of figures goes.
        limit: seconds after which it is ended.
        figures: reads what the command wrote. A ValueError, KeyError or OSError makes a part that exited with 0 a
            failed one; its text says why.
        needs: parts that must have passed before it.
    """

    name: str
    command: tuple[str, ...]
    limit: float
    figures: Figures
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """What results are of, and where they are kept.

    Attributes:
        device: the GPU's name.
        sources: hash of the files that decide the results (`hash_of_sources`).
        commit: of the source tree, "" where git does not know it; for readers only.
        root: the source tree, where commands run.
        folder: where results go.
    """

    device: str
    sources: str
    commit: str
    root: Path
    folder: Path

    def path(self, name: str, suffix: str = ".json") -> Path:
        """A part's file."""
        return self.folder / (name + suffix)

    def has_passed(self, name: str) -> bool:
        """Whether a part has passed on this device with these sources."""
        try:
            kept = json.loads(self.path(name).read_text("utf-8"))
            return (kept["device"], kept["sources"], kept["status"]) == (self.device, self.sources, PASSED)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def keep(self, result: dict[str, Any]) -> None:
        """Write a part's result, whole or not at all."""
        whole = {**result, "device": self.device, "sources": self.sources, "commit": self.commit}
        unfinished = self.path(result["part"], ".tmp")
        unfinished.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(self.path(result["part"]))


def run_parts(parts: Sequence[Part], place: Place, report: Report, *, again: bool = False) -> bool:
    """Run what has not passed yet, or everything with `again`; True if every part has passed now."""
    place.folder.mkdir(parents=True, exist_ok=True)
    names = {part.name for part in parts}
    passed = {part.name for part in parts if not again and place.has_passed(part.name)}
    for part in parts:
        if part.name in passed:
            report(f"{part.name}: passed before with these sources on this device: kept")
            continue
        missing = [one for one in part.needs if one not in passed and (one in names or not place.has_passed(one))]
        if missing:
            result = _result(part, NOT_RUN, reason=f"{', '.join(missing)} has not passed")
        else:
            report(f"{part.name}: at most {part.limit:.0f} s ...")
            result = run_part(part, place)
        place.keep(result)
        report(summary_line(result, place))
        passed |= {part.name} if result["status"] == PASSED else set()
    return passed == names


def summary_line(result: dict[str, Any], place: Place) -> str:
    """A line about a result."""
    if result["status"] == NOT_RUN:
        return f"{result['part']}: not run: {result['reason']}"
    reason = f": {result['reason']} (see {place.path(result['part'], '.log')})" if result["reason"] else ""
    return f"{result['part']}: {result['status']} after {result['seconds']:.0f} s{reason}"


def run_part(part: Part, place: Place) -> dict[str, Any]:
    """Run a part and read its figures; plain data. It and all that it started has ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="nqcodec-gpu-") as scratch:
        output, log = Path(scratch) / "output", place.path(part.name, ".log")
        begin = time.monotonic()
        code = _run(part, place.root, output, log)
        seconds = time.monotonic() - begin
        figures, reason = _read(part, output)
        if code is None:
            status, reason = TIMED_OUT, f"ended after its limit of {part.limit:g} s"
        elif code:
            status, reason = FAILED, f"exit code {code}"
        else:
            status = FAILED if reason else PASSED
        tail = [] if status == PASSED else _tail(log)
        known = {"reason": reason, "seconds": round(seconds, 3), "exit_code": code, "figures": figures}
        return _result(part, status, **known, log_tail=tail)


def _result(part: Part, status: str, **known: Any) -> dict[str, Any]:
    """A result as plain data; what is not known of it is empty."""
    empty = {"reason": "", "seconds": 0.0, "exit_code": None, "figures": {}, "log_tail": []}
    start = {"part": part.name, "status": status, "date": datetime.now(UTC).isoformat(timespec="seconds")}
    return {**start, "command": list(part.command), "limit_seconds": part.limit, **empty, **known}


def _run(part: Part, root: Path, output: Path, log: Path) -> int | None:
    """The exit code of a part's command; None if its time was up. Messages go to the log."""
    words = [word.replace(OUTPUT, str(output)) for word in part.command]
    with log.open("wb") as messages, messages if words != list(part.command) else output.open("wb") as printed:
        process = subprocess.Popen(
            words, cwd=root, stdin=subprocess.DEVNULL, stdout=printed, stderr=messages, start_new_session=True
        )
        try:
            return process.wait(part.limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and everything in its process group: by SIGINT, on which pytest still writes its report, then by
    SIGKILL."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(part: Part, output: Path) -> tuple[dict[str, Any], str]:
    """(figures, why there are none)."""
    try:
        return part.figures(output), ""
    except (OSError, ValueError, KeyError) as error:
        return {}, str(error)


def _tail(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()[-TAIL_LINES:]


def json_figures(output: Path) -> dict[str, Any]:
    """The JSON object that a command printed; raises ValueError if it printed none."""
    printed = json.loads(output.read_text("utf-8"))
    if not isinstance(printed, dict):
        raise ValueError("the command's JSON is no object")
    return printed


def find_device() -> tuple[str, str]:
    """(name of the first CUDA device, why there is none), by the driver alone: nothing of ours need be built."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "", "there is no CUDA driver (libcuda.so.1)"
    count, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or count.value < 1:
        return "", "the CUDA driver finds no device"
    if driver.cuDeviceGet(ctypes.byref(device), 0) or driver.cuDeviceGetName(name, 256, device):
        return "", "the CUDA driver does not name its device"
    return name.value.decode("utf-8", "replace"), ""


def folder_name(device: str) -> str:
    """A device's name as that of a folder."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-") or "device"


SOURCES = ("nqcodec", "formats", "csrc", "tests", "setup.py", "pyproject.toml")


def hash_of_sources(root: Path) -> str:
    """A hash of every file that decides what a run gives: equal for equal sources, committed or not."""
    digest = hashlib.sha256()
    for name in SOURCES:
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix not in {".pyc", ".so", ".tmp"}:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()[:16]


def commit_of(root: Path) -> str:
    """The commit, with "-dirty" where files differ from it; "" if git gives none."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
