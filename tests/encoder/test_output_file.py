"""A file in the making: segments in any order, written in theirs as soon as that is possible."""

from __future__ import annotations

from pathlib import Path

import pytest
from segmented import METADATA, VIDEO, coded, segmented

from nqcodec.bitstream.chunks import read_chunks
from nqcodec.encoder.output_file import OutputFile, OutputPlan
from nqcodec.encoder.segment_result import SegmentResult

SEEDS = (4, 4, 10)
"""The last one's program has a camera's path, and so stands with its segment."""

WHOLE = segmented(SEEDS, hashed=True)
ENDS = [chunk.end for chunk in read_chunks(WHOLE, "") if chunk.kind == "SEGM"]


def result(seed: int) -> SegmentResult:
    packed, hashes = coded(seed)
    return SegmentResult(packed, VIDEO.frames, 1, 1, [{"yuv": 30.0}] * VIDEO.frames, hashes, 30.0)


def plan(folder: Path, name: str = "out.nq") -> OutputPlan:
    return OutputPlan(folder / name, VIDEO.with_frames(6), METADATA, [2, 2, 2], True, folder)


def sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.iterdir()]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_segments_are_written_as_soon_as_those_before_them_are(order: tuple[int, ...], tmp_path: Path) -> None:
    added: set[int] = set()
    with OutputFile(plan(tmp_path)) as file:
        for number in order:
            file.add(number, result(SEEDS[number]))
            added.add(number)
            whole = next(count for count in range(4) if count not in added)
            assert sizes(tmp_path) == ([ENDS[whole - 1]] if whole else [])
        made = file.finish()
        assert not (tmp_path / "out.nq").exists()
        assert made.video == VIDEO.with_frames(6)
        file.commit()
    assert (tmp_path / "out.nq").read_bytes() == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["out.nq"]


def test_a_failure_leaves_nothing_behind_and_what_was_there_alone(tmp_path: Path) -> None:
    (tmp_path / "out.nq").write_bytes(b"precious")

    def fail() -> None:
        with OutputFile(plan(tmp_path)) as file:
            file.add(0, result(4))
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert (tmp_path / "out.nq").read_bytes() == b"precious"
    assert len(sizes(tmp_path)) == 1


def test_what_goes_to_a_device_is_checked_from_memory(tmp_path: Path) -> None:
    with OutputFile(plan(Path("/dev"), "null")) as file:
        for number, seed in enumerate(SEEDS):
            file.add(number, result(seed))
        assert file.finish().size == len(WHOLE)
        file.commit()
