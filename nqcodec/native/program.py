"""Where the native nqdec is (csrc/nqdec), if it was built."""

from __future__ import annotations

from pathlib import Path

NQDEC = Path(__file__).resolve().parent / "lib" / "nqdec"
