"""Warps that a decoder refuses (formats/nq.md, 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conformance_vectors.build import File, Part, Vector, part
from conformance_vectors.calm import Calm, calm_network
from conformance_vectors.coding import pack_network
from conformance_vectors.faults import FORMAT, LIMIT, refused
from conformance_vectors.refused_programs import asking
from conformance_vectors.warps import SIZE, Moves, spread, warped
from nqcodec.bitstream.levels import LEVELS_BYTES
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import Int32
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    MOST_WARP_BITS,
    Conv,
    Grid,
    Operation,
    Planes,
    Tile,
    Warp,
)

SEED, FRAMES = 1420, 3
CLIP = Video(SIZE[1], SIZE[0], FRAMES, chroma=Chroma.C400, depth=12)
MOVES = Moves(spread(SEED, 90, FRAMES), 5)
"""Vectors of a few cells at no bits more."""

WARP = bytes([14, 2, 1, 0, 2])
"""The legal program's: it reads the grid and then the vectors."""

FEATURES = ("operation:warp", "refused:warp")

SHAPES: dict[str, tuple[str, tuple[int, int, int]]] = {
    "vectors-1-channel": ("Vectors of one channel.", (1, *SIZE)),
    "vectors-3-channels": ("Vectors of three channels.", (3, *SIZE)),
    "vectors-4-channels": ("Vectors of four channels.", (4, *SIZE)),
    "vectors-row-less": ("Vectors of a row less than the map.", (2, SIZE[0] - 1, SIZE[1])),
    "vectors-row-more": ("Vectors of a row more than the map.", (2, SIZE[0] + 1, SIZE[1])),
    "vectors-column-less": ("Vectors of a column less than the map.", (2, SIZE[0], SIZE[1] - 1)),
    "vectors-column-more": ("Vectors of a column more than the map.", (2, SIZE[0], SIZE[1] + 1)),
    "vectors-one-row": ("Vectors of one row for all rows.", (2, 1, SIZE[1])),
    "vectors-one-column": ("Vectors of one column for all columns.", (2, SIZE[0], 1)),
    "vectors-one-place": ("One vector for all places.", (2, 1, 1)),
    "vectors-turned": ("Vectors of as many rows as the map has columns.", (2, SIZE[1], SIZE[0])),
}
"""Purpose, and the shape of the vectors' map."""


def vectors() -> Iterator[Vector]:
    """All of this module."""
    for number, (name, (purpose, shape)) in enumerate(SHAPES.items()):
        values = spread(SEED + number, 90, FRAMES, shape[1:])
        values = values[:, np.arange(shape[0]) % 2] + np.arange(shape[0], dtype=np.int32)[:, None, None]
        played = replace(MOVES, values=stretched(values))
        data = faulty(Moves(values, MOVES.frac), WARP, hash_of(played))
        yield refused(f"program-warp-{name}", purpose, data, FORMAT, *FEATURES)
    finer = hash_of(replace(MOVES, frac=MOVES.frac + 1), MOST_WARP_BITS)
    still = hash_of(replace(MOVES, values=np.zeros_like(MOVES.values)))
    for name, purpose, warp, digest in (
        ("bits-9", "Nine bits.", bytes([14, 2, 1, 9, 2]), finer),
        ("bits-255", "255 bits, with which nothing moves.", bytes([14, 2, 1, 255, 2]), still),
        ("no-taps", "No taps.", bytes([14, 2, 1, 0, 0]), hash_of(MOVES)),
        ("1-tap", "One tap.", bytes([14, 2, 1, 0, 1]), hash_of(MOVES)),
        ("3-taps", "Three taps, played by four.", bytes([14, 2, 1, 0, 3]), hash_of(MOVES, taps=CUBIC_TAPS)),
        ("3-taps-by-two", "Three taps, played by two.", bytes([14, 2, 1, 0, 3]), hash_of(MOVES)),
        ("5-taps", "Five taps.", bytes([14, 2, 1, 0, 5]), hash_of(MOVES, taps=CUBIC_TAPS)),
        ("255-taps", "255 taps.", bytes([14, 2, 1, 0, 255]), hash_of(MOVES, taps=CUBIC_TAPS)),
        ("own-map", "A warp of its own map.", bytes([14, 0, 1, 0, 2]), hash_of(MOVES)),
        ("own-vectors", "A warp whose vectors are its own map.", bytes([14, 2, 0, 0, 2]), hash_of(MOVES)),
        ("no-map", "A warp of a map before the first.", bytes([14, 3, 1, 0, 2]), hash_of(MOVES)),
        ("no-vectors", "A warp whose vectors are before the first map.", bytes([14, 2, 3, 0, 2]), hash_of(MOVES)),
        (
            "vectors-far",
            "A warp whose vectors are 2^32 - 1 operations back.",
            b"\x0e\2" + b"\xff" * 4 + b"\x0f\0\2",
            still,
        ),
    ):
        yield refused(f"program-warp-{name}", purpose, faulty(MOVES, warp, digest), FORMAT, *FEATURES)
    head, _, _ = around(MOVES)
    for name, field, length in (("cut", "bits", 3), ("cut-taps", "taps", 4)):
        cut = File(CLIP, [Part(FRAMES, hash_of(MOVES), levels() + head + WARP[:length])]).data()
        purpose = f"A payload that ends before the {field} of a warp."
        yield refused(f"program-warp-{name}", purpose, cut, FORMAT, *FEATURES)
    yield from limits()


def stretched(values: Int32) -> Int32:
    """Vectors [T, 2, H, W] that a decoder may see in a map of another shape: the last of each axis repeated, or cut."""
    channels, rows, columns = (
        np.minimum(np.arange(size), have - 1) for size, have in zip((2, *SIZE), values.shape[1:], strict=True)
    )
    return values[:, channels][:, :, rows][:, :, :, columns]


def hash_of(moves: Moves, bits: int = 0, taps: int = LINEAR_TAPS) -> bytes:
    """The hash of the segment of a legal program with those vectors."""
    video, network = warped(SEED, moves, bits, taps)
    return part(video, network).md5


def levels() -> bytes:
    """The levels of the legal program, which most faults do not change."""
    return part(*warped(SEED, MOVES, 0)).body[:LEVELS_BYTES]


def around(moves: Moves) -> tuple[bytes, bytes, bytes]:
    """Program of four operations up to the third, the warp, then what follows it, and layers and pieces."""
    _, channels, height, width = moves.values.shape
    grids: list[Operation] = [Grid((), 1, 1, *SIZE), Grid((), FRAMES, channels, height, width)]
    network = calm_network(CLIP, [*grids, Planes((0,), 1)], Calm(SEED, latent_bits=8, frac=12, fracs={1: 12}))
    network.layers[1] = moves.layer()
    program, table, pieces = pack_network(network)
    return b"\4" + program[1:-3], bytes([4, 1, 1]), table + pieces


def faulty(moves: Moves, warp: bytes, digest: bytes) -> bytes:
    """A file of one segment with a warp in those bytes of a map by those vectors."""
    head, planes, rest = around(moves)
    return File(CLIP, [Part(FRAMES, digest, levels() + head + warp + planes + rest)]).data()


def limits() -> Iterator[Vector]:
    """Warps over the limit on multiply-accumulates by their own cost, and one whose vectors are a map too many."""
    one, large = Video(1, 1, 1, chroma=Chroma.C400), Video(32, 16, 1, chroma=Chroma.C400)
    wide: list[Operation] = [Grid((), 1, 2, 1, 1), Tile((0,), 1024, 520), Warp((1, 1), 0)]
    cubic: list[Operation] = [Grid((), 1, 2, 1, 1), Tile((0,), 1024, 103), Warp((1, 1), 0, CUBIC_TAPS)]
    alive: list[Operation] = [
        Grid((), 1, 60, 1, 1),
        Grid((), 1, 2, 1, 1),
        Tile((0,), 4096, 2166),
        Tile((1,), 4096, 2166),
        Warp((2, 3), 0),
    ]
    for name, what, video, operations in (
        ("macs-warp", "more than 2^22 multiply-accumulates a pixel by a warp", one, wide),
        ("macs-warp-cubic", "more than 2^22 multiply-accumulates a pixel by a warp of four taps", one, cubic),
        ("live-maps-warp", "more than 2^31 bytes for a warp's map and both of its inputs", large, alive),
    ):
        last = len(operations)
        rest = [Tile((last - 1,), video.height, video.width), Conv((last,), 1, 1), Planes((last + 1,), 1)]
        data = asking(video, [*operations, *rest])
        yield refused(f"limit-{name}", f"A program that asks for {what}.", data, LIMIT, f"limit:{name}", *FEATURES)
