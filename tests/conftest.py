"""Fixtures: the sample bitstream and its MD5, small clips."""

from __future__ import annotations

from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample's .nq file."""
    return SAMPLES / "bbb_320x180.nq"


@pytest.fixture(scope="session")
def sample_md5() -> str:
    """MD5 of its decoded planes."""
    return (SAMPLES / "bbb_320x180.nq.md5").read_text("ascii").split()[0]
