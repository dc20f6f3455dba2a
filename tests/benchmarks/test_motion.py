"""nqtool bench motion: every part of the vectors can be changed, and what is measured is the decoded clip."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from formats_clips import write
from rateaware_cases import CLIP, crop

from nqcodec.benchmarks.motion import VARIANTS
from nqcodec.benchmarks.results import Cells
from nqcodec.benchmarks.trials import Excerpt, rows, settings_for
from nqcodec.cli.nqtool import main
from nqcodec.media.source import open_source
from nqcodec.network.motion import vector_grids
from nqcodec.network.operations import Grid, Warp
from nqcodec.network.program import Program

PAN = Excerpt("pan", *crop(80, 72, pan=1))
BPP = 0.6
BYTES = int(BPP * PAN.video.pixels / 8)


@pytest.fixture(scope="module")
def fits() -> dict[str, Cells]:
    """The row of every variant."""
    return {str(row["variant"]): row for row in rows([PAN], VARIANTS, BPP, 20, [0])}


def program_of(name: str) -> Program:
    """A variant's program for the pan."""
    program = VARIANTS[name].program(PAN, BYTES)
    assert program is not None
    return program


def vectors_of(program: Program) -> list[Grid]:
    """The grids of vectors of a program."""
    return [op for index in vector_grids(program) if isinstance(op := program.operations[index], Grid)]


@pytest.mark.parametrize("name", list(VARIANTS))
def test_every_variant_is_fitted_within_its_bytes_and_decoded(name: str, fits: dict[str, Cells]) -> None:
    found, program = fits[name], program_of(name)
    assert 0 < found["bpp"] <= BPP
    assert found["psnr"] > 10
    assert abs(found["lost"]) < 1
    assert found["kmac_per_pixel"] == pytest.approx(program.macs / 1000 / 80 / 72)
    assert found["cpu_seconds"] > 0


def test_every_variant_differs_from_the_fit_as_it_is(fits: dict[str, Cells]) -> None:
    usual = fits["as it is"]
    same = [name for name, row in fits.items() if (row["bpp"], row["psnr"]) == (usual["bpp"], usual["psnr"])]
    assert same == ["as it is"]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("as it is", (8, 2, 5, 5)),
        ("vectors from 0", (8, 2, 5, 5)),
        ("finer vectors", (8, 2, 9, 10)),
        ("coarser vectors", (8, 2, 3, 3)),
        ("two frames to a vector", (4, 2, 5, 5)),
    ],
)
def test_vectors_are_as_dense_as_their_name_says(name: str, shape: tuple[int, ...]) -> None:
    assert [(op.times, op.channels, op.height, op.width) for op in vectors_of(program_of(name))] == [shape]


def test_a_program_changes_only_in_its_part() -> None:
    usual = program_of("as it is").operations

    def changed(name: str) -> set[type]:
        others = program_of(name).operations
        return {type(op) for op, other in zip(usual, others, strict=True) if op != other}

    assert changed("vectors from 0") == set()
    assert changed("bilinear") == {Warp}
    assert changed("two frames to a vector") == {Grid}
    assert len(program_of("key grids").operations) > len(usual)
    assert not vectors_of(program_of("no vectors"))
    assert not vectors_of(program_of("camera's path"))


def test_static_grids_of_the_finest_level_have_the_resolution_that_their_name_says() -> None:
    def finest(name: str) -> tuple[int, int]:
        grids = [op for op in program_of(name).operations if isinstance(op, Grid) and op.times == 1]
        return max((op.height, op.width) for op in grids)

    assert finest("as it is") == (72, 80)
    assert finest("static grids at half resolution") == (36, 40)


def test_a_still_camera_has_no_row_of_its_path() -> None:
    frozen = replace(PAN, frames=PAN.frames[:1] * len(PAN.frames))
    assert list(rows([frozen], {"camera's path": VARIANTS["camera's path"]}, BPP, 1, [0])) == []


@pytest.mark.parametrize(("frames", "batch"), [(1, 1), (8, 2), (132, 4)])
def test_an_iteration_has_the_frames_of_the_preset(frames: int, batch: int) -> None:
    settings = settings_for(replace(PAN, video=PAN.video.with_frames(frames)), 70, 3)
    assert (settings.iterations, settings.batch, settings.seed) == (70, batch, 3)


def bench(*words: object) -> Result:
    """A call of the command."""
    return CliRunner().invoke(main, ["bench", "motion", *map(str, words)])


def test_the_command(tmp_path: Path) -> None:
    clip, saved = tmp_path / "pan.y4m", tmp_path / "figures.json"
    write(clip, PAN.video, PAN.frames)
    words = ["--bpp", 0.6, "--iterations", 20, "--frames", "4:8", "--only", "as it is,no vectors"]
    done = bench(clip, *words, "--save", saved)
    assert done.exit_code == 0, done.output
    result = json.loads(saved.read_text())
    assert [(row["variant"], row["seed"]) for row in result["rows"]] == [("as it is", 0), ("no vectors", 0)]
    assert [column["key"] for column in result["columns"]][-2:] == ["kmac_per_pixel", "cpu_seconds"]
    assert "Frames 4:8" in result["note"]


def test_the_command_refuses_before_it_fits() -> None:
    done = bench("--frames", "30:40")
    assert done.exit_code == 2
    assert "samples/bbb_320x180.mkv: --frames 30:40: not within 0:32" in done.stderr
    done = bench("--only", "nothing")
    assert done.exit_code == 2
    assert "there is no fit 'nothing'" in done.stderr


def test_an_excerpt_has_the_frames_of_its_range() -> None:
    excerpt = Excerpt.read(str(CLIP), 4, 3)
    with open_source(CLIP) as source:
        frames = list(source)
    assert (excerpt.name, excerpt.video.frames, len(excerpt.frames)) == ("bbb_320x180", 3, 3)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(excerpt.frames, frames[4:7], strict=True))
