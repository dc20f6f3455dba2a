"""What a page of an encode shows of motion: the file's vectors in samples, the camera's path, and what was decided."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from nqcodec.backbones import pyramid
from nqcodec.media.video import Video
from nqcodec.network.camera_path import Path
from nqcodec.network.integer_network import IntegerNetwork, IntTensor, Layer
from nqcodec.network.motion import vector_grids
from nqcodec.network.program import Program
from nqcodec.reporting.vectors import PATH_BLOCK, described, displacements, lines

VIDEO = Video(320, 180, 9)


def with_vectors(program: Program, values: np.ndarray, step_index: int) -> IntegerNetwork:
    """A network of which only the first grid of vectors is filled."""
    layers = [Layer() for _ in program.operations]
    tensor = IntTensor(values, 8, np.array([step_index, step_index + 8], np.int32))
    layers[next(iter(vector_grids(program)))].tensors["latent"] = tensor
    return IntegerNetwork(program, layers)


def test_vectors_are_shown_in_luma_samples() -> None:
    program = pyramid.for_bytes(VIDEO, 9, 20_000, None, True, base=pyramid.Settings(vector_ratio=64))
    values = np.zeros((9, 2, 3, 5), np.int32)
    values[4, 0, 1, 2], values[4, 1, 1, 2] = 6, -3
    found = displacements(with_vectors(program, values, 8), VIDEO, 4)
    # A value of 1 is half a sample; the steps are 2 and 4.
    assert found is not None
    assert found.shape == (3, 5, 2)
    assert found[1, 2].tolist() == [6 * 2 * 0.5, -3 * 4 * 0.5]
    assert np.count_nonzero(found) == 2
    drawn = lines(found, VIDEO)
    assert drawn.startswith('<svg viewBox="0 0 320 180">')
    places = re.findall(r"M([\d.]+) ([\d.]+)l([-\d.]+) ([-\d.]+)", drawn)
    assert len(set(places)) == 15
    assert ("160", "96", "-6.0", "6.0") in places


def test_a_path_displaces_all_blocks_alike() -> None:
    path = Path(((0, 0, 0), (8, 64, 32)), bits=3)
    program = pyramid.for_bytes(VIDEO, 9, 20_000, path)
    network = IntegerNetwork(program, [Layer() for _ in program.operations])
    for t, expected in ((4, [0, 0]), (0, [-4, -2]), (8, [4, 2])):
        found = displacements(network, VIDEO, t)
        assert found is not None
        assert found.shape == (-(-180 // PATH_BLOCK), -(-320 // PATH_BLOCK), 2)
        assert found[0, 0] == pytest.approx(expected)
        assert (found == found[0, 0]).all()


def test_vectors_come_on_top_of_the_path() -> None:
    path = Path(((0, 0, 0), (8, 64, 32)), bits=3)
    program = pyramid.for_bytes(VIDEO, 9, 20_000, path, True, base=pyramid.Settings(vector_ratio=64))
    values = np.zeros((9, 2, 3, 5), np.int32)
    values[8, 0, 1, 2], values[8, 1, 1, 2] = 6, -3
    found = displacements(with_vectors(program, values, 0), VIDEO, 8)
    assert found is not None
    assert found[0, 0].tolist() == [4, 2]
    assert found[1, 2].tolist() == [4 + 6 * 0.5, 2 - 3 * 2 * 0.5]


def test_nothing_is_displaced_where_nothing_moves() -> None:
    program = pyramid.for_bytes(VIDEO, 9, 20_000)
    assert displacements(IntegerNetwork(program, [Layer() for _ in program.operations]), VIDEO, 0) is None


def test_lines_begin_within_the_picture() -> None:
    """A block whose middle is beyond the edge has none."""
    video = replace(VIDEO, width=130, height=70)
    drawn = lines(np.zeros((2, 3, 2)), video)
    assert len(set(re.findall(r"M([\d.]+) ([\d.]+)", drawn))) == 2


def test_what_was_decided_is_said_of_each_segment() -> None:
    motion = {"longest": 12.34, "explained": 0.712, "used": True}
    trial = {"iterations": 100, "psnr": {"vectors": 30.126, "the camera's path": None}, "chosen": "vectors"}
    assert described([{"first": 0, "motion": None, "trial": None}]) == ""
    alone = described([{"first": 0, "motion": motion, "trial": trial}])
    assert alone == (
        "The search found vectors of up to 12.3 pixels, which explain 71% of what changes; after 100 iterations: "
        "vectors 30.13 dB; vectors went on."
    )
    two = described([{"first": 0, "motion": {**motion, "used": False}}, {"first": 30, "trial": trial}])
    assert two.startswith("Segment from frame 0: the search found vectors")
    assert "too little to start from. Segment from frame 30: after 100 iterations" in two
