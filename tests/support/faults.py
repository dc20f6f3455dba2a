"""An encoder under faults: whatever happens, no half file, no lost checkpoint, and a resume gives the undisturbed file.

`python tests/support/faults.py [--seconds N] [--short]` encodes a tiny clip by both methods, once undisturbed to count
steps (writes, renames, reports of each stage), and then with one fault a run: killed (-9) or out of disk at one of
them. It ends with a line of counts, or with the first fault that did harm. Each run is a fork, so torch is imported
once.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nqcodec.encoder.clip_job import ClipJob, Output
from nqcodec.encoder.encode import encode_clips
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate
from nqcodec.errors import NqError
from nqcodec.media import atomic
from nqcodec.media.clip import ClipInput
from nqcodec.media.sink import open_sink
from nqcodec.media.video import Video
from nqcodec.training import checkpoint
from nqcodec.training.presets import PHASES, Phase

VIDEO = Video(32, 24, 4)
METHODS = {
    "rate-aware": (EncodeSettings(preset="ultrafast", iterations=32, threads=1, jobs=1, segment=2), 6.0),
    "plain": (EncodeSettings(preset="ultrafast", arch="hnerv", iterations=32, threads=1, jobs=1, segment=None), 8.0),
}
"""Settings and bits a pixel: two segments of the one, one of the other."""

OK, REFUSED, BROKEN = 0, 1, 2
"""What a forked encode answers with: done, a named error, anything else."""

Fault = Callable[[str], None]
"""Called at each step of an encode, with "write", "replace", or a stage's name; it may do harm."""


@dataclass
class Steps:
    """Counts what an encode does, and calls a fault at step `at`."""

    fault: Fault
    at: int
    done: int = 0

    def __call__(self, what: str) -> None:
        self.done += 1
        if self.done - 1 == self.at:
            self.fault(what)


def kill(what: str) -> None:
    """As a power cut for the process: no handler runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk(what: str) -> None:
    """What the system says when there is no room, to a write or a rename; a stage goes on."""
    if what in ("write", "replace"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def nothing(what: str) -> None:
    """No fault."""


def clip_of(folder: Path, seed: int = 0) -> Path:
    """A few frames of drifting waves with a little noise."""
    path, rng = folder / "clip.y4m", np.random.default_rng(seed)
    with open_sink(path, VIDEO) as sink:
        for t in range(VIDEO.frames):
            planes = []
            for height, width in VIDEO.plane_shapes:
                y, x = np.mgrid[:height, :width]
                wave = 128 + 90 * np.sin(6.3 * (x / width + y / height + 0.06 * t)) + rng.normal(0, 3, (height, width))
                planes.append(np.clip(wave, 0, 255).astype(np.uint8))
            sink.write(tuple(planes))
    return path


def watch(steps: Steps) -> None:
    """Let `steps` know of every write, rename and progress report of this process, and keep a checkpoint at each."""
    write_all, rename = atomic.write_all, os.replace

    def half_written(stream: Any, data: Any) -> None:
        view = memoryview(data).cast("B")
        write_all(stream, view[: len(view) // 2])
        steps("write")
        write_all(stream, view[len(view) // 2 :])

    def renamed(source: Any, target: Any) -> None:
        steps("replace")
        rename(source, target)

    atomic.write_all = half_written
    os.replace = renamed  # type: ignore[assignment]
    PHASES["calibration"] = Phase(0.25, 24)
    checkpoint.CHECKPOINT_SECONDS = -1.0


def encode(clip: Path, out: Path, method: str, steps: Steps, *, resume: bool) -> None:
    """One encode of the tiny clip; `steps` hears of stages as well."""
    settings, bpp = METHODS[method]

    def listen(event: Event) -> None:
        if not event.iterations or event.iteration % 16 == 0:
            steps(event.stage)

    watch(steps)
    job = ClipJob(ClipInput(str(clip)), (Output(out, Rate(bpp=bpp)),))
    encode_clips([job], replace(settings, resume=resume), listen)


def forked(run: Callable[[], None]) -> int:
    """Run in a fork; its exit code, minus the signal if one ended it. Its words go to `errors.txt` where it stands."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = BROKEN
    try:
        torch.set_num_threads(1)
        run()
        code = OK
    except NqError as error:
        Path("errors.txt").write_text(f"{type(error).__name__}: {error}", "utf-8")
        code = REFUSED
    except BaseException as error:
        Path("errors.txt").write_text(f"{type(error).__name__}: {error}", "utf-8")
    finally:
        os._exit(code)


class HarmError(Exception):
    """A fault that left what it must not."""


@dataclass
class Undisturbed:
    """The file of a run without faults, and how many steps that took."""

    data: bytes
    steps: int


def undisturbed(clip: Path, folder: Path, method: str) -> Undisturbed:
    """Encode once in peace."""
    out, count = folder / "out.nq", folder / "steps"

    def run() -> None:
        steps = Steps(nothing, -1)
        encode(clip, out, method, steps, resume=False)
        count.write_text(str(steps.done), "ascii")

    if forked(run) != OK:
        raise HarmError(f"{method}: fails undisturbed: {Path('errors.txt').read_text('utf-8')}")
    result = Undisturbed(out.read_bytes(), int(count.read_text("ascii")))
    out.unlink()
    count.unlink()
    return result


def survive(clip: Path, folder: Path, method: str, fault: Fault, at: int, whole: Undisturbed) -> bool:
    """One fault and a resume; whether the fault struck. Raises HarmError."""
    out = folder / "out.nq"
    where = f"{method}, {fault.__name__} at step {at} of {whole.steps}"
    code = forked(lambda: encode(clip, out, method, Steps(fault, at), resume=False))
    wanted = (-signal.SIGKILL, OK) if fault is kill else (REFUSED, OK)
    if code not in wanted:
        raise HarmError(f"{where}: ended with {code}: {Path('errors.txt').read_text('utf-8')}")
    if out.exists() and out.read_bytes() != whole.data:
        raise HarmError(f"{where}: left a file that is not the undisturbed one")
    stray = [path.name for path in folder.iterdir() if path.name not in ("out.nq", "out.nq.work")]
    if stray:
        raise HarmError(f"{where}: left {stray} beside the output")
    struck = code != OK
    out.unlink(missing_ok=True)
    if forked(lambda: encode(clip, out, method, Steps(nothing, -1), resume=True)) != OK:
        raise HarmError(f"{where}: cannot be resumed: {Path('errors.txt').read_text('utf-8')}")
    if out.read_bytes() != whole.data:
        raise HarmError(f"{where}: resumes to another file")
    if [path.name for path in folder.iterdir()] != ["out.nq"]:
        raise HarmError(f"{where}: a resume leaves {list(folder.iterdir())}")
    out.unlink()
    return struck


def cases(wholes: dict[str, Undisturbed], short: bool) -> list[tuple[str, Fault, int]]:
    """Every method, fault and step, so that any part is spread over all; in short, three."""
    found: list[tuple[str, Fault, int]] = []
    for method, whole in wholes.items():
        for fault in (kill, fill_disk):
            found += [(method, fault, at) for at in ([2 * whole.steps // 3] if short else range(whole.steps))]
    if short:
        return found[:3]
    np.random.default_rng(0).shuffle(found)  # type: ignore[arg-type]
    return found


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    struck, passed, begin = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        folder, clip = Path(name) / "work", clip_of(Path(name))
        folder.mkdir()
        wholes = {method: undisturbed(clip, folder, method) for method in METHODS}
        try:
            for method, fault, at in cases(wholes, options.short):
                if time.monotonic() - begin > options.seconds:
                    break
                if survive(clip, folder, method, fault, at, wholes[method]):
                    struck += 1
                else:
                    passed += 1
        except HarmError as harm:
            sys.exit(f"harm: {harm}")
    counts = {"inputs": struck + passed, "faults": struck, "passed over": passed}
    counts["of"] = len(cases(wholes, options.short))
    json.dump({**counts, "steps": {method: whole.steps for method, whole in wholes.items()}}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
