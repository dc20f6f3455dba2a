"""What the Python targets share: run under atheris where it is installed, else on files named as arguments."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))


def main(run: Callable[[bytes], object], prepare: Callable[[], None]) -> None:
    """Fuzz `run` with libFuzzer's options, or call it on each file named; `prepare` imports what is to be watched."""
    try:
        import atheris
    except ImportError:
        prepare()
        for name in sys.argv[1:]:
            run(Path(name).read_bytes())
        print(f"{len(sys.argv) - 1} inputs replayed (no atheris)", file=sys.stderr)
        return
    with atheris.instrument_imports(include=["nqcodec"]):
        prepare()
    atheris.Setup(sys.argv, run)
    atheris.Fuzz()
