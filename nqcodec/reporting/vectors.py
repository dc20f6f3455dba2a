"""The vectors of a file over its pictures: by how far a segment's grids are displaced in a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.media.video import Video
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.motion import camera_shift, camera_window, vector_grids
from nqcodec.network.operations import Grid

PATH_BLOCK = 64
"""Luma samples between the lines that show a camera's path, which displaces all of a picture alike."""

COLOURS = ("#000", "#ffe14d")
"""Of a line's rim and of the line."""

Displacements = npt.NDArray[np.float64]
"""[rows, columns, 2] in luma samples, down and right: how much farther a block's content is in the middle frame."""


def displacements(network: IntegerNetwork, video: Video, t: int) -> Displacements | None:
    """What displaces the blocks of frame `t` of a segment, `video` with its frames: the camera, vectors, or both; None
    where nothing does."""
    program = network.program
    vectors = _vectors(network, video, t)
    if vectors is None and camera_window(program) is None:
        return None
    if vectors is None:
        vectors = np.zeros((-(-video.height // PATH_BLOCK), -(-video.width // PATH_BLOCK), 2))
    return np.asarray(vectors + camera_shift(program, video.frames // 2, t), np.float64)


def _vectors(network: IntegerNetwork, video: Video, t: int) -> Displacements | None:
    """The vectors of frame `t`; None without any."""
    for index, unit in vector_grids(network.program).items():
        op, latent = network.program.operations[index], network.layers[index].tensors["latent"]
        assert isinstance(op, Grid)
        steps = unit * 2.0 ** (latent.step_indices.astype(np.float64) / 8)
        vectors: Displacements = steps * np.moveaxis(latent.values[t * op.times // video.frames], 0, -1)
        return vectors
    return None


def lines(found: Displacements, video: Video) -> str:
    """An SVG of the size of a picture: a line from the middle of each block to where its content is in the middle
    frame."""
    rows, columns, _ = found.shape
    block = 1 << (max(-(-video.height // rows), -(-video.width // columns)) - 1).bit_length()
    width = max(1.0, video.height / 240)
    path = "".join(
        _line((column + 0.5) * block, (row + 0.5) * block, found[row, column])
        for row in range(rows)
        for column in range(columns)
        if (row + 0.5) * block < video.height and (column + 0.5) * block < video.width
    )
    drawn = "".join(
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-linecap="round" stroke-width="{size * width:g}"/>'
        for colour, size in zip(COLOURS, (2.4, 1.2), strict=True)
    )
    return f'<svg viewBox="0 0 {video.width} {video.height}">{drawn}</svg>'


def _line(x: float, y: float, by: npt.NDArray[Any]) -> str:
    return f"M{x:g} {y:g}l{by[1]:.1f} {by[0]:.1f}"


def described(decisions: list[dict[str, Any]]) -> str:
    """What the encoder found and decided, in words, for each segment that it says something of."""
    return " ".join(text for one in decisions if (text := _described(one, len(decisions) > 1)))


def _described(one: dict[str, Any], is_named: bool) -> str:
    sentences, motion, trial = list[str](), one.get("motion"), one.get("trial")
    if motion:
        used = "" if motion["used"] else ", too little to start from"
        sentences.append(
            f"the search found vectors of up to {motion['longest']:.1f} pixels, which explain "
            f"{motion['explained']:.0%} of what changes{used}"
        )
    if trial:
        ends = ", ".join(f"{name} {psnr:.2f} dB" for name, psnr in trial["psnr"].items() if psnr is not None)
        sentences.append(f"after {trial['iterations']} iterations: {ends}; {trial['chosen']} went on")
    if not sentences:
        return ""
    text = "; ".join(sentences)
    return f"Segment from frame {one['first']}: {text}." if is_named else f"{text[0].upper()}{text[1:]}."
