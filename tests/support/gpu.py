"""`make gpu`: builds libnq_cuda, runs the tests that need a GPU, the conformance vectors and the decoding benchmark.

    python tests/support/gpu.py [--results FOLDER] [--only PART ...] [--again]

Takes under ten minutes: every part has a time limit. Each part's result is written to FOLDER/DEVICE/PART.json when it
ends, whatever becomes of the others. A part that has passed on this device with these sources is not run again, unless
--again asks for it. Without a CUDA device nothing is run, and the exit code is 0; it is 1 if a part has not passed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from xml.etree import ElementTree

from gpu_parts import (
    GRACE_SECONDS,
    OUTPUT,
    Part,
    Place,
    commit_of,
    find_device,
    folder_name,
    hash_of_sources,
    json_figures,
    run_parts,
)

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 600.0
INTERRUPTED = 130
NQTOOL = (sys.executable, "-m", "nqcodec.cli.nqtool")


def figures_of_tests(output: Path) -> dict[str, Any]:
    """Counts of a JUnit report; raises ValueError if no test has passed, as where all of them are skipped."""
    try:
        suites = ElementTree.parse(output).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"pytest's report cannot be read: {error}") from error
    counts = {name: sum(int(one.get(name, 0)) for one in suites) for name in ("tests", "failures", "errors", "skipped")}
    counts["passed"] = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    failed = [
        f"{case.get('classname')}.{case.get('name')}"
        for case in suites.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    if not counts["passed"]:
        raise ValueError(f"none of {counts['tests']} tests has passed, {counts['skipped']} were skipped")
    return {**counts, "failed": failed}


PARTS = (
    Part("build", (sys.executable, "tests/support/gpu_build.py"), 150.0, json_figures),
    Part(
        "tests",
        (sys.executable, "-m", "pytest", "-m", "gpu", "-q", f"--junitxml={OUTPUT}"),
        150.0,
        figures_of_tests,
        ("build",),
    ),
    Part("conform", (*NQTOOL, "conform", "--backend", "cuda", "--json", "-q"), 90.0, json_figures, ("build",)),
    Part(
        "bench",
        (*NQTOOL, "bench", "decode", "--device", "cuda", "--seconds", "2", "--save", OUTPUT),
        180.0,
        json_figures,
        ("build",),
    ),
)
assert sum(part.limit + GRACE_SECONDS for part in PARTS) <= MOST_SECONDS


def main(
    words: Sequence[str] | None = None,
    parts: Sequence[Part] = PARTS,
    device: Callable[[], tuple[str, str]] = find_device,
) -> int:
    """Run what `words` ask for; the exit code. See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "gpu", metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=[], choices=[part.name for part in parts], metavar="PART")
    parser.add_argument("--again", action="store_true", help="run parts that have passed before as well")
    options = parser.parse_args(words)
    name, missing = device()
    if missing:
        print(f"no GPU: {missing}; nothing was run")
        return 0
    folder = options.results.resolve() / folder_name(name)
    place = Place(name, hash_of_sources(ROOT), commit_of(ROOT), ROOT, folder)
    print(f"{name}, commit {place.commit or 'unknown'}, results in {folder}", flush=True)
    chosen = [part for part in parts if not options.only or part.name in options.only]
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        return 0 if run_parts(chosen, place, lambda text: print(text, flush=True), again=options.again) else 1
    except KeyboardInterrupt:
        print("interrupted: the results of parts that had ended are kept; the same command goes on")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM, as Ctrl-C: the part that runs is ended."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
