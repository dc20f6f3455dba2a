"""tests/support/gpu.py: parts that pass, fail, hang and depend on one another; results that are kept; no device, no
failure.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gpu
import gpu_build
import gpu_parts
import pytest
from gpu_parts import OUTPUT, Part, Place, json_figures

ROOT = Path(__file__).resolve().parent.parent
DEVICE = "Some GPU (8 GB)"


def part(name: str, code: str, *words: str, limit: float = 60.0, needs: tuple[str, ...] = ()) -> Part:
    """A part that runs some Python."""
    return Part(name, (sys.executable, "-c", code, *words), limit, json_figures, needs)


GOOD = part("good", "import sys; print('{\"n\": 3}'); print('a message', file=sys.stderr)")
WRITES = part("writes", "import sys; print('told'); open(sys.argv[1], 'w').write('{\"n\": 4}')", OUTPUT)
BAD = part("bad", "import sys; print('{}'); sys.exit('it is broken')")
EMPTY = part("empty", "pass")
AFTER_GOOD = part("after-good", "print('{}')", needs=("good",))
AFTER_BAD = part("after-bad", "print('{}')", needs=("bad",))


def run(folder: Path, *parts: Part, words: tuple[str, ...] = (), device: str = DEVICE) -> int:
    return gpu.main(["--results", str(folder), *words], parts, lambda: (device, ""))


def result(folder: Path, name: str, device: str = "some-gpu-8-gb") -> Any:
    return json.loads((folder / device / f"{name}.json").read_text("utf-8"))


def test_every_part_keeps_its_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, GOOD, BAD, AFTER_BAD, AFTER_GOOD, WRITES, EMPTY) == 1
    good, bad, after_bad = (result(tmp_path, name) for name in ("good", "bad", "after-bad"))
    assert (good["status"], good["figures"], good["exit_code"]) == ("passed", {"n": 3}, 0)
    assert good["device"] == DEVICE
    assert good["log_tail"] == []
    assert (tmp_path / "some-gpu-8-gb" / "good.log").read_text() == "a message\n"
    assert (bad["status"], bad["reason"], bad["log_tail"]) == ("failed", "exit code 1", ["it is broken"])
    assert (after_bad["status"], after_bad["reason"]) == ("not run", "bad has not passed")
    assert result(tmp_path, "after-good")["status"] == "passed"
    assert result(tmp_path, "writes")["figures"] == {"n": 4}
    assert result(tmp_path, "empty")["status"] == "failed"
    lines = capsys.readouterr().out
    assert "after-bad: not run: bad has not passed" in lines
    assert "bad: failed after 0 s: exit code 1 (see " in lines
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_part_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """The part leaves a process of its own running, which must not go on either."""
    child = "import time; time.sleep(60)"
    code = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', '{child}']); "
    code += "print('{\"child\": %d}' % p.pid, flush=True); time.sleep(60)"
    begin = time.monotonic()
    assert run(tmp_path, part("slow", code, limit=1.0), GOOD) == 1
    assert time.monotonic() - begin < 30
    slow = result(tmp_path, "slow")
    assert (slow["status"], slow["reason"]) == ("timed out", "ended after its limit of 1 s")
    assert not is_running(slow["figures"]["child"])
    assert result(tmp_path, "good")["status"] == "passed"


def test_a_report_of_tests_is_kept_when_their_time_is_up(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text("import time\ndef test_a(): pass\ndef test_b(): time.sleep(60)\n")
    words = ("-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, f"--junitxml={OUTPUT}")
    command = (sys.executable, *words, str(tmp_path / "test_slow.py"))
    assert run(tmp_path, Part("slow", command, 8.0, gpu.figures_of_tests)) == 1
    slow = result(tmp_path, "slow")
    assert (slow["status"], slow["figures"]["passed"]) == ("timed out", 1)


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie, which nobody may be there to collect."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_has_passed_is_not_run_again_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "runs"
    counts = part("counts", "import sys; print('{}'); print('x', file=open(sys.argv[1], 'a'))", str(mark))
    fails = part("fails", "import sys; print('x', file=open(sys.argv[1], 'a')); sys.exit(1)", str(mark))

    def runs() -> int:
        return len(mark.read_text().splitlines())

    assert run(tmp_path, counts, fails) == 1
    assert runs() == 2
    assert run(tmp_path, counts, fails) == 1
    assert runs() == 3, "what has passed is kept, and what has failed is tried again"
    assert run(tmp_path, counts) == 0
    assert run(tmp_path, counts, words=("--again",)) == 0
    assert runs() == 4
    assert run(tmp_path, counts, device="Another GPU") == 0
    assert runs() == 5
    monkeypatch.setattr(gpu, "hash_of_sources", lambda root: "other")
    assert run(tmp_path, counts) == 0
    assert runs() == 6
    (tmp_path / "some-gpu-8-gb" / "counts.json").write_text("{")
    assert run(tmp_path, counts) == 0
    assert runs() == 7


def test_one_part_alone_needs_what_has_passed_before(tmp_path: Path) -> None:
    parts = (GOOD, AFTER_GOOD)
    assert run(tmp_path, *parts, words=("--only", "after-good")) == 1
    assert result(tmp_path, "after-good")["status"] == "not run"
    assert run(tmp_path, *parts, words=("--only", "good")) == 0
    assert run(tmp_path, *parts, words=("--only", "after-good", "--again")) == 0
    assert result(tmp_path, "after-good")["status"] == "passed"


def test_an_interruption_ends_the_part_and_keeps_the_others(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path[:0] = [{str(ROOT / "tests")!r}, {str(ROOT / "tests" / "support")!r}]
import gpu
from test_gpu_run import GOOD, part
code = "import os, sys, time; print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True); time.sleep(60)"
waits = part("waits", code, {str(tmp_path / "process")!r})
sys.exit(gpu.main(["--results", {str(tmp_path)!r}], (GOOD, waits), lambda: ({DEVICE!r}, "")))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not ((tmp_path / "process").exists() and (tmp_path / "process").read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == gpu.INTERRUPTED
    assert "the results of parts that had ended are kept" in said
    assert result(tmp_path, "good")["status"] == "passed"
    assert not (tmp_path / "some-gpu-8-gb" / "waits.json").exists()
    assert not is_running(int((tmp_path / "process").read_text()))


def test_without_a_device_it_says_so_and_exits_with_0(tmp_path: Path) -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, str(ROOT / "tests" / "support" / "gpu.py"), "--results", str(tmp_path / "results")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no GPU: ")
    assert done.stdout.endswith("; nothing was run\n")
    assert not (tmp_path / "results").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_gpu_runs_it_with_the_options_given() -> None:
    words = ["make", "-n", "-o", ".venv/.ready", "gpu", "GPU_OPTIONS=--again --only bench"]
    # The tests may run under make themselves: flags inherited from it would have this one print the folder it enters.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, env=environment)
    assert done.stdout.split() == [".venv/bin/python", "tests/support/gpu.py", "--again", "--only", "bench"]


def test_the_parts_fit_into_ten_minutes_and_are_the_four() -> None:
    assert [one.name for one in gpu.PARTS] == ["build", "tests", "conform", "bench"]
    assert sum(one.limit + gpu_parts.GRACE_SECONDS for one in gpu.PARTS) <= 600


def test_commands_of_nqtool_are_understood() -> None:
    from commands import read

    for one in gpu.PARTS:
        if one.command[:3] == gpu.NQTOOL:
            assert read(["nqtool", *one.command[3:]])


class Driver:
    """A CUDA driver with `count` devices."""

    def __init__(self, count: int) -> None:
        self.count = count

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self.count
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:  # noqa: N802
        name.value = DEVICE.encode()
        return 0


def test_the_device_is_the_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(1))
    assert gpu_parts.find_device() == (DEVICE, "")
    assert gpu_parts.folder_name(DEVICE) == "some-gpu-8-gb"
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(0))
    assert gpu_parts.find_device() == ("", "the CUDA driver finds no device")


def test_sources_decide_the_hash(tmp_path: Path) -> None:
    for name in ("setup.py", "pyproject.toml", "csrc/a.cpp", "csrc/a.so", "nqcodec/a.py", "docs/a.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    first = gpu_parts.hash_of_sources(tmp_path)
    for name in ("csrc/a.so", "docs/a.md"):
        (tmp_path / name).write_text("2")
    assert gpu_parts.hash_of_sources(tmp_path) == first
    (tmp_path / "csrc" / "a.cpp").write_text("2")
    assert gpu_parts.hash_of_sources(tmp_path) != first


REPORT = """<testsuites><testsuite tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}">
<testcase classname="tests.test_a" name="test_x">{inside}</testcase></testsuite></testsuites>"""


def test_a_report_of_tests_counts_them(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(tests=3, failures=1, skipped=1, inside="<failure/>"))
    counts = gpu.figures_of_tests(report)
    assert (counts["passed"], counts["failed"]) == (1, ["tests.test_a.test_x"])
    report.write_text(REPORT.format(tests=2, failures=0, skipped=2, inside=""))
    with pytest.raises(ValueError, match="none of 2 tests has passed, 2 were skipped"):
        gpu.figures_of_tests(report)
    report.write_text("<testsuites>")
    with pytest.raises(ValueError, match="cannot be read"):
        gpu.figures_of_tests(report)


def test_the_build_needs_nvcc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match="nvcc was not found"):
        gpu_build.build()


def test_a_library_older_than_its_sources_is_noticed(tmp_path: Path) -> None:
    library = tmp_path / "libnq_cuda.so"
    library.touch()
    assert not gpu_build.older_than_its_sources(library)
    os.utime(library, (1, 1))
    assert gpu_build.older_than_its_sources(library)


def test_the_commit_is_for_readers(tmp_path: Path) -> None:
    assert gpu_parts.commit_of(tmp_path) == ""
    place = Place(DEVICE, "0", "", tmp_path, tmp_path)
    assert not place.has_passed("good")
